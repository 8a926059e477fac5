"""A rate limit that many processes keep together: GCRA as one Lua script in Redis.

GCRA spaces grants: each moves a mark (`tat`, the theoretical arrival time) on by one interval, and a grant lies at
most `burst - 1` intervals before the mark. So with `burst` 1 two grants are never closer than one interval. Only the
server's clock is asked, so the clocks of the callers do not matter, and a script runs whole, so no two callers share a
grant.

The limit holds in *every* window of a minute, not on average. A bucket of `b` that refills at the full rate lets
through the rate plus `b` in some minute; here a burst is paid for by a lower steady rate (`spacing`). What is left
between the rate that is used and the rate that is allowed (`SHARE`) covers calls that arrive later than they were
granted: up to `LATE` of a minute without a breach.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

SHARE: Final = 0.985
"""How much of the allowed rate is used."""
LATE: Final = 1 - SHARE
"""By how much of a minute calls may arrive after their grant, without one too many in any minute."""
SPREAD_S: Final = 60.0
"""Over how long at most those who are refused are spread."""
ANSWER_S: Final = 0.5
"""The longest that Redis may take to connect, and to answer."""
CONNECTIONS: Final = 64
"""Connections of one process. A call more waits up to `ANSWER_S` for one of them."""

US: Final = 1_000_000


class LimiterUnavailable(Exception):
    """Redis did not answer, so nothing is known of the rate. Nothing was granted, or a grant was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What became of one try."""

    admitted: bool
    """Whether the grant is made. It is then reserved, and begins in `wait_s`."""
    wait_s: float
    """Seconds until the grant; if refused, until a grant is free. Waiting so long suffices for a lone caller."""
    spread_s: float
    """When to come again, if refused: at least `wait_s`, and no two callers at the same moment."""
    remaining: int
    """How many more would be granted at once."""
    paused: bool
    """Whether a pause is what is waited for."""


class Gate(Protocol):
    """Something that keeps rates by key."""

    def take(self, key: str, per_minute: float, burst: int = 1, max_wait_s: float = 0.0) -> Decision:
        """Ask for one grant. One that is more than `max_wait_s` away is refused, and reserves nothing."""
        ...

    def pause(self, key: str, seconds: float) -> None:
        """Grant nothing for so long; a longer pause stays. Then one at first, however large the burst."""
        ...

    def paused(self, key: str) -> float:
        """Seconds that a pause still lasts; 0 without one."""
        ...


def spacing(per_minute: float, burst: int, *, minute_s: float = 60.0) -> tuple[float, int]:
    """Seconds between two grants in the long run, and the burst as it can be kept.

    In a window of one minute fit `minute / interval + burst - 1` grants, rounded up. So the steady rate is
    `per_minute - burst + 1`: a burst of the whole rate leaves one grant a minute. Raises `ValueError`.
    """
    if not (per_minute > 0 and math.isfinite(per_minute)) or burst < 1:
        raise ValueError("a limit is above 0 and finite, and a burst at least 1")
    whole = math.floor(per_minute) if per_minute >= 1 else per_minute
    kept = min(burst, max(1, math.floor(whole)))
    return minute_s / (SHARE * (whole - kept + 1)), kept


def micros(seconds: float) -> int:
    """Whole microseconds, rounded up: a grant later than it might be breaks nothing. Not below 0."""
    return math.ceil(max(0.0, seconds) * US)


# State: `tat`, `until` (the end of a pause) and `hint` (when the next who is refused may come), in microseconds.
_TAKE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
local longest, spread = tonumber(ARGV[3]), tonumber(ARGV[4])
local state = redis.call('HMGET', KEYS[1], 'tat', 'until', 'hint')
local pause, hint = tonumber(state[2] or 0), tonumber(state[3] or 0)
local tat = math.max(tonumber(state[1] or 0), pause + tolerance, now)
local at = math.max(now, tat - tolerance)
local wait, paused = at - now, pause > now and 1 or 0
if wait <= longest then
  tat = tat + interval
  redis.call('HSET', KEYS[1], 'tat', string.format('%.0f', tat))
  if redis.call('PTTL', KEYS[1]) < (tat - now) / 1000 then
    redis.call('PEXPIRE', KEYS[1], string.format('%.0f', (tat - now) / 1000 + 1000))
  end
  local left = math.floor((now + tolerance - tat) / interval) + 1
  return {1, wait, wait, math.max(0, left), paused}
end
hint = math.max(hint, at)
if hint - at > spread then hint = at end
redis.call('HSET', KEYS[1], 'hint', string.format('%.0f', hint + interval))
if redis.call('PTTL', KEYS[1]) < (hint + interval - now) / 1000 then
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', (hint + interval - now) / 1000 + 1000))
end
return {0, wait, hint - now, 0, paused}
"""

_PAUSE: Final = """
local time = redis.call('TIME')
local ends = time[1] * 1000000 + time[2] + tonumber(ARGV[1])
if ends > tonumber(redis.call('HGET', KEYS[1], 'until') or 0) then
  redis.call('HSET', KEYS[1], 'until', string.format('%.0f', ends))
  local keep = tonumber(ARGV[1]) / 1000 + tonumber(ARGV[2])
  if redis.call('PTTL', KEYS[1]) < keep then
    redis.call('PEXPIRE', KEYS[1], string.format('%.0f', keep))
  end
end
return 1
"""

_PAUSED: Final = """
local time = redis.call('TIME')
return tonumber(redis.call('HGET', KEYS[1], 'until') or 0) - (time[1] * 1000000 + time[2])
"""


def connect(url: str) -> redis.Redis:
    """A client for rates: bounded in connections and in time, and it tries nothing twice."""
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=ANSWER_S,
        socket_connect_timeout=ANSWER_S,
        socket_timeout=ANSWER_S,
        retry=Retry(NoBackoff(), 0),
    )
    return redis.Redis(connection_pool=pool)


class Gcra:
    """Rates in Redis, for all processes together. Thread-safe."""

    def __init__(self, client: redis.Redis, *, prefix: str, minute_s: float = 60.0) -> None:
        """`prefix` keeps the keys of one use apart; `minute_s` is how long a minute is, shorter against a twin."""
        self._client = client
        self._prefix = prefix
        self._minute_s = minute_s
        self._spread_us = micros(SPREAD_S / 60.0 * minute_s)
        self._take = client.register_script(_TAKE)
        self._pause = client.register_script(_PAUSE)
        self._paused = client.register_script(_PAUSED)

    def take(self, key: str, per_minute: float, burst: int = 1, max_wait_s: float = 0.0) -> Decision:
        """Ask for one grant; see `Gate`. Raises `LimiterUnavailable`."""
        interval, kept = spacing(per_minute, burst, minute_s=self._minute_s)
        every_us = micros(interval)
        arguments = (every_us, (kept - 1) * every_us, micros(max_wait_s), self._spread_us)
        admitted, wait, spread, left, paused = self._run(self._take, key, *arguments)
        return Decision(
            admitted=admitted == 1,
            wait_s=wait / US,
            spread_s=spread / US,
            remaining=left,
            paused=paused == 1,
        )

    def pause(self, key: str, seconds: float) -> None:
        """Grant nothing for so long; see `Gate`. Raises `LimiterUnavailable`."""
        # Kept a minute longer than it lasts, so that what is granted afterwards still begins with one.
        self._run(self._pause, key, micros(seconds), round(self._minute_s * 1000) + 1000)

    def paused(self, key: str) -> float:
        """Seconds that a pause still lasts. Raises `LimiterUnavailable`."""
        left: int = self._run(self._paused, key)
        return max(0.0, left / US)

    def _run(self, script: Any, key: str, *arguments: int) -> Any:
        with translated():
            return script(keys=[f"{self._prefix}{key}"], args=arguments)


@contextmanager
def translated() -> Iterator[None]:
    """Whatever redis-py raises for a server that is away, busy or broken, as `LimiterUnavailable`."""
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise LimiterUnavailable(type(error).__name__) from error
