"""Server-Sent Events: the lines of a stream, and what every stream of ours does beside telling what is new.

It tells the client when to come back, not all of them at once after a restart; it says something at least every
`sse_ping_s`; and it ends, so that the client comes back and is answered anew, when the process stops, when the client's
key has ended, when what it follows is gone and when the database does not answer. Nothing is lost by an end: what has
an id is read again from the database.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from typing import Final

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from reelqueue.errors import DependencyUnavailable, NotFound
from reelqueue.gateway.context import Call
from reelqueue.gateway.hub import Watch
from reelqueue.gateway.preferences import EVENT_STREAM

_RETRY_MS: Final = (2_000, 5_000)
PING: Final = b": ping\n\n"

Telling = AsyncIterator[bytes]
"""What is new, as long as somebody watches. Its first words are there at once, if only that there are none yet."""
Beginning = Callable[[Watch], Awaitable[Telling | None]]
"""The first look, made while the watch is on already; `None`: there is nothing left to tell."""


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


async def stream(call: Call, key: str, scope: str, begin: Beginning) -> Response:
    """The answer that goes on telling what changes of the watched `key`, for as long as the scope allows.

    It is watched before it is first looked at, so that one look is enough: for the answer's head, where there is no
    other way left to say that something is not there, and for its first words. What is told already gets a 204, which
    is how an EventSource is told not to come back. Raises what `begin` raises.
    """
    with ExitStack() as until_then:
        watch = until_then.enter_context(call.gateway.hub.watch(key))
        until_then.enter_context(call.gateway.guests.seat(call.principal, scope, watch))
        telling = await begin(watch)
        if telling is None:
            return Response(status_code=204)
        watching = until_then.pop_all()
        return _Stream(_told(retry_line(call.gateway.services.rng), telling, watching), watching)


class _Stream(StreamingResponse):
    """Ends the watch of one whose client left before the first word; else its telling has ended it."""

    def __init__(self, told: AsyncIterator[bytes], watching: ExitStack) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(told, media_type=EVENT_STREAM, headers=headers)
        self._watching = watching

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        with self._watching:
            await super().__call__(scope, receive, send)


async def _told(head: bytes, telling: Telling, watching: ExitStack) -> AsyncIterator[bytes]:
    with watching:
        try:
            async for lines in telling:
                yield head + lines
                head = b""
        except (NotFound, DependencyUnavailable):
            return
    if head:
        yield head
