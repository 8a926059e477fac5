"""`/v1/credits`: what a tenant has to spend, and what it has spent."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from reelqueue.gateway import openapi
from reelqueue.gateway.context import ApiRoute, Call, scoped
from reelqueue.gateway.documents import credits_document
from reelqueue.gateway.queries import Query
from reelqueue.gateway.responses import json_response

router = APIRouter(route_class=ApiRoute)


@router.get("/v1/credits", **openapi.GET_CREDITS)
@scoped("usage")
async def get_credits(call: Call) -> Response:
    """Asks NemoVideo for the balance of the tenant's own token."""
    Query(call).done()
    read = partial(call.gateway.services.credits.read, call.tenant_id)
    return json_response(credits_document(await call.gateway.threads.slow(read)))
