"""Suspending, resuming and changing tenants, and what the audit log says of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from fakes.job_rows import JobRows
from reelqueue.domain.audit import PROCESS, Actor, AuditEntry
from reelqueue.domain.jobs import Queue
from reelqueue.domain.tenants import TenantChange, TenantState
from reelqueue.errors import NotFound, StateConflict, ValidationFailed
from reelqueue.kit.sealing import Sealer
from reelqueue.store.api_keys import ApiKeys
from reelqueue.store.audit import AuditLog
from reelqueue.store.dispatch import Dispatch
from reelqueue.store.engine import Database
from reelqueue.store.sweep import Sweep
from reelqueue.store.tables import audit_log, tenants
from reelqueue.store.tenants import Tenants

OPERATOR = Actor(name="operator", request_id="req_1")


@pytest.fixture
def known(database: Database, sealer: Sealer) -> Tenants:
    return Tenants(database, sealer)


@pytest.fixture
def log(database: Database) -> AuditLog:
    return AuditLog(database)


def admitted(database: Database) -> list[str]:
    """What the dispatcher admits once the sweep has been by."""
    Sweep(database).restore_flags()
    return [bell.id for bell in Dispatch(database).admit(100)]


def test_nothing_of_a_suspended_tenant_is_admitted_until_it_is_resumed(
    database: Database, known: Tenants, board: JobRows, tenant: str
) -> None:
    waiting = board.job(tenant)
    running = board.job(tenant, admitted_at="2030-01-01T00:00:00Z")
    assert known.suspend(tenant).state is TenantState.SUSPENDED
    assert admitted(database) == []
    due = {bell.id for bell in Dispatch(database).mark_due(Queue.STEP, 10)}
    assert due == {running}, "what was begun goes on"
    assert known.resume(tenant).state is TenantState.ACTIVE
    assert admitted(database) == [waiting]


@pytest.mark.parametrize("paused", [False, True])
def test_a_suspension_keeps_the_pause_switch_as_it_was(
    database: Database, known: Tenants, board: JobRows, tenant: str, paused: bool
) -> None:
    board.job(tenant)
    with database.statement() as connection:  # paused before there was a second column
        connection.execute(update(tenants).where(tenants.c.id == tenant).values(paused=paused))
    for _ in range(2):
        assert known.suspend(tenant).paused is paused
    assert known.resume(tenant).paused is paused
    assert known.resume(tenant).paused is paused
    assert len(admitted(database)) == (0 if paused else 1)


def test_a_switch_that_is_turned_meanwhile_holds_from_the_resumption_on(
    database: Database, known: Tenants, board: JobRows, tenant: str
) -> None:
    board.job(tenant)
    known.suspend(tenant)
    assert known.change(tenant, TenantChange(paused=True)).paused
    assert not known.change(tenant, TenantChange(paused=False)).paused
    assert admitted(database) == []
    known.resume(tenant)
    assert len(admitted(database)) == 1


def test_a_new_cap_acts_on_jobs_that_wait_already(
    database: Database, known: Tenants, board: JobRows, tenant: str
) -> None:
    known.change(tenant, TenantChange(max_running=0))
    board.many(tenant, 3)
    assert admitted(database) == []
    changed = known.change(tenant, TenantChange(name="other", weight=3, max_running=2))
    assert (changed.name, changed.weight, changed.max_running) == ("other", 3, 2)
    assert len(admitted(database)) == 2
    assert known.find("other") == known.find(tenant) == changed


def test_a_change_that_means_nothing_is_refused_and_written_nowhere(
    known: Tenants, log: AuditLog, tenant: str, other_tenant: str
) -> None:
    before = (known.list(), log.list())
    for change in (TenantChange(name=" "), TenantChange(weight=0), TenantChange(max_running=-1)):
        with pytest.raises(ValidationFailed):
            known.change(tenant, change)
    with pytest.raises(StateConflict):
        known.change(tenant, TenantChange(name="two"))
    for act in (known.suspend, known.resume, lambda missing: known.change(missing, TenantChange(weight=2))):
        with pytest.raises(NotFound):
            act("ten_" + "0" * 26)
    assert (known.list(), log.list()) == before


def test_pages_of_tenants_go_back_in_time(known: Tenants) -> None:
    made = [known.create(f"t{number}").id for number in range(5)]
    newest = sorted(made, reverse=True)
    first = known.page(before=None, limit=3)
    assert [one.id for one in first] == newest[:3]
    assert [one.id for one in known.page(before=first[-1].id, limit=3)] == newest[3:]


# --- the log ----------------------------------------------------------------------------------------------------------


def told(entry: AuditEntry) -> tuple[str, str, str, dict[str, Any]]:
    return entry.actor, entry.action, entry.target, dict(entry.data)


def test_who_did_what_and_when_is_written_down(
    database: Database, known: Tenants, log: AuditLog, tenant: str, other_tenant: str
) -> None:
    keys = ApiKeys(database, b"p" * 32)
    made = keys.create(tenant, name="a secret name", scopes=["usage"], by=OPERATOR)
    by_key = Actor(name=made.id, request_id="req_2")
    keys.revoke(tenant, made.id, by=by_key)
    keys.revoke(tenant, made.id, by=by_key)
    known.change(tenant, TenantChange(name="a secret name", weight=7), by=OPERATOR)
    known.suspend(tenant, by=OPERATOR)
    known.resume(tenant, by=OPERATOR)
    entries = log.list(tenant_id=tenant)
    assert [told(one) for one in reversed(entries)] == [
        (PROCESS.name, "tenant.created", tenant, {"weight": 1, "max_running": 50}),
        ("operator", "key.created", made.id, {"scopes": ["usage"], "expires_at": None}),
        (made.id, "key.revoked", made.id, {}),
        ("operator", "tenant.changed", tenant, {"name": True, "weight": 7}),
        ("operator", "tenant.suspended", tenant, {}),
        ("operator", "tenant.resumed", tenant, {}),
    ]
    assert entries[-2].request_id == "req_1"
    assert "a secret name" not in repr(log.list())
    assert [one.tenant_id for one in log.list(tenant_id=other_tenant)] == [other_tenant]
    assert [one.seq for one in log.list(before=entries[0].seq, limit=2)] == [entries[0].seq - 1, entries[0].seq - 2]


def test_what_did_not_happen_is_not_written(database: Database, log: AuditLog, tenant: str) -> None:
    before = log.list()
    keys = ApiKeys(database, b"p" * 32)
    with pytest.raises(NotFound):
        keys.create("ten_" + "0" * 26, name="n", scopes=["usage"])
    with pytest.raises(NotFound):
        keys.revoke(tenant, "key_" + "0" * 26)
    assert log.list() == before


def test_entries_written_at_once_make_one_chain(
    known: Tenants, log: AuditLog, tenant: str, at_once: Callable[..., list[Any]]
) -> None:
    # Each a tenant of its own: writers of one tenant wait for each other anyhow.
    done = at_once(8, lambda number: [known.create(f"t{number}-{one}") for one in range(5)])
    assert not [one for one in done if isinstance(one, Exception)]
    assert [one.seq for one in log.list()] == list(range(41, 0, -1))
    assert log.first_break() is None


@pytest.mark.parametrize(
    ("spoil", "at"),
    [
        (update(audit_log).where(audit_log.c.seq == 3).values(actor="nobody"), 3),
        (update(audit_log).where(audit_log.c.seq == 3).values(data={"weight": 9}), 3),
        (delete(audit_log).where(audit_log.c.seq == 3), 4),
        (delete(audit_log).where(audit_log.c.seq == 1), 2),
        (update(audit_log).where(audit_log.c.seq == 4).values(digest="0" * 64), 4),
        (
            insert(audit_log).values(
                seq=7, actor="a", action="a", target="a", previous="0" * 64, digest="0" * 64, data={}
            ),
            7,
        ),
    ],
)
def test_a_log_that_was_tampered_with_does_not_fit(
    database: Database, known: Tenants, log: AuditLog, tenant: str, spoil: Any, at: int
) -> None:
    for weight in range(2, 7):
        known.change(tenant, TenantChange(weight=weight))
    assert log.first_break() is None
    with database.statement() as connection:
        connection.execute(spoil)
    assert log.first_break() == at
