"""`/v1/events`: all that happened to a tenant, by number, as a list or as a stream."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from reelqueue.domain.feed import FeedPage, feed_text, names_of
from reelqueue.domain.subscriptions import PATTERNS
from reelqueue.gateway.context import ApiRoute, Call, scoped
from reelqueue.gateway.event_stream import Telling, stream
from reelqueue.gateway.feed_stream import PAGE, Reader, awaited, feed_events
from reelqueue.gateway.hub import Watch
from reelqueue.gateway.openapi_feed import DEFAULT_LIMIT, LONGEST_WAIT_S, MAX_LIMIT, READ_FEED
from reelqueue.gateway.preferences import last_event_id, wants_event_stream
from reelqueue.gateway.queries import LARGEST_NUMBER, Query
from reelqueue.gateway.responses import json_text

router = APIRouter(route_class=ApiRoute)
LATEST: Final = "latest"
_SCOPE: Final = "webhooks"


@router.get("/v1/events", **READ_FEED)
@scoped(_SCOPE)
async def read_feed(call: Call) -> Response:
    """A page, waited for if there is nothing yet; or by `Accept: text/event-stream` a stream without an end."""
    query = Query(call)
    newest = query.is_word("after", LATEST)
    after = None if newest else query.maybe_number("after", most=LARGEST_NUMBER)
    reader = Reader(call, names_of(query.words("types", PATTERNS)))
    if wants_event_stream(call):
        query.done()
        seen = last_event_id(call, most=LARGEST_NUMBER)
        start = after if seen is None else max(seen, after or 0)
        return await _stream(reader, start, newest=newest and seen is None)
    limit = query.number("limit", default=DEFAULT_LIMIT, least=1, most=MAX_LIMIT)
    wait_s = query.number("wait", default=0, least=0, most=LONGEST_WAIT_S)
    query.done()
    start = await reader.last() if newest else after
    return json_text(_listed(await awaited(reader, start, limit, wait_s=wait_s)))


async def _stream(reader: Reader, after: int | None, *, newest: bool) -> Response:
    async def begin(watch: Watch) -> Telling:
        if newest:
            page = await reader.page(None, 1)
            return feed_events(reader, watch, replace(page, events=(), reached=page.last), after=page.last)
        return feed_events(reader, watch, await reader.page(after, PAGE), after=after)

    return await stream(reader.call, reader.call.tenant_id, _SCOPE, begin)


def _listed(page: FeedPage) -> str:
    """As text: the events are text already."""
    data = ",".join(map(feed_text, page.events))
    more = "false" if page.is_whole else "true"
    return (
        f'{{"object":"list","data":[{data}],"has_more":{more},"next_after":{page.reached},'
        f'"oldest":{page.oldest},"last":{page.last}}}'
    )
