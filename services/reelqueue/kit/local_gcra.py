"""The same rate limit inside one process, for when there is no Redis."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Final

from reelqueue.kit.clock import Clock
from reelqueue.kit.gcra import SPREAD_S, Decision, interval_s

MOST_KEYS: Final = 1_000
"""Beyond so many keys, those whose limit is at rest are forgotten."""


@dataclass(slots=True)
class _State:
    tat: float
    until: float = -math.inf
    hint: float = -math.inf


class LocalGcra:
    """Rates of one process, on its monotonic clock. Decides as `Gcra` does. Thread-safe.

    A key begins as if a grant had just been made: whatever kept the rate before may have made one.
    """

    def __init__(self, clock: Clock, *, minute_s: float = 60.0) -> None:
        self._clock = clock
        self._minute_s = minute_s
        self._spread_s = SPREAD_S / 60.0 * minute_s
        self._lock = threading.Lock()
        self._states: dict[str, _State] = {}

    def take(self, key: str, per_minute: float, burst: int = 1, max_wait_s: float = 0.0) -> Decision:
        """Ask for one grant; see `Gate`."""
        interval, kept = interval_s(per_minute, burst, minute_s=self._minute_s)
        tolerance = (kept - 1) * interval
        with self._lock:
            now = self._clock.monotonic()
            state = self._state(key, now, interval + tolerance)
            tat = max(state.tat, state.until + tolerance, now)
            at = max(now, tat - tolerance)
            paused = state.until > now
            if at - now <= max_wait_s:
                state.tat = tat + interval
                left = max(0, math.floor((now + tolerance - state.tat) / interval) + 1)
                return Decision(admitted=True, wait_s=at - now, spread_s=at - now, remaining=left, paused=paused)
            hint = max(state.hint, at)
            hint = at if hint - at > self._spread_s else hint
            state.hint = hint + interval
            return Decision(admitted=False, wait_s=at - now, spread_s=hint - now, remaining=0, paused=paused)

    def pause(self, key: str, seconds: float) -> None:
        """Grant nothing for so long; see `Gate`."""
        with self._lock:
            now = self._clock.monotonic()
            state = self._state(key, now, 0.0)
            state.until = max(state.until, now + seconds)

    def paused(self, key: str) -> float:
        """Seconds that a pause still lasts."""
        with self._lock:
            state = self._states.get(key)
            return 0.0 if state is None else max(0.0, state.until - self._clock.monotonic())

    def _state(self, key: str, now: float, first_s: float) -> _State:
        state = self._states.get(key)
        if state is None:
            if len(self._states) >= MOST_KEYS:
                self._states = {k: s for k, s in self._states.items() if max(s.tat, s.until) > now}
            state = self._states[key] = _State(now + first_s)
        return state
