"""The rate of a key, and the `RateLimit` fields that tell of it (draft-ietf-httpapi-ratelimit-headers-10).

A key's rate is kept in Redis for all gateways together. Where Redis does not answer, each gateway keeps it by itself
for a while: a key may then make as many requests a minute as there are gateways, times its rate. Money never depends
on it: what is accepted is counted in Postgres.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from reelqueue.domain.quotas import QuotaName, Rate
from reelqueue.errors import QuotaExceeded
from reelqueue.gateway.auth import Principal
from reelqueue.gateway.threads import Threads
from reelqueue.kit.clock import Clock
from reelqueue.kit.gcra import Decision, Gate, LimiterUnavailable

KEY_QUOTA: Final = "requests_per_minute"
ALONE_S: Final = 5.0
"""How long Redis is not asked again after it gave no answer."""
BURSTS: Final = 4
"""This part of a minute's requests may come at once; the more, the slower the rest, since any minute keeps the rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One limit of so many a minute: how many are left now, and the seconds until there are more."""

    name: str
    quota: int
    remaining: int
    seconds: int | None = None

    @classmethod
    def of_jobs(cls, rate: Rate) -> Shown:
        """The tenant's jobs a minute."""
        return cls(name="jobs", quota=rate.limit, remaining=rate.remaining, seconds=rate.resets_s)


def rate_headers(state: Mapping[str, Any]) -> dict[str, str]:
    """Structured fields (RFC 9651): lists of strings with parameters. None where nothing is limited."""
    shown: Sequence[Shown] = state.get("rates", ())
    if not shown:
        return {}
    states = [f'"{one.name}";r={one.remaining}' + ("" if one.seconds is None else f";t={one.seconds}") for one in shown]
    return {
        "ratelimit-policy": ", ".join(f'"{one.name}";q={one.quota};w=60' for one in shown),
        "ratelimit": ", ".join(states),
    }


def rates_of(state: dict[str, Any]) -> list[Shown]:
    """What this request was held to so far; a list to add to."""
    rates: list[Shown] = state.setdefault("rates", [])
    return rates


def note_refusal(state: dict[str, Any], error: Exception) -> None:
    """Show the rate of jobs that an answer refuses for."""
    if isinstance(error, QuotaExceeded) and error.detail["quota"] == QuotaName.JOBS_PER_MINUTE:
        detail: Mapping[str, Any] = error.detail
        left = detail["limit"] - detail["used"]
        rates_of(state).append(Shown(name="jobs", quota=detail["limit"], remaining=left, seconds=detail["resets_in_s"]))


class KeyRates:
    """Holds keys to their rates. For one event loop."""

    def __init__(self, shared: Gate, own: Gate, *, clock: Clock, threads: Threads) -> None:
        self._shared = shared
        self._own = own
        self._clock = clock
        self._threads = threads
        self._alone_until = 0.0

    async def hold(self, principal: Principal, state: dict[str, Any]) -> None:
        """Count one request of a key that has a rate, and note in the request's state how it stands.

        Raises `QuotaExceeded`.
        """
        per_minute = principal.requests_per_minute
        assert per_minute is not None
        decision = await self._take(principal.key_id, per_minute)
        left = decision.remaining if decision.admitted else 0
        wait_s = None if decision.admitted else math.ceil(decision.wait_s)
        rates_of(state).append(Shown(name="key", quota=per_minute, remaining=left, seconds=wait_s))
        if not decision.admitted:
            detail = {"quota": KEY_QUOTA, "limit": per_minute, "used": per_minute}
            raise QuotaExceeded("This key makes too many requests.", retry_after=decision.wait_s, detail=detail)

    async def _take(self, key_id: str, per_minute: int) -> Decision:
        ask = (key_id, per_minute, max(1, per_minute // BURSTS))
        if self._clock.monotonic() >= self._alone_until:
            try:
                return await self._threads.quick(partial(self._shared.take, *ask))
            except LimiterUnavailable:
                self._alone_until = self._clock.monotonic() + ALONE_S
        return self._own.take(*ask)
