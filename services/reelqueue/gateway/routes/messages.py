"""`/v1/messages` and those of one endpoint: what was sent, what came back, and sending it again."""

from __future__ import annotations

from functools import partial
from typing import get_args

from fastapi import APIRouter
from starlette.responses import Response

from reelqueue.domain.outgoing import MessageFilter, MessageState
from reelqueue.domain.subscriptions import PATTERNS, types_named
from reelqueue.errors import NotFound
from reelqueue.gateway import openapi_messages as openapi
from reelqueue.gateway.bodies import JSON, media_type_of, read_json
from reelqueue.gateway.context import ApiRoute, Call, scoped
from reelqueue.gateway.message_documents import attempt_document, message_document, replay_document
from reelqueue.gateway.paging import page
from reelqueue.gateway.preferences import idempotency_key
from reelqueue.gateway.queries import Query
from reelqueue.gateway.responses import json_response
from reelqueue.gateway.schemas.message_requests import ReplayRequest
from reelqueue.gateway.schemas.strict import checked
from reelqueue.kit.ids import is_id

router = APIRouter(route_class=ApiRoute)


@router.get("/v1/webhook-endpoints/{endpoint_id}/messages", **openapi.LIST_MESSAGES)
@scoped("webhooks")
async def list_messages(call: Call, endpoint_id: str) -> Response:
    """Newest first."""
    query = Query(call)
    cursor, limit = query.one("cursor"), query.limit()
    states, patterns = query.words("state", get_args(MessageState)), query.words("type", PATTERNS)
    query.done()
    if not is_id(endpoint_id, "webhook_endpoint"):
        raise NotFound
    rows = call.gateway.services.deliveries
    narrow = MessageFilter(states=states, types=types_named(patterns))
    return await page(
        call,
        lambda before, count: rows.list(call.tenant_id, endpoint_id, narrow, before=before, limit=count),
        message_document,
        of="messages",
        cursor=cursor,
        limit=limit,
        filters={"endpoint": [endpoint_id], "state": sorted(states), "type": sorted(patterns)},
    )


@router.get("/v1/messages/{message_id}", **openapi.GET_MESSAGE)
@scoped("webhooks")
async def get_message(call: Call, message_id: str) -> Response:
    """As it is now."""
    Query(call).done()
    find = partial(call.gateway.services.deliveries.find, call.tenant_id, _known(message_id))
    return json_response(message_document(await call.gateway.threads.quick(find)))


@router.get("/v1/messages/{message_id}/attempts", **openapi.LIST_ATTEMPTS)
@scoped("webhooks")
async def list_attempts(call: Call, message_id: str) -> Response:
    """The first one first."""
    query = Query(call)
    cursor, limit = query.one("cursor"), query.limit()
    query.done()
    _known(message_id)
    rows = call.gateway.services.deliveries
    return await page(
        call,
        lambda last, count: rows.attempts(call.tenant_id, message_id, after=int(last or 0), limit=count),
        attempt_document,
        of="attempts",
        cursor=cursor,
        limit=limit,
        filters={"message": [message_id]},
    )


@router.post("/v1/messages/{message_id}/resend", **openapi.RESEND)
@scoped("webhooks")
async def resend_message(call: Call, message_id: str) -> Response:
    """A message that is pending is tried now, and not twice."""
    resend = partial(call.gateway.services.resends.resend, call.tenant_id, _known(message_id))
    return json_response(message_document(await call.gateway.threads.quick(resend)), status=202)


@router.post("/v1/webhook-endpoints/{endpoint_id}/replay", **openapi.REPLAY)
@scoped("webhooks")
async def replay_messages(call: Call, endpoint_id: str) -> Response:
    """Counts, and unless only that is asked for, sends."""
    key = idempotency_key(call)
    media_type_of(call, JSON)
    wanted = checked(ReplayRequest, await read_json(call))
    if not is_id(endpoint_id, "webhook_endpoint"):
        raise NotFound
    rows, wish = call.gateway.services.replays, wanted.wish()
    if wanted.dry_run:
        count = await call.gateway.threads.slow(partial(rows.count, call.tenant_id, endpoint_id, wish))
        return json_response(replay_document(endpoint_id, wish, count, dry_run=True, queued=0))
    run = partial(rows.run, call.tenant_id, endpoint_id, wish, key=key)
    replay = await call.gateway.threads.slow(run)
    document = replay_document(endpoint_id, wish, replay.count, dry_run=False, queued=replay.queued)
    headers = {"idempotent-replayed": "true"} if replay.replayed else {}
    return json_response(document, status=202, headers=headers)


def _known(message_id: str) -> str:
    if not is_id(message_id, "message"):
        raise NotFound
    return message_id
