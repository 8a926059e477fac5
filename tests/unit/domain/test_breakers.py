"""When a phase counts as down, when it is tried again, and what is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fakes.engine import NOW, make_job
from fakes.upstream import said
from reelqueue import errors
from reelqueue.domain.breakers import (
    CALLS,
    Breaker,
    BreakerPolicy,
    Failure,
    Phase,
    after_failure,
    after_probe,
    held_open,
    news,
    released,
)
from reelqueue.domain.jobs import Status, WaitingReason
from reelqueue.domain.outages import instead_of, meaning_of, waiting_out
from reelqueue.domain.upstream import CutReason, TurnCut, TurnEnd
from reelqueue.domain.verdicts import Advance, Fail, Learned, Retry, Snooze

POLICY = BreakerPolicy()
CLOSED = Breaker(phase=Phase.SESSION)


def failing(*jobs, breaker=CLOSED, apart_s=1.0, **changes):
    for number, job in enumerate(jobs):
        failure = Failure(job_id=job, call="state", reason="upstream_unavailable", **changes)
        breaker = after_failure(breaker, failure, NOW + timedelta(seconds=number * apart_s), POLICY)
    return breaker


OPEN = failing(*"abcde")


def test_five_failures_of_two_jobs_within_a_minute_are_an_outage():
    assert failing(*"abab").is_closed
    opened = failing(*"ababa")
    assert (opened.state, opened.reason, opened.opened_total) == ("open", "upstream_unavailable", 1)
    assert opened.next_probe_at - opened.opened_at == timedelta(seconds=POLICY.probe_base_s)


def test_one_job_alone_opens_nothing():
    assert failing(*"a" * 50).is_closed


def test_failures_far_apart_are_not_counted_together():
    assert failing(*"abcdefghij", apart_s=31).is_closed


def test_what_is_answered_meanwhile_outweighs_it():
    assert failing(*"abcdefghij", answered=2).is_closed
    assert not failing(*"abcdefghij", answered=1).is_closed


def test_open_it_stops_the_calls_that_failed_and_learns_of_more():
    assert OPEN.stops("state")
    assert not OPEN.stops("create_session")
    other = Failure(job_id="f", call="create_session", reason="x")
    assert after_failure(OPEN, other, NOW, POLICY).stops("create_session")
    assert not CLOSED.stops("state")


def probing(breaker=OPEN, probe="p"):
    return replace(breaker, state="half_open", probe=probe, probe_until=NOW, next_probe_at=None)


def test_each_failed_probe_doubles_the_wait_up_to_a_cap():
    waits, breaker = [], OPEN
    for _ in range(6):
        breaker = after_probe(probing(breaker), "p", "failed", NOW, POLICY)
        waits.append((breaker.next_probe_at - NOW).total_seconds())
    assert waits == [10, 20, 40, 60, 60, 60]


def test_an_answer_closes_and_begins_the_count_anew():
    closed = after_probe(probing(), "p", "answered", NOW, POLICY)
    assert (closed.state, closed.failures, closed.jobs, closed.calls) == ("closed", 0, (), ())


def test_a_probe_that_came_to_no_call_leaves_the_place_without_a_longer_wait():
    after = after_probe(probing(), "p", "nothing", NOW, POLICY)
    assert (after.state, after.failed_probes) == ("open", 0)


def test_one_that_flaps_is_not_asked_more_often_for_it():
    closed = after_probe(probing(replace(OPEN, failed_probes=3)), "p", "answered", NOW, POLICY)
    again = failing(*"abcde", breaker=closed)
    assert again.failed_probes == 4
    calm = replace(closed, closed_at=NOW - timedelta(seconds=POLICY.calm_s + 1))
    assert failing(*"abcde", breaker=calm).failed_probes == 0


def test_by_hand():
    held = held_open(CLOSED, "x", NOW)
    assert held.stops("state")
    assert held.stops("create_session")
    assert after_probe(held, "p", "answered", NOW, POLICY) == held
    assert failing(*"abcdefg", breaker=held) == held
    assert held.public_reason == "operator"
    assert released(held, NOW).is_closed
    assert released(OPEN, NOW).is_closed


def test_what_is_told():
    later = NOW + timedelta(seconds=POLICY.quiet_s)
    told = {"told": "degraded", "told_at": NOW}
    assert news(CLOSED, NOW, POLICY) is None
    assert news(OPEN, NOW, POLICY) == "degraded"
    assert news(replace(OPEN, **told), later, POLICY) is None
    assert news(replace(CLOSED, **told), NOW, POLICY) == "recovered"
    flapping = replace(OPEN, told="recovered", told_at=NOW)
    assert news(flapping, NOW + timedelta(seconds=1), POLICY) is None
    assert news(flapping, later, POLICY) == "degraded"
    assert news(replace(CLOSED, told="recovered", told_at=NOW), later, POLICY) is None


# --- what an error says, and what a verdict becomes -------------------------------------------------------------------


def cut(reason, *texts):
    return TurnCut(reason=reason, partial=said(*texts, end=TurnEnd.INTERRUPTED))


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (errors.NotSent(), "down"),
        (errors.UpstreamUnavailable(), "down"),
        (errors.UpstreamProtocolError(), "down"),
        (errors.UpstreamUnavailable(detail={"upstream_status": 503}), "down"),
        (errors.UpstreamUnavailable(detail={"upstream_status": 429}), "nothing"),
        (errors.UpstreamUnavailable(detail={"upstream_status": 408}), "nothing"),
        (errors.RateLimited(), "nothing"),
        (errors.TokenRejected(), "answered"),
        (errors.CreditsExhausted(), "answered"),
        (errors.SessionNotFound(), "answered"),
        (errors.UpstreamRequestInvalid(), "answered"),
        (errors.UpstreamRefused(), "answered"),
        (cut(CutReason.BROKEN), "down"),
        (cut(CutReason.UNREADABLE), "down"),
        (cut(CutReason.GATEWAY), "down"),
        (cut(CutReason.BROKEN, "I am at it"), "nothing"),
        (cut(CutReason.ABORTED), "nothing"),
        (cut(CutReason.IDLE), "nothing"),
        (cut(CutReason.TOO_LONG), "nothing"),
    ],
)
def test_what_an_error_says_of_the_phase(error, meaning):
    assert meaning_of(error) == meaning


WAIT = Snooze(7, WaitingReason.UPSTREAM_DEGRADED, exact=True)
LEARNED = Learned(progress=80)


@pytest.mark.parametrize(
    ("verdict", "becomes"),
    [
        (Retry(errors.UpstreamUnavailable()), WAIT),
        (Retry(errors.NotSent()), WAIT),
        (Fail(errors.RenderTimedOut(), LEARNED), replace(WAIT, learned=LEARNED)),
        (Snooze(60, WaitingReason.UPSTREAM_DOWN, LEARNED), replace(WAIT, learned=LEARNED)),
        (Snooze(5, WaitingReason.RENDER, LEARNED), replace(WAIT, learned=LEARNED)),
        (verdict := Retry(errors.InternalError()), verdict),
        (verdict := Fail(errors.OutcomeUnknown()), verdict),
        (verdict := Advance(Status.UPLOADING), verdict),
        (verdict := Snooze(5, WaitingReason.RECONCILE), verdict),
        (verdict := Snooze(5, WaitingReason.UPSTREAM_BUSY), verdict),
    ],
)
def test_a_step_that_met_the_outage_waits_where_it_would_have_tried_again(verdict, becomes):
    assert instead_of(verdict, WAIT) == becomes


def test_nobody_waits_past_the_jobs_own_deadline():
    assert waiting_out(make_job(), "session", 50, NOW).seconds == 50
    late = make_job(finish_by=NOW + timedelta(seconds=3))
    assert 3 < waiting_out(late, "session", 50, NOW).seconds < 4


def test_every_watched_call_has_a_phase_and_every_phase_a_call():
    assert set(CALLS.values()) == set(Phase)
