"""From a verdict to the one write it stands for. Pure: the clock, the dice and the policy are arguments."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, assert_never

from reelqueue.domain.claims import Change
from reelqueue.domain.event_data import asked_data
from reelqueue.domain.jobs import (
    EVENT_OF,
    Billing,
    Job,
    JobError,
    Question,
    Status,
    Waiting,
    WaitingReason,
    queue_of,
    require_transition,
)
from reelqueue.domain.retries import RetryPolicy
from reelqueue.domain.verdicts import Advance, Ask, Canceled, Fail, Learned, Retry, Snooze, Verdict
from reelqueue.errors import ReelqueueError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a ruling needs beside the verdict. `speed` shortens our own waits, never somebody else's `Retry-After`."""

    retries: RetryPolicy
    speed: float = 1.0


PERCENT_AT: Mapping[Status, int] = {
    Status.QUEUED: 0,
    Status.UPLOADING: 5,
    Status.INSTRUCTING: 15,
    Status.RENDERING: 70,
    Status.SAVING: 95,
    Status.SUCCEEDED: 100,
}
"""Where the progress bar stands when a status begins; the failed and the canceled keep what they had."""


def rule(job: Job, verdict: Verdict, rules: Rules, *, now: datetime, rng: random.Random) -> Change:
    """The write that a verdict stands for. Raises `IllegalTransitionError` on a move outside the law."""
    match verdict:
        case Advance(to=to, learned=learned, data=data, event=event):
            change = _move(job, to, learned, data)
            return change if event is None else replace(change, event=event)
        case Snooze():
            seconds = verdict.seconds if verdict.exact else verdict.seconds / rules.speed
            return _wait(job, seconds, verdict.reason, verdict.learned, verdict.detail, now=now)
        case Retry(cause=cause):
            return _retry(job, cause, rules, now=now, rng=rng)
        case Ask(question=question, learned=learned):
            return _ask(job, question, learned, now=now)
        case Fail(cause=cause, learned=learned):
            return _fail(job, cause, learned)
        case Canceled(learned=learned, data=data):
            return _move(job, Status.CANCELED, learned, data)
    assert_never(verdict)


def _move(job: Job, to: Status, learned: Learned, data: Mapping[str, Any]) -> Change:
    require_transition(job.status, to)
    percent = PERCENT_AT.get(to)
    if learned.progress is None and percent is not None:
        learned = replace(learned, progress=max(percent, job.progress))
    same_hands = queue_of(to) is queue_of(job.status)
    # A job that waits for its owner holds nothing: not on going there, and not before it has been given room again.
    asked = Status.REQUIRES_INPUT in (job.status, to)
    return Change(
        origin=job.status,
        to=to,
        hold="end" if to.is_final else "keep" if same_hands and not asked else "release",
        due_s=None if to is Status.REQUIRES_INPUT else 0.0,
        learned=learned,
        event=EVENT_OF[to],
        event_data=data,
    )


def _ask(job: Job, text: str, learned: Learned, *, now: datetime) -> Change:
    """The job waits for its owner. Their time is not ours to shorten."""
    seconds = job.policies.answer_within_s
    until = now + timedelta(seconds=seconds)
    question = Question(instruction=job.instruction_index, text=text, asked_at=now, until=until)
    data = asked_data(instruction=question.instruction + 1, question=text, until=until)
    return replace(
        _move(job, Status.REQUIRES_INPUT, learned, data),
        due_s=float(seconds),
        waiting=Waiting(reason=WaitingReason.ANSWER, since=now, until=until),
        question=question,
    )


def _wait(
    job: Job, seconds: float, reason: WaitingReason, learned: Learned, detail: str | None, *, now: datetime
) -> Change:
    since = job.waiting.since if job.waiting is not None and job.waiting.reason is reason else now
    return Change(
        origin=job.status,
        to=job.status,
        hold="release",
        due_s=seconds,
        attempt=job.attempt,
        waiting=Waiting(reason=reason, since=since, until=now + timedelta(seconds=seconds), detail=detail),
        learned=learned,
    )


def _retry(job: Job, cause: ReelqueueError, rules: Rules, *, now: datetime, rng: random.Random) -> Change:
    failed_tries = job.attempt + 1
    if failed_tries >= rules.retries.max_attempts:
        return _fail(job, cause, Learned())
    seconds = rules.retries.delay(failed_tries, rng) / rules.speed
    seconds = max(seconds, cause.retry_after or 0.0)
    change = _wait(job, seconds, WaitingReason.RETRY, Learned(), cause.code, now=now)
    return replace(change, attempt=failed_tries)


def _fail(job: Job, cause: ReelqueueError, learned: Learned) -> Change:
    change = _move(job, Status.FAILED, learned, {"code": cause.code})
    return replace(change, error=public_error(cause, learned.billing or job.billing))


def public_error(cause: ReelqueueError, billing: Billing) -> JobError:
    """The error as the job shows it: what we say, never what an upstream wrote into a secret-bearing message."""
    return JobError(
        code=cause.code,
        message=cause.message,
        blame=cause.blame,
        retryable=cause.retryable,
        spent=None if billing.certainty == "unknown" else billing.spent,
        fix=cause.fix,
        link=cause.detail.get("link"),
    )
