"""How long a step waits before it tries the same thing again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

MAX_RETRY_AFTER_S: Final = 3600.0
"""No server puts us off for longer at a time, by mistake or by a wrong clock."""

_MAX_HEADER_CHARS: Final = 64
_MAX_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter: any moment between at once and the bound is equally likely.

    `max_attempts` counts the first try. The bound is `base_s`, doubled after each further failure, up to `cap_s`.
    """

    max_attempts: int
    base_s: float
    cap_s: float

    def __post_init__(self) -> None:
        if self.max_attempts < 1 or not 0 <= self.base_s <= self.cap_s:
            raise ValueError("a retry policy needs max_attempts >= 1 and 0 <= base_s <= cap_s")

    def exhausted(self, attempts_made: int) -> bool:
        """Whether there is no further try."""
        return attempts_made >= self.max_attempts

    def bound(self, attempts_made: int) -> float:
        """The longest wait, in seconds, after so many failed tries (at least one)."""
        # Far out the doubling would overflow a float; the cap is reached long before.
        return min(self.cap_s, self.base_s * 2.0 ** min(max(attempts_made, 1) - 1, 64))

    def delay(self, attempts_made: int, rng: random.Random, *, retry_after_s: float | None = None) -> float:
        """Seconds to wait after so many failed tries, and never less than the server asked for."""
        return max(rng.uniform(0, self.bound(attempts_made)), retry_after_s or 0.0)


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds to wait by a `Retry-After` header (RFC 9110 §10.2.3: seconds or an HTTP date), from 0 to an hour.

    `None` if there is no header or it cannot be read.
    """
    text = (value or "").strip()
    if not text or len(text) > _MAX_HEADER_CHARS:
        return None
    if text.isascii() and text.isdigit():
        return _clamped(float(text) if len(text) <= _MAX_DIGITS else MAX_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return _clamped((moment - now).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _clamped(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)
