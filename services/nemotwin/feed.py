"""The events of a running turn, which a stream reads while they come and which outlives the stream."""

import asyncio

from nemotwin.clock import Clock
from nemotwin.events import Event


class Feed:
    """A list that grows until it is closed, with a way to wait for more. Has one reader.

    What is bytes in it is no event of ADK's: it goes out as it is.
    """

    def __init__(self) -> None:
        """Begin empty and open."""
        self.events: list[Event | bytes] = []
        self.closed = False
        self._more: asyncio.Future[None] | None = None

    def put(self, event: Event | bytes) -> None:
        """Append an event and wake the reader."""
        self.events.append(event)
        self.nudge()

    def close(self) -> None:
        """Say that nothing more comes. Safe to repeat."""
        self.closed = True
        self.nudge()

    def nudge(self) -> None:
        """Wake the reader although there may be nothing new, as when its client has gone."""
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    async def wait(self, clock: Clock, seconds: float) -> bool:
        """Wait to be woken, `seconds` virtual at most; `False` when that time is over."""
        self._more = asyncio.get_running_loop().create_future()
        return await clock.wait(self._more, seconds)
