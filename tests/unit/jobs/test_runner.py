"""The runner: a claim, a step, one guarded write; and nothing that anybody does leaves a row behind."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from fakes.breakers import MemoryBreakers, watch_over
from fakes.engine import JOB, NOW, WORKER, HandClock, MemoryClaims, make_job
from reelqueue.domain.breakers import Phase
from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.jobs import Status, WaitingReason
from reelqueue.domain.retries import RetryPolicy
from reelqueue.domain.rulings import Rules
from reelqueue.domain.verdicts import Advance, Canceled, Fail, Learned, Snooze
from reelqueue.errors import DependencyUnavailable, NoTimeline, UpstreamUnavailable
from reelqueue.jobs.breaker import watched
from reelqueue.jobs.runner import APPLY_TRIES, Runner, Steps
from reelqueue.kit.metrics import Metrics

LONG_AGO = NOW - timedelta(seconds=1)
AWAY = DependencyUnavailable()


class Scripted:
    """A step that does what it is told; what it raises comes out of `run`."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.claims = []

    def run(self, claim):
        self.claims.append(claim)
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


class Lease:
    worker_id = WORKER


class Rig:
    def __init__(self, job=None, *failures, cancel=None, attempts=6, breakers=None, **steps):
        self.claims = MemoryClaims(job or make_job(), *failures)
        self.clock = HandClock()
        self.metrics = Metrics()
        self.breakers = breakers or MemoryBreakers(self.clock)
        self.watch = watch_over(self.breakers)
        self.lease = Lease()
        self.steps = {Status(name): step for name, step in steps.items()}
        self.cancel = cancel or Scripted(Canceled())
        self.runner = Runner(
            claims=self.claims,
            steps=Steps(by_status=self.steps, cancel=self.cancel),
            watch=self.watch,
            lease=self.lease,
            rules=Rules(retries=RetryPolicy(max_attempts=attempts, base_s=1, cap_s=10)),
            clock=self.clock,
            rng=random.Random(1),
            metrics=self.metrics,
        )

    def work(self):
        self.runner.work(JOB)
        return [change.to for change in self.claims.changes]


# --- the ordinary run -------------------------------------------------------------------------------------------------


def test_a_bell_that_was_answered_already_does_nothing():
    rig = Rig(queued=Scripted(Advance(Status.UPLOADING)))
    rig.claims.rung = False
    assert rig.work() == []
    assert rig.metrics.claims_refused.labels("job")._value.get() == 1


def test_steps_of_the_same_queue_run_under_one_claim():
    opened, uploaded = Scripted(Advance(Status.UPLOADING)), Scripted(Advance(Status.INSTRUCTING))
    rig = Rig(queued=opened, uploading=uploaded)
    assert rig.work() == [Status.UPLOADING, Status.INSTRUCTING]
    assert [claim.epoch for claim in opened.claims + uploaded.claims] == [2, 2]
    assert [change.hold for change in rig.claims.changes] == ["keep", "release"]
    assert rig.claims.held_by is None


def test_a_snooze_lets_go():
    rig = Rig(make_job(status=Status.RENDERING), rendering=Scripted(Snooze(5, WaitingReason.RENDER)))
    rig.work()
    assert rig.claims.held_by is None


def test_an_owner_who_canceled_gets_that_and_nothing_else():
    step = Scripted(Advance(Status.UPLOADING))
    rig = Rig(make_job(cancel_requested_at=NOW), queued=step)
    assert rig.work() == [Status.CANCELED]
    assert step.claims == []


@pytest.mark.parametrize("status", [Status.QUEUED, Status.UPLOADING])
def test_a_job_that_is_late_before_it_costs_anything_fails_without_another_step(status):
    step = Scripted(Advance(Status.UPLOADING))
    rig = Rig(make_job(status=status, finish_by=LONG_AGO), **{status: step})
    assert rig.work() == [Status.FAILED]
    assert rig.claims.changes[0].error.code == "deadline_unreachable"
    assert step.claims == []


@pytest.mark.parametrize("status", [Status.RENDERING, Status.SAVING])
def test_a_late_export_goes_on(status):
    step = Scripted(Snooze(5, WaitingReason.RENDER))
    rig = Rig(make_job(status=status, finish_by=LONG_AGO), **{status: step})
    assert rig.work() == [status]


def test_work_that_begins_after_its_time_does_not_begin():
    step = Scripted(Advance(Status.UPLOADING))
    rig = Rig(make_job(start_by=NOW - timedelta(seconds=1)), queued=step)
    assert rig.work() == [Status.FAILED]
    assert rig.claims.changes[0].error.code == "deadline_unreachable"
    begun = Rig(make_job(start_by=NOW, started_at=NOW), queued=Scripted(Snooze(5, WaitingReason.RETRY)))
    begun.clock.forward(60)
    assert begun.work() == [Status.QUEUED]


def test_a_late_turn_is_settled_first():
    step = Scripted(Snooze(30, WaitingReason.RECONCILE))
    rig = Rig(make_job(status=Status.INSTRUCTING, finish_by=LONG_AGO), instructing=step)
    rig.work()
    assert len(step.claims) == 1


# --- what goes wrong in a step ----------------------------------------------------------------------------------------


def test_an_error_with_a_name_becomes_its_verdict():
    rig = Rig(queued=Scripted(UpstreamUnavailable()))
    assert rig.work() == [Status.QUEUED]
    assert rig.claims.changes[0].waiting.detail == "upstream_unavailable"
    rig = Rig(queued=Scripted(NoTimeline()))
    assert rig.work() == [Status.FAILED]


@pytest.mark.parametrize("bug", [RuntimeError("canary"), KeyError("x"), AssertionError(), RecursionError()])
def test_a_bug_is_a_failed_attempt_and_never_a_row_that_nobody_looks_at(bug):
    rig = Rig(queued=Scripted(bug))
    rig.work()
    [change] = rig.claims.changes
    assert (change.waiting.detail, change.attempt) == ("internal_error", 1)
    assert rig.claims.held_by is None
    last = Rig(make_job(attempt=5), queued=Scripted(bug))
    assert last.work() == [Status.FAILED]
    assert last.claims.changes[0].error.code == "internal_error"
    assert "canary" not in repr(last.claims.changes)


def test_a_status_without_a_step_is_a_bug_like_any_other():
    rig = Rig(make_job(status=Status.REQUIRES_INPUT))
    rig.work()
    assert rig.claims.changes[0].waiting.detail == "internal_error"


def test_a_verdict_outside_the_law_is_a_bug_like_any_other():
    rig = Rig(queued=Scripted(Advance(Status.SAVING)))
    rig.work()
    assert rig.claims.changes[0].waiting.detail == "internal_error"
    assert rig.claims.held_by is None


def test_a_verdict_that_cannot_be_stored_is_a_bug_like_any_other():
    rig = Rig(make_job(), ValueError("the database refuses this text"), queued=Scripted(Advance(Status.UPLOADING)))
    rig.work()
    assert rig.claims.changes[0].waiting.detail == "internal_error"
    assert rig.claims.held_by is None


def test_where_not_even_that_can_be_stored_the_job_is_given_back_with_a_crash_on_its_count():
    bug = ValueError("the database refuses everything")
    rig = Rig(make_job(), bug, bug, queued=Scripted(Advance(Status.UPLOADING)))
    rig.work()
    assert rig.claims.changes == []
    assert rig.claims.let_go_of == [(JOB, True)]
    assert rig.claims.held_by is None


# --- claims that are lost ---------------------------------------------------------------------------------------------


def test_a_step_whose_claim_is_gone_writes_nothing():
    rig = Rig(queued=Scripted(ClaimLost()))
    assert rig.work() == []
    assert rig.metrics.claims_lost.labels("job")._value.get() == 1


def test_a_zombie_writes_nothing():
    class Taken(Scripted):
        def run(self, claim):
            rig.claims.job = replace(rig.claims.job, lease_epoch=99)
            rig.claims.held_by = "wrk_other"
            return super().run(claim)

    rig = Rig(queued=Taken(Advance(Status.UPLOADING)))
    assert rig.work() == []


# --- a database that goes away ----------------------------------------------------------------------------------------


def test_a_short_absence_is_sat_out():
    rig = Rig(make_job(), *[AWAY] * (APPLY_TRIES - 1), queued=Scripted(Fail(NoTimeline())))
    assert rig.work() == [Status.FAILED]
    assert rig.claims.let_go_of == []


def test_a_long_absence_leaves_no_row_that_a_live_worker_holds_and_nobody_works_on():
    rig = Rig(make_job(), *[AWAY] * 40, queued=Scripted(Fail(NoTimeline())))
    rig.work()
    assert rig.claims.let_go_of == [(JOB, False)]
    assert rig.claims.held_by is None


def test_a_claim_whose_answer_was_lost_is_given_back():
    rig = Rig(queued=Scripted(Fail(NoTimeline())))
    claim = rig.claims.claim

    def claim_and_lose(*arguments):
        claim(*arguments)
        raise AWAY

    rig.claims.claim = claim_and_lose
    assert rig.work() == []
    assert rig.claims.held_by is None


def test_a_write_whose_answer_was_lost_is_not_made_twice_and_nothing_stays_held():
    """The commit happened, the answer did not come: the repeat finds the row moved on."""
    rig = Rig(queued=Scripted(Advance(Status.UPLOADING)))
    apply = rig.claims.apply

    def apply_and_lose(claim, change):
        rig.claims.apply = apply
        apply(claim, change)
        raise AWAY

    rig.claims.apply = apply_and_lose
    assert rig.work() == [Status.UPLOADING]
    assert rig.claims.held_by is None


def test_a_worker_that_lost_its_name_leaves_the_row_to_the_sweep():
    rig = Rig(make_job(), *[AWAY] * 99, queued=Scripted(Fail(NoTimeline())))
    sleep = rig.clock.sleep

    def sleep_and_lose(seconds):
        sleep(seconds)
        if len(rig.clock.slept) == 12:
            rig.lease.worker_id = "wrk_new"

    rig.clock.sleep = sleep_and_lose
    rig.work()
    assert len(rig.clock.slept) == 12
    assert rig.claims.let_go_of == []


def test_what_was_learned_goes_with_the_verdict():
    rig = Rig(queued=Scripted(Advance(Status.UPLOADING, Learned(project_id="prj_1"))), uploading=Scripted(AWAY))
    rig.work()
    assert rig.claims.changes[0].learned.project_id == "prj_1"


# --- while NemoVideo is down ------------------------------------------------------------------------------------------


class Asking(Scripted):
    """A step that makes one watched call."""

    def run(self, claim):
        super().run(claim)
        return self.upstream.state()


def asking(error, *, opened):
    rig = Rig(make_job(attempt=3), queued=(step := Asking(Advance(Status.UPLOADING))))

    class Upstream:
        @staticmethod
        def state():
            raise error

    if opened:
        rig.breakers.open(Phase.SESSION, "state")
    rig.watch.refresh()
    step.upstream = watched(Upstream, rig.watch)
    return rig


def test_a_job_waits_without_an_attempt_while_the_phase_is_open():
    rig = asking(UpstreamUnavailable(), opened=True)
    rig.work()
    [change] = rig.claims.changes
    assert (change.waiting.reason, change.waiting.detail) == (WaitingReason.UPSTREAM_DEGRADED, "session")
    assert change.attempt == 3


def test_a_failure_while_it_is_open_costs_no_attempt_either():
    rig = asking(UpstreamUnavailable(), opened=True)
    rig.clock.forward(60)
    rig.work()
    [change] = rig.claims.changes
    assert (change.waiting.reason, change.attempt) == (WaitingReason.UPSTREAM_DEGRADED, 3)
    assert rig.breakers.writes == ["take_probe", "probed failed"]


def test_a_failure_of_one_job_is_a_try_as_ever():
    rig = asking(UpstreamUnavailable(), opened=False)
    rig.work()
    [change] = rig.claims.changes
    assert (change.waiting.reason, change.attempt) == (WaitingReason.RETRY, 4)
