"""Who decides, at each read and write of a socket, whether it may go on: one guard a call.

The HTTP library limits single operations; a guard limits the whole call, counts the bytes that leave, and, for a
turn, runs the caller's gate before the first of them. All on monotonic time.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from reelqueue.domain.upstream import CutReason, TurnControl
from reelqueue.kit.clock import Clock


class HungUp(ConnectionAbortedError):
    """The caller ended the turn."""


class Guard(Protocol):
    """What a guarded connection asks. Whatever a method raises stops the operation."""

    def allow(self, timeout: float | None) -> float:
        """The seconds the next operation may take. Raises `TimeoutError` when none are left."""
        ...

    def opened(self, hang_up: Callable[[], None]) -> None:
        """A connection stands; `hang_up` ends what blocks on it, from any thread."""
        ...

    def admit(self) -> None:
        """Before each write. What it raises reaches the caller as it is, never as a failure of the network."""
        ...

    def sending(self, size: int) -> None:
        """That many bytes of the request are about to be handed to the socket. Raises as `allow` does."""
        ...


class CallGuard:
    """An ordinary call: a total deadline and a byte counter."""

    def __init__(self, clock: Clock, total_s: float) -> None:
        self._clock = clock
        self._ends = clock.monotonic() + total_s
        self.bytes_sent = 0

    def allow(self, timeout: float | None) -> float:
        """The time left, or `timeout` if that is shorter."""
        left = self._ends - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError("the call's deadline has passed")
        return left if timeout is None else min(left, timeout)

    def opened(self, hang_up: Callable[[], None]) -> None:
        """Nobody ends an ordinary call from outside."""

    def admit(self) -> None:
        """Nothing has to be asked first."""

    def sending(self, size: int) -> None:
        """Count before the bytes go: whoever sees 0 knows that none went."""
        self.bytes_sent += size


class TurnGuard:
    """A turn: the gate before its first byte, two deadlines, and the caller's `abort`."""

    def __init__(self, clock: Clock, control: TurnControl) -> None:
        self._clock = clock
        self._control = control
        self._gated = False
        self._quiet_since = clock.monotonic()
        self._ends = self._quiet_since + control.limits.total_s
        self._idle_s = control.limits.idle_s
        self._gate_frames: TracebackType | None = None
        self.gate_error: BaseException | None = None

    def allow(self, timeout: float | None) -> float:
        """The time until the nearer deadline. After a refusing gate or an `abort` there is none."""
        if self.gate_error is not None:
            raise self.gate_error
        if self._control.aborted:
            raise HungUp("the caller ended the turn")
        left = min(self._ends, self._quiet_since + self._idle_s) - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError("the turn's deadline has passed")
        return left if timeout is None else min(left, timeout)

    def opened(self, hang_up: Callable[[], None]) -> None:
        """Let `abort` reach the connection."""
        self._control.bind(hang_up)

    def admit(self) -> None:
        """Run the gate, once."""
        if self._gated:
            return
        self._gated = True
        try:
            self._control.gate()
        except BaseException as exc:
            self.gate_error, self._gate_frames = exc, exc.__traceback__
            raise

    def refusal(self) -> BaseException:
        """What the gate raised, without the frames of the HTTP library: those hold the request's headers."""
        assert self.gate_error is not None
        return self.gate_error.with_traceback(self._gate_frames)

    def sending(self, size: int) -> None:
        """The gate may have taken long: look at the clock and the caller once more, then count."""
        self.allow(None)
        self._control.count(size)

    def substance(self) -> None:
        """Something other than a heartbeat came."""
        self._quiet_since = self._clock.monotonic()

    def shorten(self, idle_s: float) -> None:
        """From now on, wait no longer than that for anything more. A second time changes nothing."""
        if idle_s < self._idle_s:
            self._idle_s = idle_s
            self._quiet_since = self._clock.monotonic()

    def cut_reason(self) -> CutReason:
        """Why the stream ended, if it did not end by itself."""
        now = self._clock.monotonic()
        if self._control.aborted:
            return CutReason.ABORTED
        if now >= self._ends:
            return CutReason.TOO_LONG
        return CutReason.IDLE if now >= self._quiet_since + self._idle_s else CutReason.BROKEN
