"""One job from its acceptance to its end, through the real statements."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from fakes.engine import RESULT
from fakes.job_rows import counting
from reelqueue import errors
from reelqueue.domain.jobs import TERMINAL_EVENTS, Queue, Status
from reelqueue.domain.upstream import CutReason, TurnCut, TurnEnd
from reelqueue.errors import DependencyUnavailable, ResultUnusable, StorageFull
from reelqueue.store.tables import former_sessions, projects, renders, turns

MOST_STATEMENTS = 49
"""One of them is the entry of the ledger; two note and tell that a worker has taken the job up."""


def path(plant, job):
    return [kind.removeprefix("job.") for _, kind in plant.board.events(job.id)]


def test_a_job_runs_from_its_acceptance_to_its_end(plant):
    job = plant.run(plant.accept("animate this", "add music", pictures=2).id)
    assert job.status is Status.SUCCEEDED
    assert (job.result, job.progress, job.event_seq) == (RESULT, 100, 8)
    assert path(plant, job) == [
        *("queued", "started", "uploading", "instructing", "instructing", "rendering", "saving", "succeeded")
    ]
    assert [text for _, text in plant.studio.turns] == ["animate this", "add music"]
    assert [len(names) for names in plant.studio.sessions.values()] == [2]
    assert (job.billing.spent, job.billing.certainty) == (20, "inferred")
    assert [receipt["verdict"] for receipt in job.receipts] == ["changed", "changed"]


def test_what_a_job_costs_the_database(plant):
    """From the 202 to the end: the gateway's, the dispatcher's and the worker's statements, one picture, one turn.

    The dispatcher looks into the lane where the job is; its rounds that find nothing are nobody's.
    """
    plant.run(plant.accept().id)
    lanes = (Queue.STREAM, Queue.STEP, Queue.STEP)
    with counting(plant.database) as statements:
        job_id = plant.accept().id
        rounds = [
            lambda: plant.dispatch.admit(10),
            *(lambda q=queue: plant.dispatch.mark_due(q, 10) for queue in lanes),
        ]
        for take in rounds:
            [bell] = take()
            plant.worker.runner.work(bell.id)
    assert plant.jobs.find(plant.tenant, job_id).status is Status.SUCCEEDED
    kinds = Counter(" ".join(statement.split())[:60] for statement in statements)
    assert len(statements) <= MOST_STATEMENTS, (len(statements), kinds.most_common())


def test_an_edit_without_export_ends_after_its_turns(plant):
    job = plant.run(plant.accept(outputs=(), pictures=0).id)
    assert (job.status, job.result) == (Status.SUCCEEDED, None)
    assert path(plant, job) == ["queued", "started", "uploading", "instructing", "succeeded"]
    assert plant.studio.renders == []


def test_a_broken_stream_is_recovered_with_one_charge(plant):
    whole = plant.studio.run_turn

    def cut(*arguments, **named):
        report = whole(*arguments, **named)
        raise TurnCut(reason=CutReason.BROKEN, partial=report)

    plant.studio.run_turn = cut
    job = plant.run(plant.accept().id)
    assert job.status is Status.SUCCEEDED
    assert job.receipts[0]["recovered"]
    assert len(plant.studio.turns) == 1


def test_a_turn_that_left_no_trace_ends_as_unknown_and_is_not_sent_again(plant):
    sends = []

    def vanish(*arguments, control, **named):
        control.gate()
        sends.append(1)
        raise TurnCut(reason=CutReason.BROKEN, partial=_nothing())

    plant.studio.run_turn = vanish
    job = plant.run(plant.accept().id)
    assert (job.status, job.error.code) == (Status.FAILED, "outcome_unknown")
    assert len(sends) == 1


def _nothing():
    from fakes.upstream import said

    return said(end=TurnEnd.INTERRUPTED)


def test_a_storm_of_429_fails_nobody(plant):
    whole, refusals = plant.studio.create_session, itertools.count()

    def busy(*arguments, **named):
        if next(refusals) < 15:
            raise errors.RateLimited(retry_after=0.001)
        return whole(*arguments, **named)

    plant.studio.create_session = busy
    ids = [plant.accept(pictures=0).id for _ in range(4)]
    assert {plant.run(job_id, rounds=2000).status for job_id in ids} == {Status.SUCCEEDED}


def test_a_cancel_in_the_middle_of_a_turn(plant):
    whole = plant.studio.run_turn

    def cut(*arguments, control, **named):
        whole(*arguments, control=control, **named)
        job_id = next(iter(plant.worker.live._turns))
        plant.jobs.request_cancel(plant.tenant, job_id)
        assert plant.worker.live.cancel(job_id)
        assert control.aborted
        raise TurnCut(reason=CutReason.ABORTED, partial=_nothing())

    plant.studio.run_turn = cut
    job = plant.run(plant.accept().id)
    assert job.status is Status.CANCELED
    assert job.billing.spent == 10
    assert path(plant, job)[-1] == "canceled"


def test_a_late_job_fails_before_it_costs_anything(plant):
    job = plant.run(plant.accept(finish_by=datetime.now(UTC) - timedelta(seconds=1)).id)
    assert (job.status, job.error.code, job.error.spent) == (Status.FAILED, "deadline_unreachable", 0)
    assert plant.studio.sessions == {}


def test_a_step_that_always_fails_uses_up_its_attempts(plant):
    plant.keeper.__init__(StorageFull())
    job = plant.run(plant.accept().id)
    assert (job.status, job.error.code, job.error.spent) == (Status.FAILED, "storage_full", 10)
    assert len(plant.keeper.urls) == 6


def test_a_result_that_cannot_be_used_at_first(plant):
    plant.keeper.__init__(ResultUnusable(), RESULT)
    assert plant.run(plant.accept().id).status is Status.SUCCEEDED


def test_many_jobs_over_many_workers_all_end_once(plant):
    """Bells are rung twice, by two dispatchers, for four threads of one worker."""
    ids = [plant.accept("one", "two").id for _ in range(10)]
    failures = []

    def work():
        try:
            idle = 0
            while idle < 20:
                idle = 0 if plant.round() else idle + 1
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {plant.run(job_id).status for job_id in ids} == {Status.SUCCEEDED}
    assert len(plant.studio.turns) == 20
    assert Counter(text for _, text in plant.studio.turns) == {"one": 10, "two": 10}
    assert len(plant.studio.renders) == 10


# --- a worker that lost touch with the database -----------------------------------------------------------------------


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("call", ["claim", "apply"])
def test_no_row_stays_held_by_a_worker_that_lives_and_works_on_something_else(plant, call, answered):
    """The database goes away for longer than the worker tries, with the write made or not; its lease outlives that."""
    claims = plant.worker.runner._claims._target
    whole, gone = getattr(claims, call), itertools.count()
    plant.worker.runner._clock = Patient()

    def away(*arguments, **named):
        if next(gone) < 6:
            if answered and gone.__reduce__()[1][0] == 1:
                whole(*arguments, **named)
            raise DependencyUnavailable("gone")
        return whole(*arguments, **named)

    setattr(claims, call, away)
    job_id = plant.accept().id
    for _ in range(4):
        plant.round()
    setattr(claims, call, whole)
    row = plant.board.read(job_id)
    assert row["dispatch"] != "held" or row["status"] != "queued"
    plant.board.write(job_id, bell_at=func.now() - timedelta(minutes=2))
    for bell in plant.dispatch.redial(10):
        plant.worker.runner.work(bell.id)
    assert plant.run(job_id).status is Status.SUCCEEDED
    assert len(plant.studio.turns) == 1


class Patient:
    """A clock that does not sleep."""

    def now(self):
        return datetime.now(UTC)

    def monotonic(self):
        return 0.0

    def sleep(self, seconds):
        """At once."""


def check_history(plant, job):
    """What must be true of any job that has ended: events without gaps, one end, and that one the job's."""
    seqs, kinds = zip(*plant.board.events(job.id), strict=True)
    assert seqs == tuple(range(1, len(seqs) + 1))
    assert [kind for kind in kinds if kind in TERMINAL_EVENTS] == [f"job.{job.status}"]


def check_ledger(plant):
    """What the upstream ever saw of us is in our tables."""
    with plant.database.statement() as connection:
        former = connection.execute(select(former_sessions.c.session_id)).scalars().all()
        known_renders = set(connection.execute(select(renders.c.id)).scalars())
        states = connection.execute(select(projects.c.session_id, projects.c.state)).all()
        intents = connection.execute(select(func.count()).where(turns.c.state != "ready")).scalar_one()
    known = {*former, *(row.session_id for row in states)} - {None}
    creating = [row for row in states if row.state == "creating"] + [one for one in former if one is None]
    assert set(plant.studio.renders) <= known_renders
    assert len(set(plant.studio.sessions) - known) <= len(creating)
    assert len(plant.studio.turns) <= intents


def test_a_worker_killed_at_any_call_costs_no_second_turn(plant):
    """Killed after each thing it does, to the database or to the upstream; then another goes on.

    What dies before one of them has died after the one before it.
    """
    plant.run(plant.accept("one", "two").id)
    points, ends = len(plant.wire.calls), Counter()
    assert points > 20
    for kill_at in range(1, points + 1):
        turns_before, sessions_before = len(plant.studio.turns), len(plant.studio.sessions)
        plant.wire.calls.clear()
        plant.wire.kill_at = kill_at
        job = plant.survive(plant.accept("one", "two").id)
        where = (plant.wire.calls[kill_at - 1], job.status.value, job.error)
        sent = len(plant.studio.turns) - turns_before
        assert sent == 2 if job.status is Status.SUCCEEDED else sent <= 2, where
        assert job.status is Status.SUCCEEDED or job.error.code == "outcome_unknown", where
        for names in list(plant.studio.sessions.values())[sessions_before:]:
            assert len(names) == len(set(names)), where
        check_history(plant, job)
        ends[job.status, plant.wire.calls[kill_at - 1]] += 1
    # Only between the intent and the first byte does nobody know: once an instruction.
    failed = {call: count for (status, call), count in ends.items() if status is Status.FAILED}
    assert failed == {"turns.begin_sending": 2}
    check_ledger(plant)
