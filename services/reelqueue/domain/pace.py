"""How fast a token may be used, and what a 429 teaches about it. Pure; the seconds are the caller's.

The configured rate is what somebody believes the account allows. Each 429 halves the rate that is used, and time gives
it back a little at a time (AIMD), so that a limit which was set too high heals by itself: the rate stays just under
what the upstream takes, and goes up to what is configured once the upstream takes that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DEFAULT_COOLING_S: Final = 30.0
"""How long a token is left alone after a 429 that does not say (contract §3)."""
LONGEST_COOLING_S: Final = 600.0
"""To no more than this do further 429s double it; what the upstream asks for is kept whatever it is."""
SHORTEST_COOLING_S: Final = 1.0
"""What is doubled where the upstream asks for less."""
RECOVERY_S: Final = 3600.0
"""From nothing to the configured rate in so long: half of it comes back in half an hour."""
LEAST_PER_MINUTE: Final = 1.0
"""No number of 429s takes the rate lower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a token's row says of its rate, as it was read.

    `learned_age_s` is how long ago a 429 taught `learned_per_minute`, `cooling_s` how long the token is still to be
    left alone, both by the database's clock; `strikes` counts 429s in a row. `read_at` is the reading process's
    monotonic clock at that moment, `None` for now.
    """

    per_minute: float
    burst: int = 1
    learned_per_minute: float | None = None
    learned_age_s: float = 0.0
    cooling_s: float = 0.0
    strikes: int = 0
    read_at: float | None = None

    def cooling_at(self, moment: float) -> float:
        """Seconds that the token still cools, at a moment of the process's monotonic clock."""
        passed = 0.0 if self.read_at is None else moment - self.read_at
        return max(0.0, self.cooling_s - passed)

    def rate_at(self, moment: float, *, speed: float = 1.0) -> float:
        """Requests a minute that may be made, at a moment of the process's monotonic clock."""
        passed = 0.0 if self.read_at is None else max(0.0, moment - self.read_at)
        return effective(self.per_minute, self.learned_per_minute, (self.learned_age_s + passed) * speed)


UNKNOWN: Final = Pace(per_minute=300)
"""For a credential of which nothing is known: what a new token's row says."""


def effective(configured: float, learned: float | None, age_s: float) -> float:
    """The rate to use: what was learned, and what has come back in `age_s` since; never more than configured."""
    if learned is None:
        return configured
    return min(configured, max(LEAST_PER_MINUTE, learned) + configured * max(0.0, age_s) / RECOVERY_S)


def halved(rate: float) -> float:
    """The rate that a 429 leaves of the one at which it came."""
    return max(LEAST_PER_MINUTE, rate / 2)


def cooling_s(asked_s: float | None, strikes: int, *, speed: float = 1.0) -> float:
    """How long to leave a token alone after the 429 that is its `strikes`-th in a row (from 1 on).

    Never less than the upstream asks for. `speed` shortens what it leaves to us.
    """
    base = DEFAULT_COOLING_S / speed if asked_s is None else max(asked_s, SHORTEST_COOLING_S / speed)
    # Far out the doubling would overflow a float; the longest is reached long before.
    doubled: float = base * 2.0 ** min(max(strikes, 1) - 1, 32)
    return max(asked_s or 0.0, min(doubled, LONGEST_COOLING_S / speed))
