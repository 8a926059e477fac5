"""`/v1/jobs/{id}/why`: what a job waits for."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from reelqueue.errors import NotFound
from reelqueue.gateway import openapi_why
from reelqueue.gateway.context import ApiRoute, Call, scoped
from reelqueue.gateway.queries import Query
from reelqueue.gateway.responses import json_response
from reelqueue.gateway.why_documents import why_document
from reelqueue.kit.ids import is_id

router = APIRouter(route_class=ApiRoute)


@router.get("/v1/jobs/{job_id}/why", **openapi_why.WHY)
@scoped("jobs:read")
async def get_why(call: Call, job_id: str) -> Response:
    """As of one moment."""
    Query(call).done()
    if not is_id(job_id, "job"):
        raise NotFound
    read = partial(call.gateway.services.why.read, call.tenant_id, job_id)
    return json_response(why_document(await call.gateway.threads.quick(read)))
