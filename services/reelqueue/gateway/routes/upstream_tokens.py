"""`/v1/upstream-tokens`: NemoVideo tokens of a tenant's own. What comes in as a secret never goes out again."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from reelqueue.domain.token_documents import token_document
from reelqueue.domain.tokens import Block, BlockedBy, TokenInUse, TokenWish
from reelqueue.errors import NotFound
from reelqueue.gateway import openapi_tokens as openapi
from reelqueue.gateway.bodies import JSON, media_type_of, read_json
from reelqueue.gateway.context import ApiRoute, Call, scoped
from reelqueue.gateway.paging import page
from reelqueue.gateway.queries import Query
from reelqueue.gateway.responses import json_response
from reelqueue.gateway.schemas.strict import checked
from reelqueue.gateway.schemas.token_requests import UpstreamTokenPatch, UpstreamTokenRequest
from reelqueue.jobs.token_keeping import TokenKeeping
from reelqueue.kit.ids import is_id

router = APIRouter(route_class=ApiRoute)


@router.post("/v1/upstream-tokens", **openapi.ADD_TOKEN)
@scoped("tokens")
async def add_token(call: Call) -> Response:
    """Tried with one call before it is kept."""
    media_type_of(call, JSON)
    wanted = checked(UpstreamTokenRequest, await read_json(call))
    keep = partial(_keeping(call).add, call.tenant_id, wanted.token, _wish(wanted))
    known, is_new = await call.gateway.threads.slow(keep)
    headers = {"location": f"/v1/upstream-tokens/{known.token.id}"}
    return json_response(_document(call, known), status=201 if is_new else 200, headers=headers)


@router.get("/v1/upstream-tokens", **openapi.LIST_TOKENS)
@scoped("tokens")
async def list_tokens(call: Call) -> Response:
    """Newest first."""
    query = Query(call)
    cursor, limit = query.one("cursor"), query.limit()
    query.done()
    return await page(
        call,
        lambda before, count: _keeping(call).list(call.tenant_id, before=before, limit=count),
        partial(_document, call),
        of="upstream-tokens",
        cursor=cursor,
        limit=limit,
        filters={},
    )


@router.get("/v1/upstream-tokens/{token_id}", **openapi.GET_TOKEN)
@scoped("tokens")
async def get_token(call: Call, token_id: str) -> Response:
    """Its balance as last read."""
    Query(call).done()
    find = partial(_keeping(call).find, call.tenant_id, _checked_id(token_id))
    return json_response(_document(call, await call.gateway.threads.quick(find)))


@router.patch("/v1/upstream-tokens/{token_id}", **openapi.CHANGE_TOKEN)
@scoped("tokens")
async def change_token(call: Call, token_id: str) -> Response:
    """A fresh secret is tried with one call before it takes the old one's place."""
    _checked_id(token_id)
    media_type_of(call, JSON)
    wanted = checked(UpstreamTokenPatch, await read_json(call))
    change = partial(_keeping(call).change, call.tenant_id, token_id, _wish(wanted), wanted.token)
    return json_response(_document(call, await call.gateway.threads.slow(change)))


@router.delete("/v1/upstream-tokens/{token_id}", **openapi.REMOVE_TOKEN)
@scoped("tokens")
async def remove_token(call: Call, token_id: str) -> Response:
    """Projects that are bound to it go on."""
    await call.gateway.threads.quick(partial(_keeping(call).remove, call.tenant_id, _checked_id(token_id)))
    return Response(status_code=204)


def _keeping(call: Call) -> TokenKeeping:
    return call.gateway.services.token_keeping


def _checked_id(token_id: str) -> str:
    if not is_id(token_id, "upstream_token"):
        raise NotFound
    return token_id


def _wish(wanted: UpstreamTokenRequest | UpstreamTokenPatch) -> TokenWish:
    limits = wanted.model_dump(exclude={"token", "scopes", "state", "why"})
    scopes = None if wanted.scopes is None else tuple(dict.fromkeys(wanted.scopes))
    block = None
    if isinstance(wanted, UpstreamTokenPatch) and wanted.state is not None:
        block = Block(on=wanted.state == "blocked", by=BlockedBy.TENANT, why=wanted.why)
    return TokenWish(**limits, scopes=scopes, block=block)


def _document(call: Call, known: TokenInUse) -> dict[str, object]:
    return token_document(known, call.gateway.services.clock.now())
