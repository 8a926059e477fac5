"""How a receiver fares: what its answers say of it, and when it is left alone. Pure.

A *lane* is the way to one receiver of one tenant. Its breaker opens when most of its tries of some minutes fail, and is
then tried with one message now and then; its tenant is told when nothing has been taken for long, and in the end an
endpoint is disabled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal
from urllib.parse import urlsplit

WINDOW_S: Final = 300.0
"""How long failures are counted together."""
FAILED_SHARE: Final = 0.7
"""From this share of failed tries in the window on, the breaker opens."""
LEAST_TRIES: Final = 10
"""With fewer tries in a window the breaker says nothing: the schedule of each message is careful enough."""
FIRST_REST_S: Final = 30.0
LONGEST_REST_S: Final = 600.0
"""How long an open breaker rests before one message probes it: twice as long after each probe that failed."""
GIVEN_UP_S: Final = 5 * 86_400.0
"""An endpoint that takes nothing for so long is disabled."""
ALERTS: Final[tuple[Literal[50, 70, 90], ...]] = (50, 70, 90)
"""Percent of that time at which its tenant is told."""
SLOW_MS: Final = 1_000.0
"""From this mean time of an answer on, a lane is slow: all slow ones together get no more than half of the room."""
_SMOOTHING: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What is known of a lane. `open_until` is when an open breaker is probed; `opened` counts its rests in a row.

    `failing_since`: the first failure after the last success. `alerted`: the percent last told. `latency_ms` is a mean
    over the last answers and failures.
    """

    open_until: datetime | None = None
    opened: int = 0
    window_at: datetime | None = None
    window_ok: int = 0
    window_failed: int = 0
    failing_since: datetime | None = None
    alerted: int = 0
    latency_ms: float = 0.0

    @property
    def breaker(self) -> Literal["closed", "open"]:
        """Whether it is left alone but for a probe."""
        return "closed" if self.open_until is None else "open"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one try, what its receiver's health follows from."""

    ok: bool
    elapsed_ms: int


def after(health: Health, outcomes: Sequence[Outcome], now: datetime, *, speed: float = 1.0) -> Health:
    """The lane's health after some tries, in the order in which they ended. `speed` shortens all times but latency."""
    for one in outcomes:
        health = _after_one(health, one, now, speed)
    return health


def gives_up(health: Health, now: datetime, *, speed: float = 1.0) -> bool:
    """Whether it has taken nothing for five days, and so is disabled."""
    return health.failing_since is not None and now - health.failing_since >= timedelta(seconds=GIVEN_UP_S / speed)


@dataclass(frozen=True, slots=True)
class Failing:
    """That an endpoint has used up a share of the time that it has, and when that ends."""

    percent: Literal[50, 70, 90]
    since: datetime
    ends_at: datetime


def failing(health: Health, now: datetime, *, speed: float = 1.0) -> Failing | None:
    """What its tenant has to be told of now, if anything: of several shares that were reached, the highest."""
    since = health.failing_since
    if since is None:
        return None
    whole = timedelta(seconds=GIVEN_UP_S / speed)
    reached = [percent for percent in ALERTS if health.alerted < percent <= 100 * (now - since) / whole]
    return Failing(reached[-1], since, since + whole) if reached else None


def url_lane(tenant_id: str, authority: str) -> str:
    """The id of the lane of a tenant's jobs that name a URL there. An endpoint's lane has the endpoint's id."""
    return f"{tenant_id}/{hashlib.md5(authority.encode(), usedforsecurity=False).hexdigest()[:16]}"


def authority_of(url: str) -> str:
    """The host, and the port if the URL names one: receivers at two ports are two, and one may be slow."""
    try:
        port = urlsplit(url).port
    except ValueError:
        port = None
    return host_of(url) if port is None else f"{host_of(url)}:{port}"


def host_of(url: str) -> str:
    """What tries at once are counted by, over all tenants. Empty for a URL without a host, which is never sent to."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _after_one(health: Health, one: Outcome, now: datetime, speed: float) -> Health:
    latency = health.latency_ms + _SMOOTHING * (one.elapsed_ms - health.latency_ms)
    if one.ok:
        fresh = health.open_until is not None or health.window_at is None or _is_over(health.window_at, now, speed)
        return Health(
            window_at=now if fresh else health.window_at,
            window_ok=1 if fresh else health.window_ok + 1,
            window_failed=0 if fresh else health.window_failed,
            latency_ms=latency,
        )
    failing = replace(health, failing_since=health.failing_since or now, latency_ms=latency)
    if failing.open_until is not None:
        return _opened(failing, now, speed) if now >= failing.open_until else failing
    if failing.window_at is None or _is_over(failing.window_at, now, speed):
        failing = replace(failing, window_at=now, window_ok=0, window_failed=0)
    failing = replace(failing, window_failed=failing.window_failed + 1)
    tries = failing.window_ok + failing.window_failed
    if tries >= LEAST_TRIES and failing.window_failed >= FAILED_SHARE * tries:
        return _opened(failing, now, speed)
    return failing


def _opened(health: Health, now: datetime, speed: float) -> Health:
    rest_s = min(LONGEST_REST_S, FIRST_REST_S * 2**health.opened) / speed
    return replace(
        health,
        open_until=now + timedelta(seconds=rest_s),
        opened=health.opened + 1,
        window_at=None,
        window_ok=0,
        window_failed=0,
    )


def _is_over(window_at: datetime, now: datetime, speed: float) -> bool:
    return now - window_at >= timedelta(seconds=WINDOW_S / speed)
