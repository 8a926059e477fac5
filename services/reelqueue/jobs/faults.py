"""From an error to the verdict it stands for, where a step has nothing better to say.

One rule for all steps; whether another try of the same step is worth it stands in the error's class. It never speaks
for a turn that was sent: `steps/instruct.py` settles those itself.
"""

from __future__ import annotations

from reelqueue.domain.jobs import WaitingReason
from reelqueue.domain.pace import DEFAULT_COOLING_S
from reelqueue.domain.verdicts import Fail, Retry, Snooze, Verdict
from reelqueue.errors import RateLimited, ReelqueueError, TokenBlocked, TokenCooling, UpstreamThrottled


def verdict_on(error: ReelqueueError) -> Verdict:
    """Wait (a 429 costs no attempt), try again, or fail."""
    if isinstance(error, RateLimited):
        asked_for = error.retry_after is not None
        seconds = error.retry_after if error.retry_after is not None else DEFAULT_COOLING_S
        return Snooze(seconds, _reason(error), exact=asked_for)
    return Retry(error) if error.tried_again else Fail(error)


def _reason(error: RateLimited) -> WaitingReason:
    match error:
        case TokenBlocked():
            return WaitingReason.TOKEN_BLOCKED
        case TokenCooling():
            return WaitingReason.TOKEN_COOLING
        case UpstreamThrottled():
            return WaitingReason.TOKEN_RATE
    return WaitingReason.UPSTREAM_BUSY
