"""No call leaves before its token's rate allows it.

The rate is kept in Redis, by all processes together. Where there is no Redis, a worker keeps its share of the rate by
itself; where nobody knows how large that share is, nothing leaves. A wait of up to two seconds is waited out on the
caller's thread, with the grant reserved; a longer one comes back as an error, and the job snoozes.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Protocol

from reelqueue.domain.pace import DEFAULT_COOLING_S, Pace
from reelqueue.domain.upstream import Credential
from reelqueue.errors import TokenCooling, UpstreamThrottled
from reelqueue.kit.clock import Clock
from reelqueue.kit.gcra import LATE, Decision, Gate, LimiterUnavailable
from reelqueue.kit.logs import get_logger
from reelqueue.kit.metrics import Metrics
from reelqueue.nemo.error_table import Call

MOST_WAIT_S: Final = 2.0
"""No thread is held longer than this."""
PATIENCE_S: Final[Mapping[Call, float]] = MappingProxyType(
    {
        Call.BALANCE: 1.0,
        Call.STATE: 1.25,
        Call.ANONYMOUS_TOKEN: 1.0,
        Call.CREATE_SESSION: 1.0,
        Call.RENDER_POLL: 1.0,
    }
)
"""How long a call may wait for its grant; all others up to `MOST_WAIT_S`. A step begins with one of these and ends with
one of the others: when the rate is short, steps that have begun are let finish before more of them begin."""
ANONYMOUS: Final = Pace(per_minute=6)
"""Calls for an anonymous token, by client id: one is enough for seven days (contract §4.1)."""
REDIS_AGAIN_S: Final = 1.0
"""How long Redis is not asked after it failed: a call must not wait for it each time."""
UNKNOWN_SHARE_S: Final = 5.0
"""When to come again where nothing may leave, spread over as much again."""
_TRIES: Final = 3

log = get_logger(__name__)


class Throttle(Protocol):
    """What the client asks before each call, and tells of each 429."""

    def enter(self, call: Call, credential: Credential | None, client_id: str | None) -> None:
        """Return when the call may leave. Raises `UpstreamThrottled`; then nothing has left, and nothing is reserved.

        `client_id` names a call without a credential.
        """
        ...

    def refused(self, credential: Credential | None, client_id: str | None, retry_after: float | None) -> None:
        """The upstream answered 429 and asked for so many seconds, or for none in particular."""
        ...


class TokenThrottle:
    """`Throttle` over a gate that is shared, and one of this process for when that is gone. Thread-safe."""

    def __init__(
        self,
        shared: Gate,
        local: Gate,
        *,
        live_workers: Callable[[], int | None],
        clock: Clock,
        rng: random.Random,
        metrics: Metrics,
        speed: float = 1.0,
    ) -> None:
        """`live_workers` says among how many processes a rate is shared when `shared` is gone; `None`: unknown.

        `speed` is that of a twin's clock: its minute is shorter by as much, and so is a cooling that it leaves to us.
        The gates are to be made with such a minute.
        """
        self._shared = shared
        self._local = local
        self._live_workers = live_workers
        self._clock = clock
        self._rng = rng
        self._metrics = metrics
        self._speed = speed
        self._late_s = LATE * 60.0 / speed / 2
        self._shared_again = 0.0

    def enter(self, call: Call, credential: Credential | None, client_id: str | None) -> None:
        """Pass, or raise; see `Throttle`."""
        pace = ANONYMOUS if credential is None else credential.pace
        key, now = _key(credential, client_id), self._clock.monotonic()
        left = pace.cooling_at(now)
        if left > 0:
            # The row says so, whatever Redis has forgotten.
            self.cool(key, left)
        rate, patience_s = pace.rate_at(now, speed=self._speed), PATIENCE_S.get(call, MOST_WAIT_S)
        if now >= self._shared_again:
            try:
                return self._pass(self._shared, key, rate, pace.burst, patience_s)
            except LimiterUnavailable as error:
                self._lost(error)
        workers = self._live_workers()
        if not workers:
            self._metrics.throttled.labels("no_share").inc()
            seconds = UNKNOWN_SHARE_S * self._rng.uniform(1, 2)
            raise (TokenCooling if left > 0 else UpstreamThrottled)(retry_after=max(seconds, left))
        self._metrics.throttle_alone.inc()
        return self._pass(self._local, key, rate / workers, 1, patience_s)

    def refused(self, credential: Credential | None, client_id: str | None, retry_after: float | None) -> None:
        """Pause at once, for all processes. The token's row may make it longer."""
        self._metrics.coolings.inc()
        self.cool(_key(credential, client_id), DEFAULT_COOLING_S / self._speed if retry_after is None else retry_after)

    def cool_token(self, token_id: str, seconds: float) -> None:
        """A token is to be left alone for so long."""
        self.cool(f"token:{token_id}", seconds)

    def cool(self, key: str, seconds: float) -> None:
        """Pause a key, here and in Redis."""
        self._local.pause(key, seconds)
        try:
            self._shared.pause(key, seconds)
        except LimiterUnavailable as error:
            self._lost(error)

    def _pass(self, gate: Gate, key: str, rate: float, burst: int, patience_s: float) -> None:
        began = self._clock.monotonic()
        ends = began + patience_s
        for _ in range(_TRIES):
            asked = self._clock.monotonic()
            decision = gate.take(key, rate, burst, max(0.0, ends - asked))
            if not decision.admitted:
                raise self._too_long(decision)
            if decision.wait_s > 0:
                self._clock.sleep(decision.wait_s)
            if self._clock.monotonic() - asked > decision.wait_s + self._late_s:
                continue  # The grant is stale: this thread stood still, and many may have with it.
            if decision.wait_s > 0 and (left := gate.paused(key)) > 0:
                raise self._refusal(TokenCooling, left)
            self._metrics.throttle_seconds.observe(self._clock.monotonic() - began)
            return
        raise self._refusal(UpstreamThrottled, MOST_WAIT_S)

    def _too_long(self, decision: Decision) -> UpstreamThrottled:
        return self._refusal(TokenCooling if decision.paused else UpstreamThrottled, decision.spread_s)

    def _refusal(self, kind: type[UpstreamThrottled], seconds: float) -> UpstreamThrottled:
        self._metrics.throttled.labels("cooling" if kind is TokenCooling else "rate").inc()
        return kind(retry_after=seconds)

    def _lost(self, error: LimiterUnavailable) -> None:
        self._shared_again = self._clock.monotonic() + REDIS_AGAIN_S
        log.warning("throttle.redis_gone", error=str(error))


def _key(credential: Credential | None, client_id: str | None) -> str:
    """Whose rate it is. A client id is kept from Redis: whoever has it can ask for tokens in its name."""
    if credential is not None:
        return f"token:{credential.token_id}"
    return f"client:{hashlib.sha256((client_id or '').encode()).hexdigest()[:24]}"
