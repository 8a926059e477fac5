"""`/v1/api-keys`: a tenant's own keys. `admin` is the scope for it."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from reelqueue.domain.api_keys import ApiKey
from reelqueue.errors import NotFound, ScopeMissing
from reelqueue.gateway import openapi_tenancy as openapi
from reelqueue.gateway.actors import actor_of
from reelqueue.gateway.context import ApiRoute, Call, scoped
from reelqueue.gateway.keys import made_key, new_key_request
from reelqueue.gateway.paging import page
from reelqueue.gateway.queries import Query
from reelqueue.gateway.responses import json_response
from reelqueue.gateway.tenancy_documents import api_key_document
from reelqueue.kit.ids import is_id

router = APIRouter(route_class=ApiRoute)


@router.post("/v1/api-keys", **openapi.CREATE_KEY)
@scoped("admin")
async def create_key(call: Call) -> Response:
    """The only answer that holds the key. It can do nothing that the key which asks cannot."""
    wanted = await new_key_request(call)
    missing = set(wanted.scopes) - call.principal.scopes
    if missing:
        raise ScopeMissing("A key cannot give what it has not.", detail={"scope": " ".join(sorted(missing))})
    return await made_key(call, call.tenant_id, wanted)


@router.get("/v1/api-keys", **openapi.LIST_KEYS)
@scoped("admin")
async def list_keys(call: Call) -> Response:
    """Newest first."""
    query = Query(call)
    cursor, limit = query.one("cursor"), query.limit()
    query.done()
    rows = call.gateway.services.api_keys
    return await page(
        call,
        lambda before, count: rows.list(call.tenant_id, before=before, limit=count),
        partial(api_key_document, current=call.principal.key_id),
        of="api-keys",
        cursor=cursor,
        limit=limit,
        filters={},
    )


@router.get("/v1/api-keys/{key_id}", **openapi.GET_KEY)
@scoped("admin")
async def get_key(call: Call, key_id: str) -> Response:
    """Without its text."""
    Query(call).done()
    return _shown(call, await call.gateway.threads.quick(partial(_find, call, key_id)))


@router.delete("/v1/api-keys/{key_id}", **openapi.REVOKE_KEY)
@scoped("admin")
async def revoke_key(call: Call, key_id: str) -> Response:
    """Any key of the tenant; the answer's `current` says whether it was the one that asks."""

    def revoke() -> ApiKey:
        _find(call, key_id)
        call.gateway.services.api_keys.revoke(call.tenant_id, key_id, by=actor_of(call))
        return _find(call, key_id)

    return _shown(call, await call.gateway.threads.quick(revoke))


def _find(call: Call, key_id: str) -> ApiKey:
    if not is_id(key_id, "api_key"):
        raise NotFound
    return call.gateway.services.api_keys.find_of(call.tenant_id, key_id)


def _shown(call: Call, key: ApiKey) -> Response:
    return json_response(api_key_document(key, current=call.principal.key_id))
