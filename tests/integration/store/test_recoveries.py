"""What is watched for after a job has ended: claimed by one, written under its epoch, all or nothing."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from fakes.engine import RESULT
from fakes.job_rows import emptied
from reelqueue.domain.claims import Change, ClaimLost
from reelqueue.domain.credits import Booking
from reelqueue.domain.jobs import Billing, EventType, Queue, Status
from reelqueue.domain.recovered import RecoveredFile
from reelqueue.domain.recoveries import Look, TurnFound
from reelqueue.domain.verdicts import Learned
from reelqueue.kit.ids import new_id
from reelqueue.kit.sealing import Sealer
from reelqueue.store.claims import Claims
from reelqueue.store.dispatch import Dispatch
from reelqueue.store.jobs import Jobs
from reelqueue.store.projects import Projects
from reelqueue.store.quotas import Quotas
from reelqueue.store.recoveries import Recoveries
from reelqueue.store.renders import Renders
from reelqueue.store.sweep import Sweep
from reelqueue.store.tables import job_events, projects, recoveries, turns, upstream_tokens, workers
from reelqueue.store.tokens import UpstreamTokens

DAY_S = 86_400.0
END = Change(origin=Status.RENDERING, to=Status.CANCELED, hold="end", event=EventType.CANCELED)
FILE = Look(again_s=None, file=RecoveredFile(output=0, result=RESULT))
LATER = Look(again_s=3600)


@pytest.fixture
def database(module_database):
    return emptied(module_database)


@pytest.fixture
def store(database):
    return Recoveries(database)


@pytest.fixture
def rendering(board, database, tenant):
    """A job whose export is under way, held by a worker."""
    token = UpstreamTokens(database, Sealer(bytes(32))).add(tenant, "nmv_usr_x", label="x")

    def make(status=Status.RENDERING):
        claim = board.held(tenant, board.worker(), status)
        Projects(database).begin(claim, token.id)
        Renders(database).prepare(claim, f"render_{new_id('request')}", output_index=0, attempt=1)
        return claim

    return make


@pytest.fixture
def canceled(database, rendering):
    """The id of a job that was canceled with its export under way."""

    def make():
        claim = rendering()
        Claims(database).apply(claim, END)
        return claim.job.id

    return make


@pytest.fixture
def held(database, board, canceled, store):
    """A recovery, claimed by a worker."""

    def make():
        job_id, worker = canceled(), board.worker()
        bells = Dispatch(database).mark_due(Queue.STEP, 10)
        assert [(bell.queue, bell.id, bell.recovery) for bell in bells] == [(Queue.STEP, job_id, True)]
        return store.claim(job_id, worker)

    return make


def read(database, job_id):
    with database.statement() as connection:
        return connection.execute(select(recoveries).where(recoveries.c.job_id == job_id)).mappings().one()


def write(database, job_id, **values):
    with database.statement() as connection:
        connection.execute(update(recoveries).where(recoveries.c.job_id == job_id).values(**values))


def die(database, worker_id):
    with database.statement() as connection:
        past = func.now() - timedelta(seconds=1)
        connection.execute(update(workers).where(workers.c.id == worker_id).values(expires_at=past))


def take_the_next_number(database, job_id):
    """Whoever announces an event of the job next breaks."""
    with database.statement() as connection:
        number = select(func.max(job_events.c.seq) + 1).where(job_events.c.job_id == job_id).scalar_subquery()
        values = {"id": new_id("event"), "job_id": job_id, "seq": number, "type": "job.progress"}
        tenant = select(job_events.c.tenant_id).where(job_events.c.job_id == job_id).limit(1).scalar_subquery()
        connection.execute(insert(job_events).values(**values, tenant_id=tenant))


# --- beginning --------------------------------------------------------------------------------------------------------


def test_the_watch_begins_with_the_end_or_not_at_all(board, database, rendering):
    claim = rendering()
    take_the_next_number(database, claim.job.id)
    with pytest.raises(IntegrityError):
        Claims(database).apply(claim, END)
    assert (board.read(claim.job.id)["status"], board.count(recoveries)) == ("rendering", 0)


def test_the_end_and_the_watch_are_one_commit(database, canceled):
    """Whoever dies after the one has written the other."""
    job_id = canceled()
    statement = "SELECT j.xmin = r.xmin FROM jobs j JOIN recoveries r ON r.job_id = j.id WHERE j.id = :job_id"
    with database.statement() as connection:
        assert connection.execute(text(statement), {"job_id": job_id}).scalar_one()


@pytest.mark.parametrize("how", ["stopped", "failed", "kept"])
def test_where_nothing_may_arrive_nothing_is_watched(board, database, rendering, how):
    claim, learned = rendering(), Learned()
    [render] = Renders(database).open_of(claim.job.id)
    if how == "stopped":
        learned = Learned(stopped=(render.id,))
    if how == "failed":
        Renders(database).failed(claim, render)
    if how == "kept":
        board.write(claim.job.id, results=[{"progress": 100, "result": asdict(RESULT), "error": None}])
    Claims(database).apply(claim, replace(END, learned=learned))
    assert board.count(recoveries) == 0


def test_an_end_by_the_sweep_or_by_the_owner_begins_it_too(board, database, rendering, tenant):
    past = func.now() - timedelta(seconds=1)
    """Neither ends such a job today; whoever moves the law finds what was paid for watched all the same."""
    idle = {"dispatch": "idle", "lease_owner": None}
    late, canceled = rendering(Status.QUEUED), rendering(Status.QUEUED)
    board.write(late.job.id, **idle, finish_by=past)
    board.write(canceled.job.id, **idle)
    assert Sweep(database).fail_overdue() == 1
    Jobs(database).request_cancel(tenant, canceled.job.id)
    with database.statement() as connection:
        watched = set(connection.execute(select(recoveries.c.job_id)).scalars())
    assert watched == {late.job.id, canceled.job.id}


def test_a_watch_may_begin_twice_and_is_one(board, database, canceled):
    job_id = canceled()
    assert (read(database, job_id)["dispatch"], board.count(recoveries)) == ("idle", 1)
    assert Dispatch(database).seconds_to_next_due() <= 0


# --- whose turn it is -------------------------------------------------------------------------------------------------


def test_of_many_who_hear_one_bell_exactly_one_looks(database, canceled, store, at_once):
    job_id = canceled()
    Dispatch(database).mark_due(Queue.STEP, 10)
    claims = at_once(8, lambda n: store.claim(job_id, f"wrk_{n}"))
    assert sum(claim is not None for claim in claims) == 1


def test_a_recovery_takes_room_only_while_it_is_looked_after(database, held, store):
    claim = held()
    dispatch = Dispatch(database)
    room = dispatch.room()
    assert (room[Queue.STEP], room[Queue.STREAM]) == (199, 200)
    store.record(claim, LATER, keep_s=DAY_S)
    assert dispatch.room()[Queue.STEP] == 200
    assert dispatch.mark_due(Queue.STEP, 10) == []
    assert 3500 < dispatch.seconds_to_next_due() <= 3600


def test_jobs_that_go_on_come_first(board, database, canceled, tenant):
    job_id = canceled()
    going_on = board.job(tenant, Status.RENDERING)
    assert [bell.id for bell in Dispatch(database).mark_due(Queue.STEP, 1)] == [going_on]
    assert [bell.id for bell in Dispatch(database).mark_due(Queue.STEP, 1)] == [job_id]


def test_a_bell_that_nobody_answered_is_rung_again(database, canceled):
    job_id = canceled()
    dispatch = Dispatch(database)
    dispatch.mark_due(Queue.STEP, 10)
    assert dispatch.redial(10) == []
    write(database, job_id, bell_at=func.now() - timedelta(seconds=6))
    [bell] = dispatch.redial(10)
    assert (bell.id, bell.queue, bell.recovery) == (job_id, Queue.STEP, True)
    assert read(database, job_id)["bells"] == 2


def test_a_recovery_whose_claim_was_not_answered_is_given_back(database, held, store):
    claim = held()
    assert not store.let_go(claim.job.id, "wrk_other")
    assert store.let_go(claim.job.id, claim.worker_id)
    row = read(database, claim.job.id)
    assert (row["dispatch"], row["lease_owner"], row["lease_epoch"]) == ("idle", None, claim.epoch + 1)


# --- the fence --------------------------------------------------------------------------------------------------------


def test_a_worker_that_was_taken_for_dead_writes_nothing(board, database, held, store):
    zombie = held()
    die(database, zombie.worker_id)
    assert Sweep(database).take_over() == 1
    with pytest.raises(ClaimLost):
        store.record(zombie, FILE, keep_s=DAY_S)
    Dispatch(database).mark_due(Queue.STEP, 10)
    fresh = store.claim(zombie.job.id, board.worker())
    assert fresh.epoch == zombie.epoch + 2
    with pytest.raises(ClaimLost):
        store.record(zombie, FILE, keep_s=DAY_S)
    row = read(database, zombie.job.id)
    assert (row["files"], row["looks"], row["lease_owner"]) == ([], 0, fresh.worker_id)
    store.record(fresh, FILE, keep_s=DAY_S)
    assert [kind for _, kind in board.events(fresh.job.id)] == ["job.queued", "job.canceled", "job.recovered"]


def test_a_file_that_comes_renews_the_time_of_all_and_is_told_of_anew(database, held, store):
    claim = held()
    write(database, claim.job.id, expiring_told_at=func.now())
    store.record(claim, FILE, keep_s=DAY_S)
    assert read(database, claim.job.id)["expiring_told_at"] is None


def test_a_record_whose_answer_was_lost_is_written_once(board, database, held, store):
    claim = held()
    store.record(claim, FILE, keep_s=DAY_S)
    with pytest.raises(ClaimLost):
        store.record(claim, FILE, keep_s=DAY_S)
    assert len(read(database, claim.job.id)["files"]) == 1
    assert [seq for seq, _ in board.events(claim.job.id)] == [1, 2, 3]


def test_a_file_is_not_kept_without_its_event(board, database, held, store):
    claim = held()
    take_the_next_number(database, claim.job.id)
    with pytest.raises(IntegrityError):
        store.record(claim, FILE, keep_s=DAY_S)
    row = read(database, claim.job.id)
    assert (row["files"], row["dispatch"], row["expires_at"]) == ([], "held", None)
    assert board.read(claim.job.id)["event_seq"] == 2


def test_the_cost_that_a_late_look_finds_is_settled_with_the_budget(board, database, rendering, store, tenant):
    """Until then all that the job had reserved counts as at risk."""
    claim = rendering(Status.INSTRUCTING)
    Quotas(database, credits_per_turn=10.0).set(tenant, {"credits_per_month": 100})
    sent = {"state": "sending", "epoch": 1, "sent_at": func.now(), "before": {}}
    with database.statement() as connection:
        connection.execute(insert(turns).values(job_id=claim.job.id, tenant_id=tenant, position=0, **sent))
        connection.execute(update(projects).where(projects.c.tenant_id == tenant).values(state="ready", session_id="s"))
        token = connection.execute(select(upstream_tokens.c.id).where(upstream_tokens.c.tenant_id == tenant)).scalar()
    unknown = Learned(billing=Billing(certainty="unknown"))
    Claims(database).apply(claim, replace(END, origin=Status.INSTRUCTING, learned=unknown))
    budgets = Quotas(database)
    before = budgets.limits(tenant).usage.day
    assert (before.reserved, before.spent, before.at_risk) == (0, 0, 10)
    assert Dispatch(database).mark_due(Queue.STEP, 10)
    booked = {"before": 20.0, "after": 17.0, "held": 0.0, "spent": 3.0, "certainty": "inferred"}
    found = TurnFound(booking=Booking(position=0, token_id=token, **booked), position=0)
    store.record(store.claim(claim.job.id, board.worker()), Look(again_s=None, turn=found), keep_s=DAY_S)
    after = budgets.limits(tenant).usage.day
    assert (after.reserved, after.spent, after.at_risk) == (0, 3, 0)


def test_what_was_kept_is_gone_by_the_databases_clock(database, held, store, tenant):
    claim = held()
    store.record(claim, FILE, keep_s=DAY_S)
    jobs = Jobs(database)
    assert not jobs.find(tenant, claim.job.id).recovered.gone
    write(database, claim.job.id, expires_at=func.now())
    assert jobs.find(tenant, claim.job.id).recovered.gone
