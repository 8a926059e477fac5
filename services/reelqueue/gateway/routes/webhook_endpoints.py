"""`/v1/webhook-endpoints`: where a tenant wants to hear of its jobs."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from reelqueue.domain.endpoints import Endpoint, known_event_types
from reelqueue.errors import NotFound, ReelqueueError
from reelqueue.gateway import openapi
from reelqueue.gateway.bodies import JSON, media_type_of, read_json
from reelqueue.gateway.context import ApiRoute, Call, scoped
from reelqueue.gateway.documents import endpoint_document
from reelqueue.gateway.paging import page
from reelqueue.gateway.queries import Query
from reelqueue.gateway.responses import json_response
from reelqueue.gateway.schemas.other_requests import EndpointRequest
from reelqueue.gateway.schemas.strict import checked
from reelqueue.kit.ids import is_id

router = APIRouter(route_class=ApiRoute)


@router.post("/v1/webhook-endpoints", **openapi.CREATE_ENDPOINT)
@scoped("webhooks")
async def create_endpoint(call: Call) -> Response:
    """The only answer that holds the secret."""
    media_type_of(call, JSON)
    wanted = checked(EndpointRequest, await read_json(call))
    endpoint, secret = await call.gateway.threads.slow(partial(_create, call, wanted))
    headers = {"location": f"/v1/webhook-endpoints/{endpoint.id}"}
    return json_response({**endpoint_document(endpoint), "secret": secret}, status=201, headers=headers)


def _create(call: Call, wanted: EndpointRequest) -> tuple[Endpoint, str]:
    event_types = known_event_types(wanted.event_types)
    try:
        call.gateway.services.egress.check(wanted.url)
    except ReelqueueError as error:
        error.pointer = "/url"
        raise
    return call.gateway.services.endpoints.create(
        call.tenant_id, url=wanted.url, event_types=event_types, description=wanted.description
    )


@router.get("/v1/webhook-endpoints", **openapi.LIST_ENDPOINTS)
@scoped("webhooks")
async def list_endpoints(call: Call) -> Response:
    """Newest first."""
    query = Query(call)
    cursor, limit = query.one("cursor"), query.limit()
    query.done()
    rows = call.gateway.services.endpoints
    return await page(
        call,
        lambda before, count: rows.list(call.tenant_id, before=before, limit=count),
        endpoint_document,
        of="webhook-endpoints",
        cursor=cursor,
        limit=limit,
        filters={},
    )


@router.get("/v1/webhook-endpoints/{endpoint_id}", **openapi.GET_ENDPOINT)
@scoped("webhooks")
async def get_endpoint(call: Call, endpoint_id: str) -> Response:
    """Without its secret."""
    Query(call).done()
    if not is_id(endpoint_id, "webhook_endpoint"):
        raise NotFound
    find = partial(call.gateway.services.endpoints.find, call.tenant_id, endpoint_id)
    return json_response(endpoint_document(await call.gateway.threads.quick(find)))


@router.delete("/v1/webhook-endpoints/{endpoint_id}", **openapi.DELETE_ENDPOINT)
@scoped("webhooks")
async def delete_endpoint(call: Call, endpoint_id: str) -> Response:
    """What has not been delivered to it is dropped."""
    if not is_id(endpoint_id, "webhook_endpoint"):
        raise NotFound
    await call.gateway.threads.quick(partial(call.gateway.services.endpoints.delete, call.tenant_id, endpoint_id))
    return Response(status_code=204)
