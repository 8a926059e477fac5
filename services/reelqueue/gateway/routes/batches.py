"""`/v1/batches`: many jobs, accepted all or none."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from reelqueue.domain.batches import batch_document
from reelqueue.errors import NotFound
from reelqueue.gateway import openapi_projects as openapi
from reelqueue.gateway.bodies import JSON, Body, media_type_of
from reelqueue.gateway.context import ApiRoute, Call, scoped
from reelqueue.gateway.errors import RequestInvalid, Violation
from reelqueue.gateway.paging import page
from reelqueue.gateway.preferences import idempotency_key
from reelqueue.gateway.queries import Query
from reelqueue.gateway.responses import json_response
from reelqueue.gateway.schemas.batch_request import MOST_JOBS, BatchRequest, from_lines
from reelqueue.gateway.schemas.strict import checked
from reelqueue.gateway.strict_json import parse_json, parse_json_text
from reelqueue.kit.ids import is_id

router = APIRouter(route_class=ApiRoute)
LINES: Final = "application/jsonl"
OLD_LINES: Final = "application/x-ndjson"
"""Two names of JSON Lines; neither is registered."""


@router.post("/v1/batches", **openapi.CREATE_BATCH)
@scoped("jobs:write")
async def create_batch(call: Call) -> Response:
    """202 when every job is committed. Nothing is if one of them is refused."""
    key = idempotency_key(call)
    as_json = media_type_of(call, JSON, LINES, OLD_LINES) == JSON
    limits = call.gateway.services.settings.gateway
    data = await Body(call, limit=limits.batch_body_bytes, max_s=limits.max_body_s).whole()
    threads = call.gateway.threads
    request, drafts = await threads.slow(partial(_read, data, as_json=as_json))
    submit = partial(call.gateway.batching.submit, call.tenant_id, request.batch(), drafts, key=key)
    batch, replayed = await threads.slow(submit)
    headers = {"location": f"/v1/batches/{batch.id}"}
    if replayed:
        headers["idempotent-replayed"] = "true"
    else:
        call.gateway.services.metrics.accepted.inc(batch.jobs)
    return json_response(batch_document(batch), status=202, headers=headers)


def _read(data: bytes, *, as_json: bool) -> tuple[BatchRequest, Any]:
    request = checked(BatchRequest, parse_json(data) if as_json else from_lines(_lines(data)))
    return request, request.drafts()


def _lines(data: bytes) -> list[Any]:
    """One value a line; empty lines are none. A line that is no JSON is told by its number, from 0."""
    lines = [line for line in data.split(b"\n") if line.strip()]
    if len(lines) > MOST_JOBS + 1:
        message = f"This takes at most {MOST_JOBS} jobs."
        raise RequestInvalid(Violation(code="field_invalid", message=message, pointer="/jobs"))
    return [_value(place, line) for place, line in enumerate(lines)]


def _value(place: int, line: bytes) -> Any:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return parse_json(line)
    return parse_json_text(text, at=f"/{place}")


@router.get("/v1/batches", **openapi.LIST_BATCHES)
@scoped("jobs:read")
async def list_batches(call: Call) -> Response:
    """Newest first."""
    query = Query(call)
    cursor, limit = query.one("cursor"), query.limit()
    query.done()
    rows = call.gateway.services.batches
    return await page(
        call,
        lambda before, count: rows.list(call.tenant_id, before=before, limit=count),
        batch_document,
        of="batches",
        cursor=cursor,
        limit=limit,
        filters={},
    )


@router.get("/v1/batches/{batch_id}", **openapi.GET_BATCH)
@scoped("jobs:read")
async def get_batch(call: Call, batch_id: str) -> Response:
    """How far its jobs are."""
    Query(call).done()
    find = partial(call.gateway.services.batches.find, call.tenant_id, _known(batch_id))
    return json_response(batch_document(await call.gateway.threads.quick(find)))


@router.post("/v1/batches/{batch_id}/cancel", **openapi.CANCEL_BATCH)
@scoped("jobs:write")
async def cancel_batch(call: Call, batch_id: str) -> Response:
    """200 for a batch that is over, 202 while workers still carry out cancels."""
    cancel = partial(call.gateway.batching.cancel, call.tenant_id, _known(batch_id))
    batch = await call.gateway.threads.slow(cancel)
    return json_response(batch_document(batch), status=202 if batch.finished_at is None else 200)


def _known(batch_id: str) -> str:
    if not is_id(batch_id, "batch"):
        raise NotFound
    return batch_id
