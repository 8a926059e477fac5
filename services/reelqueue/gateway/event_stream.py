"""Server-Sent Events: the lines of a stream, and what every stream of ours does beside telling what is new.

It tells the client when to come back, not all of them at once after a restart; it says something at least every
`sse_ping_s`; and it ends, so that the client comes back and is answered anew, when the process stops, when the client's
key has ended, when what it follows is gone and when the database does not answer. Nothing is lost by an end: what has
an id is read again from the database.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.responses import Response, StreamingResponse

from reelqueue.errors import DependencyUnavailable, NotFound
from reelqueue.gateway.context import Call
from reelqueue.gateway.hub import Watch
from reelqueue.gateway.preferences import EVENT_STREAM

_RETRY_MS: Final = (2_000, 5_000)
PING: Final = b": ping\n\n"

Telling = Callable[[Watch], AsyncIterator[bytes]]
"""What is new, as long as somebody watches."""


def sse_event(kind: str, document: bytes, *, event_id: int | None = None) -> bytes:
    """One event, its document on one line. Without an id, a client's place in the stream does not move."""
    return b"%sevent: %s\ndata: %s\n\n" % (sse_place(event_id), kind.encode(), document)


def sse_place(event_id: int | None) -> bytes:
    """The line that moves a client's place in the stream, alone or with an event."""
    return b"" if event_id is None else b"id: %d\n" % event_id


def retry_line(rng: random.Random) -> bytes:
    """The client's delay before it reconnects."""
    return f"retry: {rng.randint(*_RETRY_MS)}\n\n".encode()


class Pulse:
    """When a stream last said something, by the event loop's clock."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._now = asyncio.get_running_loop().time
        self._spoke_at = self._now()

    def spoke(self) -> None:
        """Something was said just now."""
        self._spoke_at = self._now()

    @property
    def left_s(self) -> float:
        """Seconds until something has to be said; 0 or less: now."""
        return self._spoke_at + self._every_s - self._now()


def stream(call: Call, key: str, scope: str, telling: Telling) -> Response:
    """The answer that goes on telling what changes of the watched `key`, for as long as the scope allows."""
    return StreamingResponse(
        _told(call, key, scope, telling),
        media_type=EVENT_STREAM,
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def _told(call: Call, key: str, scope: str, telling: Telling) -> AsyncIterator[bytes]:
    gateway = call.gateway
    yield retry_line(gateway.services.rng)
    with gateway.hub.watch(key) as watch, gateway.guests.seat(call.principal, scope, watch):
        try:
            async for lines in telling(watch):
                yield lines
        except (NotFound, DependencyUnavailable):
            return
