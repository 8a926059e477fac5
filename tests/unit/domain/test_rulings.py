from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.engine import NOW, make_job
from reelqueue.domain.jobs import (
    TRANSITIONS,
    Billing,
    EventType,
    IllegalTransitionError,
    Policies,
    Question,
    Status,
    Waiting,
    WaitingReason,
)
from reelqueue.domain.retries import RetryPolicy
from reelqueue.domain.rulings import Rules, rule
from reelqueue.domain.verdicts import Advance, Ask, Canceled, Fail, Learned, Retry, Snooze
from reelqueue.errors import NoTimeline, RateLimited, UpstreamUnavailable
from reelqueue.kit.clock import rfc3339

POLICY = RetryPolicy(max_attempts=3, base_s=4.0, cap_s=60.0)


def ruled(job, verdict, *, speed=1.0, seed=1):
    return rule(job, verdict, Rules(retries=POLICY, speed=speed), now=NOW, rng=random.Random(seed))


# --- moving on --------------------------------------------------------------------------------------------------------


def test_a_step_of_the_same_queue_keeps_the_claim():
    change = ruled(make_job(status=Status.QUEUED, attempt=2), Advance(Status.UPLOADING))
    assert (change.origin, change.to, change.hold, change.attempt) == (Status.QUEUED, Status.UPLOADING, "keep", 0)
    assert change.event is EventType.UPLOADING
    assert change.waiting is None


@pytest.mark.parametrize(
    ("origin", "to"), [(Status.UPLOADING, Status.INSTRUCTING), (Status.INSTRUCTING, Status.RENDERING)]
)
def test_a_step_of_another_queue_is_handed_over_and_due_at_once(origin, to):
    change = ruled(make_job(status=origin), Advance(to))
    assert (change.hold, change.due_s) == ("release", 0.0)


@pytest.mark.parametrize(
    ("origin", "verdict", "event"),
    [
        (Status.SAVING, Advance(Status.SUCCEEDED), EventType.SUCCEEDED),
        (Status.SAVING, Fail(NoTimeline()), EventType.FAILED),
        (Status.INSTRUCTING, Canceled(), EventType.CANCELED),
    ],
)
def test_a_final_status_ends_the_claim(origin, verdict, event):
    change = ruled(make_job(status=origin), verdict)
    assert (change.hold, change.event) == ("end", event)


def test_the_next_instruction_keeps_the_claim_and_its_event_says_which():
    change = ruled(make_job(status=Status.INSTRUCTING), Advance(Status.INSTRUCTING, data={"instruction": 1}))
    assert (change.hold, change.event, change.event_data) == ("keep", EventType.INSTRUCTING, {"instruction": 1})


def test_a_question_waits_for_its_owner_as_long_as_the_job_says():
    job = make_job(status=Status.INSTRUCTING, policies=Policies(answer_within_s=90))
    change = ruled(job, Ask("Which song?"))
    until = NOW + timedelta(seconds=90)
    assert (change.to, change.hold, change.due_s) == (Status.REQUIRES_INPUT, "release", 90)
    assert change.question == Question(instruction=0, text="Which song?", asked_at=NOW, until=until)
    assert change.waiting == Waiting(reason=WaitingReason.ANSWER, since=NOW, until=until)
    assert change.event_data == {"question": "Which song?", "instruction": 1, "until": rfc3339(until)}


@settings(deadline=None)
@given(st.sampled_from(list(Status)), st.sampled_from(list(Status)))
def test_no_verdict_gets_past_the_law(origin, to):
    job = make_job(status=origin)
    if to in TRANSITIONS[origin]:
        assert ruled(job, Advance(to)).to is to
    else:
        with pytest.raises(IllegalTransitionError):
            ruled(job, Advance(to))


def test_the_bar_moves_to_where_the_status_begins_and_never_back():
    assert ruled(make_job(status=Status.UPLOADING), Advance(Status.INSTRUCTING)).learned.progress == 15
    assert ruled(make_job(status=Status.UPLOADING, progress=40), Advance(Status.INSTRUCTING)).learned.progress == 40
    told = Advance(Status.SUCCEEDED, Learned(progress=100))
    assert ruled(make_job(status=Status.SAVING), told).learned.progress == 100
    assert ruled(make_job(status=Status.SAVING), Fail(NoTimeline())).learned.progress is None


# --- waiting ----------------------------------------------------------------------------------------------------------


def test_a_snooze_costs_no_attempt_and_says_why_and_until_when():
    job = make_job(status=Status.RENDERING, attempt=1)
    change = ruled(job, Snooze(30, WaitingReason.RENDER, detail="40 %"))
    assert (change.hold, change.due_s, change.attempt, change.to) == ("release", 30, 1, Status.RENDERING)
    until = NOW + timedelta(seconds=30)
    assert change.waiting == Waiting(reason=WaitingReason.RENDER, since=NOW, until=until, detail="40 %")
    assert change.event is None


def test_waiting_on_for_the_same_reason_keeps_its_beginning():
    began = NOW - timedelta(minutes=5)
    job = make_job(status=Status.RENDERING, waiting=Waiting(reason=WaitingReason.RENDER, since=began))
    assert ruled(job, Snooze(30, WaitingReason.RENDER)).waiting.since == began
    assert ruled(job, Snooze(30, WaitingReason.UPSTREAM_BUSY)).waiting.since == NOW


def test_speed_shortens_our_waits_and_never_anothers():
    job = make_job(status=Status.RENDERING)
    assert ruled(job, Snooze(30, WaitingReason.RENDER), speed=10).due_s == 3
    assert ruled(job, Snooze(30, WaitingReason.UPSTREAM_BUSY, exact=True), speed=10).due_s == 30


# --- trying again -----------------------------------------------------------------------------------------------------


def test_a_retry_costs_an_attempt_and_waits_no_longer_than_the_policy_says():
    job = make_job(status=Status.UPLOADING, attempt=0)
    change = ruled(job, Retry(UpstreamUnavailable()))
    assert (change.to, change.attempt, change.hold) == (Status.UPLOADING, 1, "release")
    assert 0 <= change.due_s <= 4.0
    assert (change.waiting.reason, change.waiting.detail) == (WaitingReason.RETRY, "upstream_unavailable")


def test_the_last_attempt_fails_with_the_cause():
    change = ruled(make_job(status=Status.UPLOADING, attempt=2), Retry(UpstreamUnavailable()))
    assert (change.to, change.hold) == (Status.FAILED, "end")
    assert (change.error.code, change.error.blame, change.error.retryable) == ("upstream_unavailable", "upstream", True)
    assert change.event_data == {"code": "upstream_unavailable"}


def test_a_policy_of_n_attempts_runs_a_step_n_times():
    job, runs = make_job(status=Status.UPLOADING), 0
    for runs in range(1, 99):  # noqa: B007 - the count is the result
        change = ruled(job, Retry(UpstreamUnavailable()))
        if change.to is Status.FAILED:
            break
        job = make_job(status=Status.UPLOADING, attempt=change.attempt)
    assert runs == POLICY.max_attempts


@settings(deadline=None)
@given(st.integers(0, 1), st.floats(0, 3600), st.floats(1, 1000), st.integers(0, 99))
def test_a_retry_is_never_before_what_the_upstream_asked_for(attempt, asked, speed, seed):
    job = make_job(status=Status.UPLOADING, attempt=attempt)
    change = ruled(job, Retry(RateLimited(retry_after=asked)), speed=speed, seed=seed)
    assert asked <= change.due_s <= max(asked, POLICY.bound(attempt + 1) / speed)


# --- the public error -------------------------------------------------------------------------------------------------


def test_the_error_says_what_was_spent_as_far_as_it_is_known():
    spent = make_job(status=Status.INSTRUCTING, billing=Billing(spent=40.0, certainty="inferred"))
    assert ruled(spent, Fail(NoTimeline())).error.spent == 40.0
    unknown = Learned(billing=Billing(certainty="unknown"))
    assert ruled(spent, Fail(NoTimeline(), unknown)).error.spent is None


def test_the_error_holds_our_words_and_nothing_of_the_upstreams():
    cause = NoTimeline(detail={"upstream_message": "nmv_usr_canary"})
    assert "canary" not in repr(ruled(make_job(status=Status.INSTRUCTING), Fail(cause)).error)
