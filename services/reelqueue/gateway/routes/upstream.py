"""`/v1/upstream`: whether NemoVideo is up, as far as we know."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from reelqueue.domain.breakers import upstream_document
from reelqueue.gateway.context import ApiRoute, Call, scoped
from reelqueue.gateway.openapi_upstream import GET_UPSTREAM
from reelqueue.gateway.queries import Query
from reelqueue.gateway.responses import json_response

router = APIRouter(route_class=ApiRoute)


@router.get("/v1/upstream", **GET_UPSTREAM)
@scoped("jobs:read")
async def get_upstream(call: Call) -> Response:
    """Reads our own table; NemoVideo is not asked."""
    Query(call).done()
    view = await call.gateway.threads.quick(call.gateway.services.breakers.view)
    return json_response(upstream_document(view.breakers.values()))
