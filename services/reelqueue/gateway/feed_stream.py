"""A tenant's feed as it grows, and one page of it for whoever would rather ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from reelqueue.domain.feed import FeedPage, feed_text
from reelqueue.errors import FeedPositionExpired
from reelqueue.gateway.context import Call
from reelqueue.gateway.event_stream import PING, Pulse, sse_event, sse_place
from reelqueue.gateway.hub import LOOK_AGAIN_S, Watch

PAGE: Final = 200
"""Events that a stream reads at once."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the feed of the caller's tenant, only the types that it asked for; `None` are all."""

    call: Call
    types: frozenset[str] | None

    async def page(self, after: int | None, limit: int) -> FeedPage:
        """What follows `after`; `None` is the oldest that is kept. Raises `FeedPositionExpired`."""
        feed = self.call.gateway.services.feed
        read = partial(feed.after, self.call.tenant_id, after, types=self.types, limit=limit)
        page = await self.call.gateway.threads.quick(read)
        if after is not None and page.lost(after):
            raise FeedPositionExpired(detail={"oldest": page.oldest})
        return page

    async def last(self) -> int:
        """The newest number that was given."""
        feed = self.call.gateway.services.feed
        return (await self.call.gateway.threads.quick(partial(feed.after, self.call.tenant_id, None, limit=1))).last


async def awaited(reader: Reader, after: int | None, limit: int, *, wait_s: float) -> FeedPage:
    """The page, as soon as there is something on it; or as it is when the time is over or the process stops.

    Without a wait it is one look: a page may then be empty though there is more, since a look is bounded.
    """
    call, loop = reader.call, asyncio.get_running_loop()
    ends_at = loop.time() + wait_s
    with call.gateway.hub.watch(call.tenant_id) as watch:
        page = await reader.page(after, limit)
        while not page.events:
            left = ends_at - loop.time()
            if left <= 0 or watch.closing or await call.is_disconnected():
                break
            if page.is_whole and not await watch.changed(min(left, LOOK_AGAIN_S)):
                continue
            page = await reader.page(page.reached, limit)
    return page


async def feed_events(
    reader: Reader, watch: Watch, read: FeedPage | None, *, after: int | None
) -> AsyncIterator[bytes]:
    """Every event after `after`, by its number, for as long as somebody watches; `read` follows it, read since then.

    A ping moves the place of a reader of some types over the others, so that it does not grow old while nothing of
    theirs happens. Ends when the watch is closing, or when events went before they were read: whoever comes back is
    told. Raises `DependencyUnavailable`.
    """
    pulse = Pulse(reader.call.gateway.services.settings.gateway.sse_ping_s)
    place = after
    while not watch.closing:
        try:
            page = read or await reader.page(after, PAGE)
        except FeedPositionExpired:
            return
        watch.saw(str(page.last))
        if page.events or read is not None:
            yield b"".join(sse_event(one.type, feed_text(one).encode(), event_id=one.seq) for one in page.events)
            pulse.spoke()
        place, after, read = page.events[-1].seq if page.events else place, page.reached, None
        while page.is_whole and not watch.closing:
            news = await watch.changed(pulse.left_s)
            if pulse.left_s <= 0:
                yield (sse_place(after) if after != place else b"") + PING
                place = after
                pulse.spoke()
            if news:
                break
