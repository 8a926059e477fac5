"""`/v1/jobs/{id}/events`: what happened, as a list or as a stream."""

from __future__ import annotations

from functools import partial
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from reelqueue.domain.documents import event_document
from reelqueue.errors import NotFound
from reelqueue.gateway import openapi
from reelqueue.gateway.context import ApiRoute, Call, scoped
from reelqueue.gateway.event_stream import Telling, stream
from reelqueue.gateway.hub import Watch
from reelqueue.gateway.job_stream import Follower, job_events
from reelqueue.gateway.preferences import last_event_id, wants_event_stream
from reelqueue.gateway.queries import Query
from reelqueue.gateway.responses import json_response
from reelqueue.kit.ids import is_id

router = APIRouter(route_class=ApiRoute)
_LARGEST_SEQ: Final = 999_999_999
_SCOPE: Final = "jobs:read"


@router.get("/v1/jobs/{job_id}/events", **openapi.JOB_EVENTS)
@scoped(_SCOPE)
async def get_events(call: Call, job_id: str) -> Response:
    """A list; or by `Accept: text/event-stream` a stream that goes on after `Last-Event-ID`."""
    query = Query(call)
    after = query.number("after", default=0, least=0, most=_LARGEST_SEQ)
    if wants_event_stream(call):
        query.done()
        return await _stream(call, _known(job_id), after=max(after, last_event_id(call, most=_LARGEST_SEQ) or 0))
    limit = query.limit()
    query.done()
    read = partial(call.gateway.services.events.news, call.tenant_id, _known(job_id), after, limit + 1)
    found = (await call.gateway.threads.quick(read)).events
    data = [event_document(event) for event in found[:limit]]
    return json_response({"object": "list", "data": data, "has_more": len(found) > limit})


def _known(job_id: str) -> str:
    if not is_id(job_id, "job"):
        raise NotFound
    return job_id


async def _stream(call: Call, job_id: str, *, after: int) -> Response:
    async def begin(watch: Watch) -> Telling | None:
        follower = Follower(call.gateway, call.tenant_id, job_id, watch)
        news = await follower.news(after)
        told = news.job.status.is_final and after >= news.job.event_seq
        return None if told else job_events(follower, news, after=after)

    return await stream(call, job_id, _SCOPE, begin)
