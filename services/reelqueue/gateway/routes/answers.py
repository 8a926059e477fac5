"""`/v1/jobs/{id}/answer`: what the owner says to the agent's question."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from reelqueue.domain.documents import job_document
from reelqueue.errors import NotFound
from reelqueue.gateway import openapi
from reelqueue.gateway.bodies import JSON, media_type_of, read_json
from reelqueue.gateway.context import ApiRoute, Call, scoped
from reelqueue.gateway.responses import json_response
from reelqueue.gateway.schemas.job_request import AnswerRequest
from reelqueue.gateway.schemas.strict import checked
from reelqueue.kit.ids import is_id

router = APIRouter(route_class=ApiRoute)


@router.post("/v1/jobs/{job_id}/answer", **openapi.ANSWER_JOB)
@scoped("jobs:write")
async def answer_job(call: Call, job_id: str) -> Response:
    """202 when the answer is committed. It is a turn of its own, and may cost credits."""
    media_type_of(call, JSON)
    answer = checked(AnswerRequest, await read_json(call))
    if not is_id(job_id, "job"):
        raise NotFound
    rows = call.gateway.services.answers
    give = partial(rows.give, call.tenant_id, job_id, answer.text, asked_at=answer.asked_at)
    return json_response(job_document(await call.gateway.threads.quick(give)), status=202)
