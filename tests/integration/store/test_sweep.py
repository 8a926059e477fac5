from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from fakes.engine import snapshot
from fakes.job_rows import emptied
from reelqueue.domain.claims import Change, ClaimLost
from reelqueue.domain.jobs import EventType, Queue, Status
from reelqueue.domain.turns import TurnState
from reelqueue.kit.acting import EVERYBODY
from reelqueue.kit.limits import CLAIMS_BEFORE_POISONED
from reelqueue.store.claims import Claims
from reelqueue.store.dispatch import Dispatch
from reelqueue.store.engine import Database, make_engine
from reelqueue.store.lanes import Lanes
from reelqueue.store.sweep import Sweep
from reelqueue.store.tables import webhook_lanes, workers
from reelqueue.store.turns import Turns
from reelqueue.store.workers import Workers

ON = Change(origin=Status.INSTRUCTING, to=Status.RENDERING, hold="release", due_s=0, event=EventType.RENDERING)
PAST = func.now() - timedelta(seconds=1)


@pytest.fixture
def database(module_database):
    return emptied(module_database)


@pytest.fixture
def make_database(database):
    """More databases on the one server, each with a pool of its own, as other processes would have."""
    made = []

    def make():
        made.append(Database(make_engine(database.engine.url.render_as_string(hide_password=False), whose=EVERYBODY)))
        return made[-1]

    yield make
    for one in made:
        one.dispose()


@pytest.fixture
def sweep(database):
    return Sweep(database)


@pytest.fixture
def claims(database):
    return Claims(database)


def die(database, worker_id):
    """The worker's lease runs out: it was killed, or stopped for too long."""
    with database.statement() as connection:
        connection.execute(update(workers).where(workers.c.id == worker_id).values(expires_at=PAST))


# --- leases of the dead -----------------------------------------------------------------------------------------------


def test_what_a_dead_worker_held_is_taken_over_and_its_late_write_is_refused(board, sweep, claims, tenant, database):
    alive, dead = board.worker(), board.worker()
    kept = board.held(tenant, alive)
    zombie = board.held(tenant, dead)
    turns = Turns(database)
    turns.prepare(zombie, 0, snapshot())
    die(database, dead)
    assert sweep.take_over() == 1
    row = board.read(zombie.job.id)
    assert (row["dispatch"], row["lease_owner"], row["crashes"]) == ("idle", None, 1)
    assert row["lease_epoch"] == zombie.epoch + 1
    for write in (
        lambda: claims.apply(zombie, ON),
        lambda: claims.note_progress(zombie, 50),
        lambda: turns.begin_sending(zombie, 0),
    ):
        with pytest.raises(ClaimLost):
            write()
    assert board.events(zombie.job.id) == [(1, "job.queued")]
    assert turns.find(zombie.job.id, 0).state is TurnState.READY
    claims.apply(kept, ON)


def test_a_job_taken_over_is_due_at_once_and_goes_on(board, sweep, claims, tenant, database):
    dead = board.worker()
    old = board.held(tenant, dead)
    die(database, dead)
    sweep.take_over()
    [bell] = Dispatch(database).mark_due(Queue.STREAM, 10)
    new = claims.claim(bell.id, board.worker())
    assert (new.job.id, new.epoch) == (old.job.id, old.epoch + 2)
    claims.apply(new, ON)
    assert board.read(new.job.id)["crashes"] == 0


@pytest.mark.parametrize("gone", ["never registered", "said goodbye"])
def test_a_worker_that_nobody_knows_holds_nothing(board, sweep, tenant, database, gone):
    worker_id = "wrk_unknown"
    if gone == "said goodbye":
        worker_id = board.worker()
        Workers(database).leave(worker_id)
    board.held(tenant, worker_id)
    assert sweep.take_over() == 1


def test_a_draining_worker_keeps_what_it_holds(board, sweep, tenant):
    board.held(tenant, board.worker(state="draining"))
    assert sweep.take_over() == 0


def test_many_sweeps_at_once_take_over_once(board, sweep, tenant, database, make_database, at_once):
    dead = board.worker()
    held = [board.held(tenant, dead) for _ in range(50)]
    die(database, dead)
    sweeps = [Sweep(make_database()) for _ in range(4)]
    assert sum(at_once(4, lambda n: sweeps[n].take_over())) == 50
    assert {board.read(claim.job.id)["crashes"] for claim in held} == {1}


def test_a_heartbeat_that_meets_a_takeover_leaves_no_job_with_two_owners(
    board, sweep, claims, tenant, database, at_once
):
    """Whoever wins: either the worker still holds the job, or its next write is refused."""
    beats = Workers(database)
    for _ in range(30):
        worker_id = board.worker(alive_s=0.02)
        claim = board.held(tenant, worker_id)
        at_once(2, lambda n, w=worker_id: beats.heartbeat(w) if n else sweep.take_over())
        row = board.read(claim.job.id)
        if row["lease_owner"] == worker_id:
            claims.apply(claim, ON)
        else:
            with pytest.raises(ClaimLost):
                claims.apply(claim, ON)


def test_lanes_of_dead_workers_are_taken_over_too(rows, sweep, tenant, sealer, database):
    lane = rows.lane(rows.message(tenant, url="https://x.example/"))
    claim = Lanes(database, sealer).claim(lane, "wrk_dead")
    assert sweep.take_over() == 1
    row = rows.read(webhook_lanes, lane)
    assert (row["dispatch"], row["lease_owner"], row["lease_epoch"]) == ("idle", None, claim.epoch + 1)


# --- poisoned ---------------------------------------------------------------------------------------------------------


def test_a_job_that_kills_its_worker_is_claimed_three_times_and_no_more(board, sweep, claims, tenant, database):
    dispatch, job_id = Dispatch(database), board.job(tenant, Status.UPLOADING, due_at=PAST)
    claimed = 0
    for _ in range(10):
        for bell in dispatch.mark_due(Queue.STEP, 10):
            dead = board.worker()
            assert claims.claim(bell.id, dead) is not None
            claimed += 1
            die(database, dead)
        sweep.take_over()
    assert claimed == CLAIMS_BEFORE_POISONED == 3
    assert sweep.fail_poisoned() == 1
    row = board.read(job_id)
    assert (row["status"], row["error"]["code"], row["dispatch"]) == ("failed", "poisoned", "done")
    assert row["crashes"] == 3
    assert board.events(job_id) == [(1, "job.queued"), (2, "job.failed")]
    assert sweep.fail_poisoned() == 0


def test_progress_forgives(board, sweep, claims, tenant, database):
    for _ in range(5):
        job_id = board.job(tenant, Status.INSTRUCTING, due_at=PAST, crashes=2)
        board.ring(job_id)
        claim = claims.claim(job_id, board.worker())
        wait = Change(origin=Status.INSTRUCTING, to=Status.INSTRUCTING, hold="release", due_s=0)
        claims.apply(claim, wait)
        assert board.read(job_id)["crashes"] == 0
    assert sweep.fail_poisoned() == 0


def test_a_poisoned_job_whose_turn_may_have_been_paid_for_says_so(board, sweep, tenant, database):
    dead = board.worker()
    claim = board.held(tenant, dead, crashes=2)
    Turns(database).prepare(claim, 0, snapshot())
    Turns(database).begin_sending(claim, 0)
    die(database, dead)
    sweep.take_over()
    assert sweep.fail_poisoned() == 1
    row = board.read(claim.job.id)
    assert row["billing"]["certainty"] == "unknown"
    assert row["error"]["spent"] is None


# --- late -------------------------------------------------------------------------------------------------------------


def test_a_job_that_is_late_ends_where_nothing_runs_for_it(board, sweep, tenant):
    late = {status: board.job(tenant, status, finish_by=PAST, due_at=None) for status in Status if not status.is_final}
    board.job(tenant, finish_by=func.now() + timedelta(hours=1))
    board.job(tenant)
    held = board.held(tenant, board.worker(), Status.QUEUED, finish_by=PAST)
    assert sweep.fail_overdue() == 1
    ended = {status for status, job_id in late.items() if board.read(job_id)["status"] == "failed"}
    assert ended == {Status.QUEUED}
    assert board.read(late[Status.QUEUED])["error"]["code"] == "deadline_unreachable"
    assert board.read(held.job.id)["status"] == "queued"


def test_two_sweeps_end_a_job_once(board, tenant, make_database, at_once):
    ids = [board.job(tenant, finish_by=PAST) for _ in range(20)]
    sweeps = [Sweep(make_database()) for _ in range(3)]
    assert sum(at_once(3, lambda n: sweeps[n].fail_overdue())) == 20
    assert all(board.events(job_id) == [(1, "job.queued"), (2, "job.failed")] for job_id in ids)


def test_the_end_is_told_like_any_other(board, sweep, tenant):
    job_id = board.job(tenant, finish_by=PAST, webhook_url="https://own.example/")
    sweep.fail_overdue()
    told = board.told(job_id)[-1]
    assert (told["type"], told["url"], told["job_seq"]) == ("job.failed", "https://own.example/", 2)


# --- the database's clock decides -------------------------------------------------------------------------------------


def test_a_lease_ends_by_the_databases_clock(board, sweep, tenant, database):
    board.held(tenant, board.worker(alive_s=3600))
    assert sweep.take_over() == 0
    with database.statement() as connection:
        remaining = select(func.min(workers.c.expires_at) - func.now())
        assert connection.execute(remaining).scalar_one() > timedelta(minutes=59)


# --- what a live worker gives back ------------------------------------------------------------------------------------


def test_a_lane_whose_claim_was_not_answered_is_given_back(rows, tenant, sealer, database):
    lane, lanes = rows.lane(rows.message(tenant, url="https://x.example/")), Lanes(database, sealer)
    claim = lanes.claim(lane, "wrk_one")
    assert not lanes.let_go(lane, "wrk_two")
    assert lanes.let_go(lane, "wrk_one")
    row = rows.read(webhook_lanes, lane)
    assert (row["dispatch"], row["lease_owner"], row["lease_epoch"]) == ("idle", None, claim.epoch + 1)
    assert [bell.id for bell in Dispatch(database).mark_due(Queue.WEBHOOK, 10)] == [lane]
    assert not lanes.let_go(lane, "wrk_one")
