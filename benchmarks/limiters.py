"""Rate limiters under one word: one try at a request of a key of fifty a second, and whether it was let through.

The libraries belong to the extra `bench`. One that is not there is left out, and said to be.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import redis

from reelqueue.kit.gcra import Gcra, connect

LIMIT: Final = 50
"""Requests a second."""
KEY: Final = "bench"

Try = Callable[[], float | None]
"""How many seconds later the request may leave; `None` when it is refused."""


def _ours(url: str) -> Try:
    gate = Gcra(connect(url), prefix="bench:", minute_s=1.0)

    def once() -> float | None:
        return 0.0 if gate.take(KEY, LIMIT).admitted else None

    return once


def _reserving(url: str) -> Try:
    gate = Gcra(connect(url), prefix="bench:", minute_s=1.0)

    def once() -> float | None:
        decision = gate.take(KEY, LIMIT, 1, 2.0)
        return decision.wait_s if decision.admitted else None

    return once


def _limits(strategy: str) -> Callable[[str], Try]:
    def make(url: str) -> Try:
        limits: Any = importlib.import_module("limits")
        storage = importlib.import_module("limits.storage").storage_from_string(url)
        limiter = getattr(importlib.import_module("limits.strategies"), strategy)(storage)
        item = limits.RateLimitItemPerSecond(LIMIT)
        return lambda: 0.0 if limiter.hit(item, KEY) else None

    return make


def _pyrate(url: str) -> Try:
    pyrate: Any = importlib.import_module("pyrate_limiter")
    rates = [pyrate.Rate(LIMIT, pyrate.Duration.SECOND)]
    bucket = pyrate.RedisBucket.init(rates, redis.Redis.from_url(url, max_connections=64), KEY)
    limiter = pyrate.Limiter(bucket)
    return lambda: 0.0 if limiter.try_acquire(KEY, blocking=False) else None


def _throttled(kind: str) -> Callable[[str], Try]:
    def make(url: str) -> Try:
        throttled: Any = importlib.import_module("throttled")
        quota = throttled.rate_limiter.per_sec(LIMIT, burst=1)
        store = throttled.store.RedisStore(server=url)
        limiter = throttled.Throttled(key=KEY, using=kind, quota=quota, store=store)
        return lambda: None if limiter.limit().limited else 0.0

    return make


LIMITERS: Final[Mapping[str, Callable[[str], Try]]] = {
    "ours, refusing": _ours,
    "ours, reserving 2 s": _reserving,
    "limits, sliding window counter": _limits("SlidingWindowCounterRateLimiter"),
    "limits, moving window": _limits("MovingWindowRateLimiter"),
    "pyrate-limiter": _pyrate,
    "throttled-py, gcra": _throttled("gcra"),
    "throttled-py, sliding window": _throttled("sliding_window"),
}
