"""`/v1/assets`: input files, kept for any number of jobs."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from reelqueue.errors import NotFound
from reelqueue.gateway import openapi
from reelqueue.gateway.bodies import FORM, JSON, media_type_of, read_json
from reelqueue.gateway.context import ApiRoute, Call, scoped
from reelqueue.gateway.documents import asset_document
from reelqueue.gateway.errors import RequestInvalid, Violation
from reelqueue.gateway.forms import received_form
from reelqueue.gateway.paging import page
from reelqueue.gateway.queries import Query
from reelqueue.gateway.responses import json_response, list_document
from reelqueue.gateway.schemas.other_requests import AssetRequest
from reelqueue.gateway.schemas.strict import checked
from reelqueue.gateway.strict_json import pointer_to
from reelqueue.kit.ids import is_id

router = APIRouter(route_class=ApiRoute)


@router.post("/v1/assets", **openapi.CREATE_ASSET)
@scoped("jobs:write")
async def create_asset(call: Call) -> Response:
    """From a URL: the asset. From a form: a list, in the form's order."""
    keeping, threads = call.gateway.asset_keeping, call.gateway.threads
    if media_type_of(call, JSON, FORM) == JSON:
        url = checked(AssetRequest, await read_json(call)).url
        asset = await threads.slow(partial(keeping.fetch, call.tenant_id, url))
        return json_response(asset_document(asset), status=201, headers={"location": f"/v1/assets/{asset.id}"})
    async with received_form(call) as form:
        unknown = [
            Violation(code="field_unknown", message="There is no such field.", pointer=pointer_to(name))
            for name in form.fields
        ]
        if unknown:
            raise RequestInvalid(*unknown)
        if not form.files:
            raise RequestInvalid(Violation(code="field_missing", message="Send at least one file.", pointer="/files"))
        assets = await threads.slow(partial(keeping.keep, call.tenant_id, form.files))
    return json_response(list_document([asset_document(asset) for asset in assets], next_cursor=None), status=201)


@router.get("/v1/assets", **openapi.LIST_ASSETS)
@scoped("jobs:read")
async def list_assets(call: Call) -> Response:
    """Newest first."""
    query = Query(call)
    cursor, limit = query.one("cursor"), query.limit()
    query.done()
    rows = call.gateway.services.assets
    return await page(
        call,
        lambda before, count: rows.list(call.tenant_id, before=before, limit=count),
        asset_document,
        of="assets",
        cursor=cursor,
        limit=limit,
        filters={},
    )


@router.get("/v1/assets/{asset_id}", **openapi.GET_ASSET)
@scoped("jobs:read")
async def get_asset(call: Call, asset_id: str) -> Response:
    """What is known of the file."""
    Query(call).done()
    if not is_id(asset_id, "asset"):
        raise NotFound
    find = partial(call.gateway.services.assets.find, call.tenant_id, asset_id)
    return json_response(asset_document(await call.gateway.threads.quick(find)))


@router.delete("/v1/assets/{asset_id}", **openapi.DELETE_ASSET)
@scoped("jobs:write")
async def delete_asset(call: Call, asset_id: str) -> Response:
    """Forget it, and its bytes if no other asset has the same."""
    if not is_id(asset_id, "asset"):
        raise NotFound
    await call.gateway.threads.slow(partial(call.gateway.asset_keeping.delete, call.tenant_id, asset_id))
    return Response(status_code=204)
