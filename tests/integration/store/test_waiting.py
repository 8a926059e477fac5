"""Every live job that nobody works on says why; one that is worked on says nothing."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, text, update

from reelqueue.domain.intake import JobFilter
from reelqueue.domain.jobs import Status, WaitingReason
from reelqueue.kit.ids import new_id
from reelqueue.store.jobs import Jobs
from reelqueue.store.room import ROOM
from reelqueue.store.rows import WORKER_LOST
from reelqueue.store.sweep import Sweep
from reelqueue.store.tables import jobs, projects, tenants, upstream_tokens, workers

LIVE = [status for status in Status if not status.is_final]
SINCE = "2026-01-01T00:00:00Z"


@pytest.fixture
def shown(database):
    """The job by `GET` and in the list: they agree."""

    def read(tenant, job_id):
        one = Jobs(database).find(tenant, job_id)
        listed = Jobs(database).list(tenant, JobFilter(), before=None, limit=100)
        assert next(job for job in listed if job.id == job_id).waiting == one.waiting
        return one.waiting

    return read


@pytest.mark.parametrize("dispatch", ["idle", "rung"])
@pytest.mark.parametrize("status", LIVE)
def test_whoever_stands_still_says_why(board, shown, tenant, status, dispatch):
    """Whatever the column says: between two steps of different queues nothing was written there."""
    values = {"admitted_at": func.now(), "dispatch": dispatch, "bell_at": func.now() if dispatch == "rung" else None}
    waiting = shown(tenant, board.job(tenant, status, **values))
    expected = WaitingReason.ANSWER if status is Status.REQUIRES_INPUT else WaitingReason.TURN
    assert waiting.reason is expected


@pytest.mark.parametrize("reason", list(WaitingReason))
def test_what_was_written_is_what_is_said(board, shown, tenant, reason):
    written = {"reason": reason.value, "since": SINCE, "until": None, "detail": None}
    job_id = board.job(tenant, Status.INSTRUCTING, waiting=written)
    assert shown(tenant, job_id).reason is reason


@pytest.mark.parametrize("status", LIVE)
def test_whoever_is_worked_on_waits_for_nothing(board, shown, tenant, status):
    assert shown(tenant, board.held(tenant, board.worker(), status).job.id) is None


@pytest.mark.parametrize("status", [status for status in Status if status.is_final])
def test_whoever_has_ended_waits_for_nothing(board, shown, tenant, status):
    written = {"reason": "render", "since": SINCE, "until": None, "detail": None}
    assert shown(tenant, board.job(tenant, status, waiting=written)) is None


def test_a_job_whose_worker_is_gone_waits_before_and_after_the_takeover(board, shown, database, tenant):
    worker = board.worker()
    job_id = board.held(tenant, worker).job.id
    with database.statement() as connection:
        connection.execute(update(workers).where(workers.c.id == worker).values(expires_at=func.now()))
    before = shown(tenant, job_id)
    assert (before.reason, before.detail) == (WaitingReason.RETRY, WORKER_LOST)
    Sweep(database).take_over()
    assert shown(tenant, job_id).reason is WaitingReason.RETRY
    board.ring(job_id)
    assert shown(tenant, job_id).reason is WaitingReason.RETRY


# --- room -------------------------------------------------------------------------------------------------------------


def test_at_its_cap_a_tenant_is_what_its_new_jobs_wait_for(board, shown, database, tenant):
    with database.statement() as connection:
        connection.execute(update(tenants).where(tenants.c.id == tenant).values(max_running=1))
    waits = board.job(tenant)
    assert shown(tenant, waits).reason is WaitingReason.TURN
    running = board.job(tenant, Status.INSTRUCTING)
    assert shown(tenant, waits).reason is WaitingReason.TENANT_CAP
    assert shown(tenant, running).reason is WaitingReason.TURN


@pytest.mark.parametrize("owner", ["own", "pool"])
def test_where_every_token_is_full_new_jobs_wait_for_room(board, shown, tenant, other_tenant, owner):
    board.upstream_token(other_tenant)
    mine = board.upstream_token(tenant if owner == "own" else None, max_turns=1)
    waits = board.job(tenant)
    assert shown(tenant, waits).reason is WaitingReason.TURN
    board.job(tenant, Status.INSTRUCTING, token_id=mine, slot="turn", slot_since=func.now())
    assert shown(tenant, waits).reason is WaitingReason.TOKEN_ROOM
    board.upstream_token(tenant)
    assert shown(tenant, waits).reason is WaitingReason.TURN


def test_the_pool_helps_only_those_without_a_token_of_their_own(board, shown, tenant):
    board.upstream_token(None)
    mine = board.upstream_token(tenant, max_turns=0)
    waits = board.job(tenant)
    assert shown(tenant, waits).reason is WaitingReason.TOKEN_ROOM
    with board.database.statement() as connection:
        connection.execute(update(upstream_tokens).where(upstream_tokens.c.id == mine).values(health="invalid"))
    assert shown(tenant, waits).reason is WaitingReason.TURN


def test_a_project_has_its_own_token_and_an_export_room_of_its_own(board, shown, tenant):
    board.upstream_token(tenant)
    bound = board.upstream_token(tenant, max_turns=0)
    project_id = new_id("project")
    row = {"id": project_id, "tenant_id": tenant, "state": "ready", "session_id": project_id, "token_id": bound}
    with board.database.statement() as connection:
        connection.execute(insert(projects).values(**row))
    assert shown(tenant, board.job(tenant, project_id=project_id)).reason is WaitingReason.TOKEN_ROOM
    export = {"project_id": project_id, "version": 1, "instructions": [], "outputs": [{"quality": "low"}]}
    assert shown(tenant, board.job(tenant, **export)).reason is WaitingReason.TURN


def test_while_every_token_rests_so_do_new_jobs(board, shown, tenant):
    token = board.upstream_token(tenant, health="cooling", cooling_until=func.now() + timedelta(minutes=1))
    waits = board.job(tenant)
    assert shown(tenant, waits).reason is WaitingReason.TOKEN_COOLING
    with board.database.statement() as connection:
        mine = update(upstream_tokens).where(upstream_tokens.c.id == token)
        connection.execute(mine.values(cooling_until=func.now()))
    assert shown(tenant, waits).reason is WaitingReason.TURN


def test_whoever_was_taken_up_and_needs_room_again_says_so(board, shown, tenant):
    token = board.upstream_token(tenant)
    waits = board.job(tenant, Status.RENDERING, token_id=token, wants="render")
    assert shown(tenant, waits).reason is WaitingReason.TOKEN_ROOM


def test_without_any_token_the_job_is_taken_up_and_says_so_itself(board, shown, tenant):
    board.upstream_token(tenant, health="invalid", max_turns=0)
    assert shown(tenant, board.job(tenant)).reason is WaitingReason.TURN


def test_a_list_asks_for_the_room_once_however_long_it_is(board, database, tenant):
    for _ in range(50):
        board.job(tenant)
    statement = select(jobs.c.id, ROOM.bindparams(room_of=tenant)).where(jobs.c.tenant_id == tenant)
    written = statement.compile(dialect=database.engine.dialect, compile_kwargs={"literal_binds": True})
    with database.statement() as connection:
        plan = connection.execute(text(f"EXPLAIN (ANALYZE, COSTS off, TIMING off) {written}")).scalars().all()
    assert any("rows=50" in line for line in plan)
    assert {times for line in plan for times in re.findall(r"loops=(\d+)", line)} == {"1"}
