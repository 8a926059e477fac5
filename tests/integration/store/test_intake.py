from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from fakes.job_rows import counting
from reelqueue.domain.documents import job_document
from reelqueue.domain.intake import IdempotencyKey, NewAsset, NewInput, NewJob
from reelqueue.domain.jobs import Priority, Status, WaitingReason
from reelqueue.domain.outputs import Output
from reelqueue.domain.repairs import Measure, Repair
from reelqueue.errors import DependencyUnavailable, IdempotencyKeyReused, NotFound
from reelqueue.kit.clock import SystemClock
from reelqueue.kit.ids import is_id, new_id
from reelqueue.store.assets import Assets
from reelqueue.store.dispatch import Dispatch
from reelqueue.store.endpoints import Endpoints
from reelqueue.store.intake import JobIntake
from reelqueue.store.jobs import Jobs
from reelqueue.store.tables import assets, idempotency_keys, job_events, job_inputs, jobs, tenants


@pytest.fixture
def database(module_database):
    return module_database


@pytest.fixture
def tenant(board):
    return board.tenant(new_id("tenant"))


@pytest.fixture
def intake(database):
    return JobIntake(database, SystemClock())


def new(tenant, **changes):
    return NewJob(**{"tenant_id": tenant, "instructions": ("animate this",), **changes})


def key(name="k", fingerprint="f", operation="jobs.create"):
    return IdempotencyKey(operation=operation, key=name, fingerprint=fingerprint)


def picture(number=1):
    sha = f"{number:064x}"
    return NewAsset(
        sha256=sha,
        bytes=10,
        kind="image",
        media_type="image/png",
        extension="png",
        label="a.png",
        width=1,
        height=1,
        duration_ms=None,
        blob_key=f"blob/{sha}",
    )


def kept(database, tenant):
    """How many jobs, events, inputs, keys and assets the tenant has."""
    with database.statement() as connection:
        return {
            table.name: connection.execute(
                select(func.count()).select_from(table).where(table.c.tenant_id == tenant)
            ).scalar_one()
            for table in (jobs, job_events, job_inputs, idempotency_keys, assets)
        }


# --- one job ----------------------------------------------------------------------------------------------------------


def test_what_is_returned_is_what_is_kept(intake, board, tenant, database):
    finish_by = datetime(2126, 1, 1, tzinfo=UTC)
    asset = Assets(database).keep(tenant, picture())
    accepted = intake.accept(
        new(
            tenant,
            instructions=("one", "two \U0001f3ac \u2028"),
            inputs=(
                NewInput(asset_id=asset.id, repairs=(Repair("scaled", Measure(9, 4, 2), Measure(5, 2, 1)),)),
                NewInput(url="https://x.example/a.png"),
                NewInput(asset=replace(picture(2), repairs=(Repair("renamed", "a.jpg", "a.png"),))),
            ),
            outputs=(Output(format="mp4", quality="low"), Output()),
            language="zh",
            metadata={"a": "b", "\u00e9": "\\u0000"},
            external_id="order-1",
            customer="c",
            webhook_url="https://hooks.example/",
            finish_by=finish_by,
            start_by=finish_by,
            priority=Priority.HIGH,
        )
    )
    assert not accepted.replayed
    found = Jobs(database).find(tenant, accepted.job.id)
    assert job_document(found) == job_document(accepted.job)
    assert (found.instructions, found.metadata) == (("one", "two \U0001f3ac \u2028"), {"a": "b", "\u00e9": "\\u0000"})
    assert (found.start_by, found.priority) == (finish_by, Priority.HIGH)
    assert (found.finish_by, found.webhook_url, found.status) == (finish_by, "https://hooks.example/", Status.QUEUED)
    assert found.waiting.reason is WaitingReason.TURN
    assert board.events(found.id) == [(1, "job.queued")]
    row = board.read(found.id)
    assert (row["dispatch"], row["admitted_at"], row["lease_epoch"]) == ("idle", None, 0)


def test_an_edit_without_export_has_no_output(intake, tenant, database):
    job = intake.accept(new(tenant, outputs=())).job
    assert Jobs(database).find(tenant, job.id).outputs == ()


def test_a_tenant_with_work_is_flagged(intake, tenant, database):
    intake.accept(new(tenant))
    with database.statement() as connection:
        assert connection.execute(select(tenants.c.has_waiting).where(tenants.c.id == tenant)).scalar_one()


def test_idleness_banks_nothing(intake, board, database):
    """A tenant that wakes starts where the one is that was served last, not where it stopped long ago."""
    with database.statement() as connection:
        connection.execute(update(tenants).values(has_waiting=False))
    board.many(board.tenant(new_id("tenant"), virtual_time=5000.0), 1)
    assert len(Dispatch(database).admit(1)) == 1
    sleeper, racer = board.tenant(new_id("tenant")), board.tenant(new_id("tenant"), virtual_time=9000.0)
    for tenant in (sleeper, racer):
        intake.accept(new(tenant))
    with database.statement() as connection:
        times = {row.id: row.virtual_time for row in connection.execute(select(tenants.c.id, tenants.c.virtual_time))}
    assert times[sleeper] == 5000.0
    assert times[racer] == 9000.0


def test_the_first_event_goes_to_who_wants_it(intake, board, tenant, database):
    endpoints = Endpoints(database, Plain())
    for patterns in (["*"], ["job.*"], ["job.queued"], ["job.failed"]):
        endpoints.create(tenant, url="https://x.example/", event_types=patterns, description=None)
    job = intake.accept(new(tenant, webhook_url="https://own.example/")).job
    found = board.messages(job.id)
    assert len(found) == 3
    for message in found:
        assert is_id(message["id"], "message")
        body = json.loads(message["payload"])
        assert (body["type"], body["data"]["seq"], body["data"]["job"]) == ("job.queued", 1, job_document(job))


class Plain:
    def seal(self, plaintext, *, aad):
        return plaintext


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_new_file_and_its_job_are_committed_together(intake, tenant, database):
    job = intake.accept(new(tenant, inputs=(NewInput(asset=picture(1)), NewInput(asset=picture(2))))).job
    assert kept(database, tenant) == {"jobs": 1, "job_events": 1, "job_inputs": 2, "idempotency_keys": 0, "assets": 2}
    assert all(one.asset_id is not None for one in Jobs(database).find(tenant, job.id).inputs)


def test_the_same_content_is_one_asset(intake, tenant, database):
    for _ in range(2):
        intake.accept(new(tenant, inputs=(NewInput(asset=picture(1)), NewInput(asset=picture(1)))))
    assert kept(database, tenant)["assets"] == 1


def test_files_that_come_in_any_order_from_many_at_once_are_kept_once(intake, tenant, database, at_once):
    def accept(number):
        order = (1, 2, 3) if number % 2 else (3, 2, 1)
        return intake.accept(new(tenant, inputs=tuple(NewInput(asset=picture(n)) for n in order)))

    for _ in range(10):
        outcomes = at_once(8, accept)
        assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
    assert kept(database, tenant)["assets"] == 3


@pytest.mark.parametrize("brings_a_file", [False, True])
def test_an_asset_that_is_gone_is_not_found_and_nothing_is_kept(intake, tenant, database, brings_a_file):
    gone = NewInput(asset_id=new_id("asset"))
    inputs = (gone, NewInput(asset=picture(1))) if brings_a_file else (gone,)
    with pytest.raises(NotFound):
        intake.accept(new(tenant, inputs=inputs, idempotency=key()))
    assert set(kept(database, tenant).values()) == {0}


# --- idempotency ------------------------------------------------------------------------------------------------------


def test_a_repeat_gets_the_job_it_made(intake, tenant, database):
    first = intake.accept(new(tenant, idempotency=key()))
    again = intake.accept(new(tenant, idempotency=key()))
    assert (first.replayed, again.replayed, again.job.id) == (False, True, first.job.id)
    assert kept(database, tenant)["jobs"] == 1


def test_fifty_at_once_under_one_key_make_one_job(intake, tenant, database, at_once):
    outcomes = at_once(50, lambda _: intake.accept(new(tenant, idempotency=key())))
    assert len({outcome.job.id for outcome in outcomes}) == 1
    assert sum(not outcome.replayed for outcome in outcomes) == 1
    assert kept(database, tenant) == {"jobs": 1, "job_events": 1, "job_inputs": 0, "idempotency_keys": 1, "assets": 0}


def test_fifty_at_once_from_several_processes_and_with_files_make_one_job(tenant, database, at_once):
    gateways = [JobIntake(database, SystemClock()) for _ in range(5)]

    def accept(number):
        inputs = (NewInput(asset=picture(1)),) if number % 2 else ()
        return gateways[number % 5].accept(new(tenant, inputs=inputs, idempotency=key()))

    outcomes = at_once(50, accept)
    assert len({outcome.job.id for outcome in outcomes}) == 1
    assert kept(database, tenant)["jobs"] == 1


def test_another_request_under_the_same_key_is_refused(intake, tenant, database):
    intake.accept(new(tenant, idempotency=key(fingerprint="one")))
    for inputs in ((), (NewInput(asset=picture(1)),)):
        with pytest.raises(IdempotencyKeyReused):
            intake.accept(new(tenant, inputs=inputs, idempotency=key(fingerprint="two")))
    assert kept(database, tenant)["jobs"] == 1
    assert kept(database, tenant)["assets"] == 0


def test_a_key_is_the_tenants_own_and_the_operations(intake, board, tenant):
    first = intake.accept(new(tenant, idempotency=key())).job
    other = intake.accept(new(board.tenant(new_id("tenant")), idempotency=key())).job
    elsewhere = intake.accept(new(tenant, idempotency=key(operation="jobs.retry"))).job
    assert len({first.id, other.id, elsewhere.id}) == 3


def expire(database, tenant, *, ended=True):
    """Let the tenant's keys be older than their day; and its jobs be over, unless said otherwise."""
    over = {"status": "canceled", "dispatch": "done", "finished_at": func.now()}
    with database.transaction() as connection:
        connection.execute(
            update(idempotency_keys).where(idempotency_keys.c.tenant_id == tenant).values(expires_at=func.now())
        )
        if ended:
            connection.execute(update(jobs).where(jobs.c.tenant_id == tenant, jobs.c.dispatch != "done").values(**over))


def test_a_key_lives_a_day(intake, tenant, database):
    first = intake.accept(new(tenant, idempotency=key())).job
    with database.statement() as connection:
        [lifetime] = connection.execute(
            select(idempotency_keys.c.expires_at - idempotency_keys.c.created_at).where(
                idempotency_keys.c.tenant_id == tenant
            )
        ).scalars()
    expire(database, tenant)
    assert lifetime == timedelta(hours=24)
    assert intake.replay(tenant, key()) is None
    again = intake.accept(new(tenant, idempotency=key(fingerprint="another")))
    assert not again.replayed
    assert again.job.id != first.id


def test_an_expired_key_is_no_hindrance_and_is_cleared_away(intake, tenant, database):
    intake.accept(new(tenant, idempotency=key()))
    expire(database, tenant)
    assert not intake.accept(new(tenant, idempotency=key())).replayed
    expire(database, tenant)
    assert intake.forget_expired_keys() >= 1
    assert kept(database, tenant)["idempotency_keys"] == 0


def test_a_look_before_costly_work(intake, tenant):
    assert intake.replay(tenant, key()) is None
    job = intake.accept(new(tenant, idempotency=key())).job
    assert intake.replay(tenant, key()).id == job.id
    with pytest.raises(IdempotencyKeyReused):
        intake.replay(tenant, key(fingerprint="other"))


# --- shared commits ---------------------------------------------------------------------------------------------------


def test_many_share_one_statement(intake, tenant, database):
    with counting(database) as statements:
        outcomes = intake.accept_many([new(tenant) for _ in range(64)])
    assert len({outcome.job.id for outcome in outcomes}) == 64
    assert len(statements) == 1
    assert kept(database, tenant)["jobs"] == 64


def test_a_lone_request_waits_for_nobody(intake, tenant, database):
    with counting(database) as statements:
        intake.accept(new(tenant))
    assert len(statements) == 1


def test_two_same_keys_in_one_commit_make_one_job(intake, tenant, database):
    requests = [new(tenant)] + [new(tenant, idempotency=key()) for _ in range(10)]
    outcomes = intake.accept_many(requests)
    assert len({outcome.job.id for outcome in outcomes[1:]}) == 1
    assert sum(not outcome.replayed for outcome in outcomes[1:]) == 1
    assert kept(database, tenant)["jobs"] == 2


def test_two_requests_under_one_key_in_one_commit(intake, tenant):
    requests = [new(tenant), *(new(tenant, idempotency=key(fingerprint=str(n % 2))) for n in range(10))]
    outcomes = intake.accept_many(requests)[1:]
    refused = [outcome for outcome in outcomes if isinstance(outcome, IdempotencyKeyReused)]
    assert len(refused) == 5
    assert len({outcome.job.id for outcome in outcomes if not isinstance(outcome, Exception)}) == 1


def test_one_bad_row_fails_nobody_else(intake, tenant, database):
    bad = new(tenant, inputs=(NewInput(asset_id=new_id("asset")),))
    outcomes = intake.accept_many([new(tenant) for _ in range(50)] + [bad] + [new(tenant) for _ in range(10)])
    assert [type(outcome) for outcome in outcomes if isinstance(outcome, Exception)] == [NotFound]
    assert isinstance(outcomes[50], NotFound)
    assert kept(database, tenant)["jobs"] == 60


def test_a_database_that_is_away_is_told_to_all_at_once(intake, tenant, database, monkeypatch):
    """And not tried for each of them in turn: sixty times a connect timeout is five minutes."""
    calls = []

    def away(rows):
        calls.append(len(rows))
        raise DependencyUnavailable("gone")

    monkeypatch.setattr(intake, "_insert", away)
    outcomes = intake.accept_many([new(tenant) for _ in range(21)])
    assert {type(outcome) for outcome in outcomes} == {DependencyUnavailable}
    assert calls == [21]
    assert kept(database, tenant)["jobs"] == 0


def test_a_key_outlives_its_day_while_its_job_runs(intake, tenant, database):
    job = intake.accept(new(tenant, idempotency=key())).job
    expire(database, tenant, ended=False)
    assert intake.accept(new(tenant, idempotency=key())).job.id == job.id
    expire(database, tenant)
    assert intake.accept(new(tenant, idempotency=key())).job.id != job.id


def test_jobs_of_many_tenants_from_several_processes_do_not_get_in_each_others_way(board, database, at_once):
    gateways = [JobIntake(database, SystemClock()) for _ in range(4)]
    mine = [board.tenant(new_id("tenant")) for _ in range(12)]

    def accept(number):
        for tenant in random.Random(number).sample(mine, 12):
            gateways[number % 4].accept(new(tenant))
            with database.statement() as connection:
                connection.execute(update(tenants).where(tenants.c.id == tenant).values(has_waiting=False))

    assert [error for error in at_once(16, accept) if error is not None] == []
    assert {kept(database, tenant)["jobs"] for tenant in mine} == {16}
