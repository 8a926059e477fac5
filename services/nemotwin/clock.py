"""Virtual time: it runs a number of times faster than the wall clock and can jump ahead."""

import asyncio
import time
from collections.abc import Callable


class Clock:
    """A clock that all waiting in the twin goes by. Values are epoch seconds of virtual time.

    Changing the speed or jumping ahead wakes every sleeper, which then looks again at how long it has to wait.
    """

    def __init__(self, *, start: float, speed: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Start at the virtual moment `start`, `speed` times faster than `monotonic`."""
        self._monotonic = monotonic
        self._base = start
        self._base_real = monotonic()
        self._speed = speed
        self._naps: dict[asyncio.Future[None], float] = {}

    @property
    def speed(self) -> float:
        """How many virtual seconds pass in a real one."""
        return self._speed

    @property
    def next(self) -> float | None:
        """How many virtual seconds from now the first sleeper wakes; `None` while nobody sleeps."""
        return max(0.0, min(self._naps.values()) - self.now()) if self._naps else None

    def now(self) -> float:
        """Return the virtual time as epoch seconds."""
        return self._base + (self._monotonic() - self._base_real) * self._speed

    def set_speed(self, speed: float) -> None:
        """Run `speed` times faster than the wall from now on. Sleepers follow at once."""
        self._shift(self.now())
        self._speed = speed

    def advance(self, seconds: float) -> None:
        """Jump `seconds` ahead. Who was to be woken in between is woken now."""
        self._shift(self.now() + seconds)

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds` of virtual time; zero still gives way to other tasks once."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        await self.wait(asyncio.get_running_loop().create_future(), seconds)

    async def wait(self, future: "asyncio.Future[None]", seconds: float) -> bool:
        """Wait until `future` is done, `seconds` virtual at most, and say whether it is. It is never cancelled."""
        loop = asyncio.get_running_loop()
        due = self.now() + seconds
        while not future.done() and (left := due - self.now()) > 0:
            nap: asyncio.Future[None] = loop.create_future()
            alarm = loop.call_later(left / self._speed, _end, nap)
            self._naps[nap] = due
            try:
                await asyncio.wait((future, nap), return_when=asyncio.FIRST_COMPLETED)
            finally:
                alarm.cancel()
                del self._naps[nap]
        return future.done()

    def _shift(self, virtual: float) -> None:
        self._base, self._base_real = virtual, self._monotonic()
        for nap in self._naps:
            _end(nap)


def _end(nap: "asyncio.Future[None]") -> None:
    if not nap.done():
        nap.set_result(None)
