"""`/v1/jobs`: submit, read, list, cancel, retry."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from reelqueue.domain.documents import job_document
from reelqueue.domain.intake import Accepted, JobFilter
from reelqueue.domain.jobs import Status
from reelqueue.errors import NotFound
from reelqueue.gateway import openapi
from reelqueue.gateway.bodies import FORM, JSON, media_type_of, read_json
from reelqueue.gateway.context import ApiRoute, Call, scoped
from reelqueue.gateway.cursors import Filters
from reelqueue.gateway.forms import form_document, received_form
from reelqueue.gateway.paging import page
from reelqueue.gateway.preferences import idempotency_key, wait_seconds
from reelqueue.gateway.queries import Query
from reelqueue.gateway.rates import Shown, rates_of
from reelqueue.gateway.responses import json_response
from reelqueue.gateway.schemas.job_request import JobRequest
from reelqueue.gateway.schemas.other_requests import RetryRequest
from reelqueue.gateway.schemas.strict import checked
from reelqueue.gateway.waiting import until_final
from reelqueue.jobs.drafts import JobDraft
from reelqueue.kit.clock import rfc3339
from reelqueue.kit.ids import is_id

router = APIRouter(route_class=ApiRoute)
POLL_AFTER_S: Final = 5
"""What we ask of clients that poll. Those that wait, stream or take webhooks hear sooner."""


@router.post("/v1/jobs", **openapi.SUBMIT_JOB)
@scoped("jobs:write")
async def submit_job(call: Call) -> Response:
    """202 after files and rows are durable; 200 if `Prefer: wait` saw the job end."""
    key = idempotency_key(call)
    wait = wait_seconds(call, most=call.gateway.services.settings.gateway.max_wait_s)
    if media_type_of(call, JSON, FORM) == JSON:
        accepted = await _submit_json(call, key)
    else:
        accepted = await _submit_form(call, key)
    return await answer_accepted(call, accepted, wait=wait)


async def answer_accepted(call: Call, accepted: Accepted, *, wait: int | None) -> Response:
    """The job that was accepted: 202, or 200 if it ended within the wait."""
    job = accepted.job
    call.scope["state"]["job"] = job.id
    headers = {"location": f"/v1/jobs/{job.id}"}
    if accepted.rate is not None:
        rates_of(call.scope["state"]).append(Shown.of_jobs(accepted.rate))
    if accepted.replayed:
        headers["idempotent-replayed"] = "true"
    else:
        call.gateway.services.metrics.accepted.inc()
    if wait is not None:
        headers["preference-applied"] = f"wait={wait}"
        job = await until_final(call, job, seconds=wait)
        if job.status.is_final:
            return json_response(job_document(job), headers=headers)
    headers["retry-after"] = str(POLL_AFTER_S)
    return json_response(job_document(job), status=202, headers=headers)


async def _submit_json(call: Call, key: str | None) -> Accepted:
    draft = checked(JobRequest, await read_json(call)).draft()
    plain = call.gateway.submission.plain(call.tenant_id, draft, key=key)
    if plain is not None:
        return await call.gateway.accepting.accept(plain)
    submit = partial(call.gateway.submission.submit, call.tenant_id, draft, key=key)
    return await (call.gateway.threads.slow(submit) if draft.needs_network else call.gateway.threads.quick(submit))


async def _submit_form(call: Call, key: str | None) -> Accepted:
    async with received_form(call) as form:
        draft = await call.gateway.threads.slow(partial(draft_of_form, form.fields))
        submit = partial(call.gateway.submission.submit, call.tenant_id, draft, files=form.files, key=key)
        return await call.gateway.threads.slow(submit)


def draft_of_form(fields: Mapping[str, str]) -> JobDraft:
    """The job that a form's text fields ask for. Raises what the checks of a JSON body raise."""
    return checked(JobRequest, form_document(fields)).draft()


@router.get("/v1/jobs", **openapi.LIST_JOBS)
@scoped("jobs:read")
async def list_jobs(call: Call) -> Response:
    """Newest first."""
    query = Query(call)
    cursor, limit = query.one("cursor"), query.limit()
    narrow = JobFilter(
        status=frozenset(Status(word) for word in query.words("status", [status.value for status in Status])),
        project_id=query.label("project"),
        batch_id=query.label("batch"),
        external_id=query.label("external_id"),
        metadata=query.prefixed("metadata"),
        created_after=query.moment("created_after"),
        created_before=query.moment("created_before"),
    )
    query.done()
    rows = call.gateway.services.jobs
    return await page(
        call,
        lambda before, count: rows.list(call.tenant_id, narrow, before=before, limit=count),
        job_document,
        of="jobs",
        cursor=cursor,
        limit=limit,
        filters=_filters(narrow),
    )


def _filters(narrow: JobFilter) -> Filters:
    """What the cursor is bound to."""
    single = {
        "project": narrow.project_id,
        "batch": narrow.batch_id,
        "external_id": narrow.external_id,
        "created_after": None if narrow.created_after is None else rfc3339(narrow.created_after),
        "created_before": None if narrow.created_before is None else rfc3339(narrow.created_before),
        **{f"metadata[{key}]": value for key, value in narrow.metadata.items()},
    }
    return {"status": sorted(narrow.status), **{name: [value] for name, value in single.items() if value is not None}}


@router.get("/v1/jobs/{job_id}", **openapi.GET_JOB)
@scoped("jobs:read")
async def get_job(call: Call, job_id: str) -> Response:
    """As it is now, or with `Prefer: wait` as it is when it has ended or the time is over."""
    Query(call).done()
    if not is_id(job_id, "job"):
        raise NotFound
    job = await call.gateway.threads.quick(partial(call.gateway.services.jobs.find, call.tenant_id, job_id))
    wait = wait_seconds(call, most=call.gateway.services.settings.gateway.max_wait_s)
    if wait is None:
        return json_response(job_document(job))
    job = await until_final(call, job, seconds=wait)
    return json_response(job_document(job), headers={"preference-applied": f"wait={wait}"})


@router.post("/v1/jobs/{job_id}/cancel", **openapi.CANCEL_JOB)
@scoped("jobs:write")
async def cancel_job(call: Call, job_id: str) -> Response:
    """200 for a job that is canceled, 202 for one whose worker was asked to."""
    if not is_id(job_id, "job"):
        raise NotFound
    cancel = partial(call.gateway.services.jobs.request_cancel, call.tenant_id, job_id)
    job = await call.gateway.threads.quick(cancel)
    return json_response(job_document(job), status=200 if job.status.is_final else 202)


@router.post("/v1/jobs/{job_id}/retry", **openapi.RETRY_JOB)
@scoped("jobs:write")
async def retry_job(call: Call, job_id: str) -> Response:
    """A new job that goes on where this one failed or was canceled; answered as `submit_job` answers."""
    if not is_id(job_id, "job"):
        raise NotFound
    key = idempotency_key(call)
    wait = wait_seconds(call, most=call.gateway.services.settings.gateway.max_wait_s)
    asked = checked(RetryRequest, await json_or_nothing(call))
    retry = partial(
        call.gateway.retrying.retry,
        call.tenant_id,
        job_id,
        accept_double_charge=asked.accept_double_charge,
        key=key,
    )
    return await answer_accepted(call, await call.gateway.threads.quick(retry), wait=wait)


async def json_or_nothing(call: Call) -> Any:
    """The JSON value in the body; an empty object where there is no body."""
    if call.headers.get("content-length", "0") == "0" and "transfer-encoding" not in call.headers:
        return {}
    media_type_of(call, JSON)
    return await read_json(call)
