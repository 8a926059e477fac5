"""From an error to the verdict it stands for, where a step has nothing better to say.

One table for all steps. It never speaks for a turn that was sent: `steps/instruct.py` settles those itself.
"""

from __future__ import annotations

from reelqueue.domain.jobs import WaitingReason
from reelqueue.domain.verdicts import Fail, Retry, Snooze, Verdict
from reelqueue.errors import (
    DependencyUnavailable,
    NotSent,
    RateLimited,
    ReelqueueError,
    RenderIdTaken,
    RenderTimedOut,
    ResultUnusable,
    StorageFull,
    UpstreamProtocolError,
    UpstreamUnavailable,
)
from reelqueue.jobs.token_desk import DEFAULT_COOLING_S

MAY_PASS = (
    NotSent,
    UpstreamUnavailable,
    UpstreamProtocolError,
    RenderIdTaken,
    ResultUnusable,
    DependencyUnavailable,
    StorageFull,
)
"""Worth another try of the same step; everything else is final."""


def verdict_on(error: ReelqueueError) -> Verdict:
    """Wait (a 429 costs no attempt), try again, or fail."""
    if isinstance(error, RateLimited):
        asked_for = error.retry_after is not None
        seconds = error.retry_after if error.retry_after is not None else DEFAULT_COOLING_S
        return Snooze(seconds, WaitingReason.UPSTREAM_BUSY, exact=asked_for)
    if isinstance(error, MAY_PASS) and not isinstance(error, RenderTimedOut):
        return Retry(error)
    return Fail(error)
