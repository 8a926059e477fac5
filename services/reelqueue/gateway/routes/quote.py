"""`/v1/jobs:quote`: what a job would come to."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from reelqueue.gateway import openapi_why
from reelqueue.gateway.bodies import FORM, JSON, media_type_of, read_json
from reelqueue.gateway.context import ApiRoute, Call, scoped
from reelqueue.gateway.forms import received_form
from reelqueue.gateway.responses import json_response
from reelqueue.gateway.routes.jobs import draft_of_form
from reelqueue.gateway.schemas.job_request import JobRequest
from reelqueue.gateway.schemas.strict import checked
from reelqueue.gateway.why_documents import quote_document

router = APIRouter(route_class=ApiRoute)


@router.post("/v1/jobs:quote", **openapi_why.QUOTE)
@scoped("jobs:write")
async def quote_job(call: Call) -> Response:
    """Takes what a submission takes, checks what it checks, and keeps nothing."""
    quote, threads = call.gateway.quoting.quote, call.gateway.threads
    if media_type_of(call, JSON, FORM) == JSON:
        draft = checked(JobRequest, await read_json(call)).draft()
        asked = partial(quote, call.tenant_id, draft)
        found = await (threads.slow(asked) if draft.needs_network else threads.quick(asked))
        return json_response(quote_document(draft, found))
    async with received_form(call) as form:
        draft = await threads.slow(partial(draft_of_form, form.fields))
        try:
            found = await threads.slow(partial(quote, call.tenant_id, draft, files=form.files))
        finally:
            form.discard()
        return json_response(quote_document(draft, found))
