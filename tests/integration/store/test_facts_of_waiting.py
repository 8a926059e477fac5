"""The facts behind a job's waiting, in one snapshot, and none of another tenant's."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, update

from fakes.in_name import InTheirName
from fakes.job_rows import counting
from reelqueue.domain.jobs import Status
from reelqueue.errors import NotFound
from reelqueue.kit.ids import new_id
from reelqueue.store import facts_of_waiting as module
from reelqueue.store.facts_of_waiting import WaitingFacts
from reelqueue.store.tables import breakers, projects, recoveries, tenants


@pytest.fixture
def facts(database):
    return InTheirName(WaitingFacts(database))


def project(database, owner, token_id=None):
    project_id = new_id("project")
    row = {"id": project_id, "tenant_id": owner, "state": "new"}
    if token_id is not None:
        row |= {"state": "ready", "session_id": project_id, "token_id": token_id}
    with database.statement() as connection:
        connection.execute(insert(projects).values(**row))
    return project_id


def test_anothers_job_is_one_that_never_was(board, facts, tenant, other_tenant):
    for job_id in (board.job(other_tenant), new_id("job")):
        with pytest.raises(NotFound):
            facts.of(tenant, job_id)


def test_the_place_counts_ones_own_jobs_of_the_same_customer_that_go_first(board, facts, tenant, other_tenant):
    board.job(other_tenant, customer="a")
    board.job(tenant, customer="b")
    board.job(tenant)
    board.job(tenant, customer="a")
    board.job(tenant, Status.INSTRUCTING, customer="a")
    mine = board.job(tenant, customer="a")
    board.job(tenant, customer="a")
    urgent = board.job(tenant, customer="a", priority=0)
    assert (facts.of(tenant, mine).place, facts.of(tenant, urgent).place) == (2, 0)
    at_work = board.job(tenant, Status.INSTRUCTING)
    assert facts.of(tenant, at_work).place is None


def test_a_place_among_too_many_is_not_counted(board, facts, tenant, monkeypatch):
    monkeypatch.setattr(module, "MOST_COUNTED", 3)
    jobs = [board.job(tenant) for _ in range(2)]
    assert facts.of(tenant, jobs[1]).place == 1
    board.job(tenant)
    assert facts.of(tenant, jobs[1]).place is None


def test_the_tenants_figures(board, facts, database, tenant, other_tenant):
    with database.statement() as connection:
        connection.execute(update(tenants).where(tenants.c.id == tenant).values(weight=3, max_running=7, paused=True))
        connection.execute(update(tenants).where(tenants.c.id == other_tenant).values(weight=1, has_waiting=True))
    board.job(tenant, Status.RENDERING)
    board.job(tenant, Status.SUCCEEDED)
    board.job(other_tenant, Status.RENDERING)
    found = facts.of(tenant, board.job(tenant))
    assert (found.running, found.max_running, found.paused, found.share) == (1, 7, True, 0.75)
    assert (found.admitted_at, found.due_at is not None) == (None, True)


def test_a_busy_project_names_the_job_that_comes_first(board, facts, database, tenant):
    shared = project(database, tenant)
    first = board.job(tenant, Status.INSTRUCTING, project_id=shared)
    second = board.job(tenant, project_id=shared)
    third = board.job(tenant, project_id=shared)
    assert facts.of(tenant, second).project_job == first
    board.write(first, status="failed", dispatch="done", finished_at=func.now(), error={})
    assert (facts.of(tenant, third).project_job, facts.of(tenant, second).project_job) == (second, None)
    with database.statement() as connection:
        watch = {"job_id": first, "tenant_id": tenant, "project_id": shared, "kind": "turn"}
        connection.execute(insert(recoveries).values(**watch))
    assert facts.of(tenant, second).project_turn_watched


def test_ones_own_token_tells_its_figures(board, facts, database, tenant):
    mine = board.upstream_token(tenant, max_turns=1, user_id="me")
    board.job(tenant, Status.INSTRUCTING, token_id=mine, slot="turn", slot_since=func.now())
    found = facts.of(tenant, board.job(tenant)).token
    assert (found.id, found.own, found.full, found.slots_in_use, found.max_slots) == (mine, True, True, 1, 1)


def test_the_pools_token_tells_only_what_concerns_the_job(board, facts, database, tenant, other_tenant):
    until = func.now() + timedelta(minutes=1)
    shared = board.upstream_token(None, max_turns=1, health="cooling", cooling_until=until, user_id="pool")
    board.upstream_token(other_tenant)
    board.job(other_tenant, Status.INSTRUCTING, token_id=shared, slot="turn", slot_since=func.now())
    found = facts.of(tenant, board.job(tenant)).token
    assert (found.id, found.own, found.slots_in_use, found.max_slots, found.user_id) == (None, False, None, None, None)
    assert found.full
    assert found.cooling_until is not None


def test_the_token_with_room_is_the_one_that_matters_and_a_project_has_its_own(board, facts, database, tenant):
    full = board.upstream_token(tenant, max_turns=0)
    free = board.upstream_token(tenant)
    board.upstream_token(tenant, removed_at=func.now())
    assert facts.of(tenant, board.job(tenant)).token.id == free
    bound = board.job(tenant, project_id=project(database, tenant, full))
    assert facts.of(tenant, bound).token.id == full
    admitted = board.job(tenant, Status.INSTRUCTING, token_id=full)
    assert facts.of(tenant, admitted).token.id == full


def test_ones_own_comes_before_the_pool_and_whoever_rests_comes_last(board, facts, tenant):
    later, sooner = (func.now() + timedelta(minutes=n) for n in (9, 3))
    job_id = board.job(tenant)
    assert facts.of(tenant, job_id).token is None
    board.upstream_token(None, health="cooling", cooling_until=later)
    resting = board.upstream_token(tenant, health="cooling", cooling_until=sooner)
    found = facts.of(tenant, job_id).token
    assert (found.id, found.cooling_until is not None) == (resting, True)
    board.upstream_token(None)
    assert (facts.of(tenant, job_id).token.own, facts.of(tenant, job_id).token.cooling_until) == (False, None)
    full = board.upstream_token(tenant, max_turns=0)
    assert facts.of(tenant, job_id).token.id == full


def test_all_of_it_is_of_one_moment(board, facts, database, tenant):
    """Every statement after the first sees what the first saw."""
    job_id = board.job(tenant)
    with counting(database) as statements:
        facts.of(tenant, job_id)
    # Saying for whom is a statement as well: before the transaction, and in it where all tenants are compared.
    said = [one for one in statements if "set_config" not in one]
    assert said[0].startswith("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    assert len(said) <= 6


def test_a_phase_that_is_down_is_named_to_whoever_waits_for_it(board, facts, database, tenant):
    down = {"state": "open", "opened_at": func.now(), "next_probe_at": func.now() + timedelta(seconds=5)}
    waiting = {"reason": "upstream_degraded", "since": "2026-01-01T00:00:00Z", "until": None, "detail": "render"}
    waits = board.job(tenant, Status.RENDERING, waiting=waiting)
    renders = board.job(tenant, Status.RENDERING, waiting={**waiting, "reason": "render"})
    with database.statement() as connection:
        connection.execute(insert(breakers).values(phase="render", **down))
    found = facts.of(tenant, waits).breaker
    assert (found.phase, found.state) == ("render", "open")
    assert found.next_probe_at is not None
    assert facts.of(tenant, renders).breaker is None
