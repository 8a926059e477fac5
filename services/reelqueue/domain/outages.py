"""What an answer, or none, says of NemoVideo as a whole, and what a step's verdict becomes while it is down. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final, Literal

from reelqueue.domain.jobs import Job, WaitingReason
from reelqueue.domain.upstream import CutReason, TurnCut
from reelqueue.domain.verdicts import Fail, Retry, Snooze, Verdict
from reelqueue.errors import (
    NotSent,
    RateLimited,
    RenderTimedOut,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamUnavailable,
)

DOWN: Final = (NotSent, UpstreamUnavailable, UpstreamProtocolError)
"""Refused connections, 5xx and broken answers, answers nobody can read. All other errors are an answer: to a request
of one job, or about one token."""
_CUT_BY_THEM: Final = frozenset({CutReason.BROKEN, CutReason.UNREADABLE, CutReason.GATEWAY})
_BUSY: Final = frozenset({408, 425, 429})
"""Too slow a request, or too many of them: in the class of what may pass, and no sign of an outage."""
_OVERTAKEN: Final = frozenset({WaitingReason.UPSTREAM_DOWN, WaitingReason.RENDER})

Meaning = Literal["down", "answered", "nothing"]


def meaning_of(error: UpstreamError) -> Meaning:
    """What an error says of the phase. A 429 says nothing: whoever asks slower would have been answered.

    A turn that broke before it showed anything counts as down; one that was at work and broke says nothing.
    """
    if isinstance(error, DOWN):
        return "nothing" if error.detail.get("upstream_status") in _BUSY else "down"
    if isinstance(error, TurnCut):
        silent = not (error.partial.texts or error.partial.tools)
        return "down" if silent and error.reason in _CUT_BY_THEM else "nothing"
    return "nothing" if isinstance(error, RateLimited) else "answered"


def waiting_out(job: Job, phase: str, seconds: float, now: datetime) -> Snooze:
    """Wait for NemoVideo, and no longer than the job has time. Costs no attempt."""
    if job.finish_by is not None:
        seconds = min(seconds, max(0.0, (job.finish_by - now).total_seconds()) + 0.1)
    return Snooze(seconds, WaitingReason.UPSTREAM_DEGRADED, detail=phase, exact=True)


def instead_of(verdict: Verdict, wait: Snooze) -> Verdict:
    """The verdict of a step that met an open breaker's failure itself: it waits, where it would have tried again.

    What it learned stays. A verdict that has another cause stays as it is.
    """
    match verdict:
        case Retry(cause=cause) if isinstance(cause, DOWN):
            return wait
        case Fail(cause=RenderTimedOut(), learned=learned):
            return replace(wait, learned=learned)
        case Snooze(reason=reason, learned=learned) if reason in _OVERTAKEN:
            return replace(wait, learned=learned)
    return verdict


def waits_for_upstream(job: Job) -> bool:
    """Whether the job's last wait was for NemoVideo as a whole: that time is not held against it."""
    return job.waiting is not None and job.waiting.reason is WaitingReason.UPSTREAM_DEGRADED
