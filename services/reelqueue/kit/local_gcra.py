"""The same rate limit inside one process, for when there is no Redis."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

from reelqueue.kit.clock import Clock
from reelqueue.kit.gcra import SPREAD_S, US, Decision, micros, spacing

MOST_KEYS: Final = 1_000
"""Beyond so many keys, those whose limit is at rest are forgotten."""


@dataclass(slots=True)
class _State:
    """As in Redis, and in microseconds too, so that both round alike."""

    tat: int
    until: int = 0
    hint: int = 0


class LocalGcra:
    """Rates of one process, on its monotonic clock. Decides as `Gcra` does. Thread-safe.

    A key begins as if a grant had just been made: whatever kept the rate before may have made one.
    """

    def __init__(self, clock: Clock, *, minute_s: float = 60.0) -> None:
        self._clock = clock
        self._minute_s = minute_s
        self._spread = micros(SPREAD_S / 60.0 * minute_s)
        self._lock = threading.Lock()
        self._states: dict[str, _State] = {}

    def take(self, key: str, per_minute: float, burst: int = 1, max_wait_s: float = 0.0) -> Decision:
        """Ask for one grant; see `Gate`."""
        interval_s, kept = spacing(per_minute, burst, minute_s=self._minute_s)
        interval = micros(interval_s)
        tolerance = (kept - 1) * interval
        with self._lock:
            now = self._now()
            state = self._state(key, now, interval + tolerance)
            tat = max(state.tat, state.until + tolerance, now)
            at = max(now, tat - tolerance)
            admitted, left, paused = at - now <= micros(max_wait_s), 0, state.until > now
            if admitted:
                state.tat = tat + interval
                comes, left = at, max(0, (now + tolerance - state.tat) // interval + 1)
            else:
                hint = max(state.hint, at)
                comes = at if hint - at > self._spread else hint
                state.hint = comes + interval
        return Decision(
            admitted=admitted, wait_s=(at - now) / US, spread_s=(comes - now) / US, remaining=left, paused=paused
        )

    def pause(self, key: str, seconds: float) -> None:
        """Grant nothing for so long; see `Gate`."""
        with self._lock:
            now = self._now()
            state = self._state(key, now, 0)
            state.until = max(state.until, now + micros(seconds))

    def paused(self, key: str) -> float:
        """Seconds that a pause still lasts."""
        with self._lock:
            state = self._states.get(key)
            return 0.0 if state is None else max(0, state.until - self._now()) / US

    def _now(self) -> int:
        return round(self._clock.monotonic() * US)

    def _state(self, key: str, now: int, first: int) -> _State:
        state = self._states.get(key)
        if state is None:
            if len(self._states) >= MOST_KEYS:
                self._states = {k: s for k, s in self._states.items() if max(s.tat, s.until) > now}
            state = self._states[key] = _State(now + first)
        return state
