"""`/v1/webhook-endpoints`: where a tenant wants to hear of its jobs."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from reelqueue.domain.custom_headers import checked_headers
from reelqueue.domain.endpoints import Endpoint, OldSecret, known_event_types
from reelqueue.domain.samples import sample_payload
from reelqueue.errors import NotFound, ReelqueueError
from reelqueue.gateway import openapi_webhooks as openapi
from reelqueue.gateway.actors import actor_of
from reelqueue.gateway.bodies import JSON, media_type_of, read_json
from reelqueue.gateway.context import ApiRoute, Call, scoped
from reelqueue.gateway.paging import page
from reelqueue.gateway.queries import Query
from reelqueue.gateway.responses import json_response
from reelqueue.gateway.routes.jobs import json_or_nothing
from reelqueue.gateway.schemas.strict import checked
from reelqueue.gateway.schemas.webhook_requests import EndpointPatch, EndpointRequest, RotateRequest, SampleRequest
from reelqueue.gateway.webhook_documents import endpoint_document, sample_document, secret_document
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
    event_types, options = known_event_types(wanted.event_types), wanted.options()
    checked_headers(options.headers)
    _check_url(call, wanted.url)
    return call.gateway.services.endpoints.create(
        call.tenant_id, url=wanted.url, event_types=event_types, description=wanted.description, options=options
    )


def _check_url(call: Call, url: str) -> None:
    try:
        call.gateway.services.egress.check(url)
    except ReelqueueError as error:
        error.pointer = "/url"
        raise


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
    find = partial(call.gateway.services.endpoints.find, call.tenant_id, _checked_id(endpoint_id))
    return json_response(endpoint_document(await call.gateway.threads.quick(find)))


@router.patch("/v1/webhook-endpoints/{endpoint_id}", **openapi.CHANGE_ENDPOINT)
@scoped("webhooks")
async def change_endpoint(call: Call, endpoint_id: str) -> Response:
    """What is left out stays. A new URL is checked as the first one was."""
    _checked_id(endpoint_id)
    media_type_of(call, JSON)
    changes = checked(EndpointPatch, await read_json(call)).changes()
    return json_response(
        endpoint_document(await call.gateway.threads.slow(partial(_change, call, endpoint_id, changes)))
    )


def _change(call: Call, endpoint_id: str, changes: dict[str, Any]) -> Endpoint:
    rows = call.gateway.services.endpoints
    # Before its URL is looked up: what is asked for another's endpoint takes no longer than for one that never was.
    rows.find(call.tenant_id, endpoint_id)
    checked_headers(changes.get("headers", {}))
    if "url" in changes:
        _check_url(call, changes["url"])
    return rows.change(call.tenant_id, endpoint_id, changes)


@router.delete("/v1/webhook-endpoints/{endpoint_id}", **openapi.DELETE_ENDPOINT)
@scoped("webhooks")
async def delete_endpoint(call: Call, endpoint_id: str) -> Response:
    """What has not been delivered to it is dropped."""
    delete = partial(call.gateway.services.endpoints.delete, call.tenant_id, _checked_id(endpoint_id))
    await call.gateway.threads.quick(delete)
    return Response(status_code=204)


@router.post("/v1/webhook-endpoints/{endpoint_id}/rotate-secret", **openapi.ROTATE_ENDPOINT_SECRET)
@scoped("webhooks")
async def rotate_endpoint_secret(call: Call, endpoint_id: str) -> Response:
    """The old secret goes on signing. An answer that was lost costs nothing: ask again."""
    _checked_id(endpoint_id)
    asked = checked(RotateRequest, await json_or_nothing(call))
    services = call.gateway.services

    def rotate() -> tuple[Endpoint, str]:
        secret = services.webhook_secrets.rotate(
            call.tenant_id, endpoint_id, keep_old_s=asked.keep_old_s, by=actor_of(call)
        )
        return services.endpoints.find(call.tenant_id, endpoint_id), secret

    endpoint, secret = await call.gateway.threads.quick(rotate)
    return json_response({**endpoint_document(endpoint), "secret": secret})


@router.post("/v1/webhook-endpoints/{endpoint_id}/test", **openapi.SEND_SAMPLE)
@scoped("webhooks")
async def send_sample(call: Call, endpoint_id: str) -> Response:
    """A sample of an event, signed and tried like any other."""
    _checked_id(endpoint_id)
    media_type_of(call, JSON)
    kind = checked(SampleRequest, await read_json(call)).type
    services = call.gateway.services
    payload = sample_payload(kind, at=services.clock.now())
    send = partial(services.samples.send, call.tenant_id, endpoint_id, kind=kind, payload=payload)
    document = sample_document(endpoint_id, kind, await call.gateway.threads.quick(send))
    return json_response(document, status=202, headers={"location": document["links"]["message"]})


@router.get("/v1/webhook-secret", **openapi.GET_SECRET)
@scoped("webhooks")
async def get_secret(call: Call) -> Response:
    """Which of those that were replaced sign yet."""
    Query(call).done()
    read = partial(call.gateway.services.webhook_secrets.old_defaults, call.tenant_id)
    return json_response(secret_document(await call.gateway.threads.quick(read)))


@router.post("/v1/webhook-secret/rotate", **openapi.ROTATE_SECRET)
@scoped("webhooks")
async def rotate_secret(call: Call) -> Response:
    """The secret for jobs' own URLs. The old one goes on signing."""
    asked = checked(RotateRequest, await json_or_nothing(call))
    secrets = call.gateway.services.webhook_secrets

    def rotate() -> tuple[tuple[OldSecret, ...], str]:
        secret = secrets.rotate_default(call.tenant_id, keep_old_s=asked.keep_old_s, by=actor_of(call))
        return secrets.old_defaults(call.tenant_id), secret

    old, secret = await call.gateway.threads.quick(rotate)
    return json_response({**secret_document(old), "secret": secret})


def _checked_id(endpoint_id: str) -> str:
    if not is_id(endpoint_id, "webhook_endpoint"):
        raise NotFound
    return endpoint_id
