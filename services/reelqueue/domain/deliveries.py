"""When a webhook message is tried again."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Final

SCHEDULE_S: Final = (0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
"""Seconds to wait before each try, counted from the end of the one before: at once, 5 s, 5 min, 30 min, 2, 5, 10, 14,
20 and 24 h. The first retries pass a restart, the middle ones a bad night, the last ones a long weekend: about 75 h."""

MAX_ATTEMPTS: Final = len(SCHEDULE_S)

JITTER: Final = 0.2
"""A wait is this share longer or shorter, so that what failed together does not come back together."""

_STRETCH: Final = 2
"""A receiver's `Retry-After` may double a slot, no more."""


def next_attempt_at(
    attempts_made: int, now: datetime, *, rng: random.Random, retry_after_s: float | None = None, speed: float = 1.0
) -> datetime | None:
    """When to try next, or `None` if the tries are used up. With no attempt made it is now.

    `retry_after_s` is what the receiver asked for, already clamped (`retries.parse_retry_after`). The wait is then
    never shorter than that, nor than the slot, and at most twice the slot. A slot that cannot reach so far even when
    doubled gives way to the first that can; no attempt is used up by that. `speed` shortens the slots, never what the
    receiver asked for.
    """
    if attempts_made >= MAX_ATTEMPTS:
        return None
    slots = [slot / speed for slot in SCHEDULE_S[attempts_made:]]
    return now + timedelta(seconds=_wait_s(slots, rng=rng, retry_after_s=retry_after_s))


def _wait_s(slots: list[float], *, rng: random.Random, retry_after_s: float | None) -> float:
    if retry_after_s is None:
        return slots[0] * rng.uniform(1 - JITTER, 1 + JITTER)
    # At speed 1 the last slots reach any clamped wish.
    slot = next((slot for slot in slots if slot * _STRETCH >= retry_after_s), retry_after_s)
    return min(max(slot, retry_after_s) * rng.uniform(1, 1 + JITTER), slot * _STRETCH)
