"""`/v1/jobs/{id}/result`: the finished video; `/v1/jobs/{id}/outputs/{n}/result`: one of several."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from reelqueue.domain.jobs import Job
from reelqueue.domain.outputs import Result
from reelqueue.errors import NotFound, ResultGone, StateConflict
from reelqueue.files.blobs import BlobMissing
from reelqueue.gateway import openapi
from reelqueue.gateway.context import ApiRoute, Call, scoped
from reelqueue.gateway.queries import Query
from reelqueue.gateway.ranges import ByteRange, attachment, is_known, requested_range
from reelqueue.gateway.threads import Threads
from reelqueue.kit.ids import is_id

router = APIRouter(route_class=ApiRoute)


@router.get("/v1/jobs/{job_id}/result", **openapi.GET_RESULT)
@router.head("/v1/jobs/{job_id}/result", include_in_schema=False)
@scoped("jobs:read")
async def get_result(call: Call, job_id: str) -> Response:
    """The file, or the part of it that `Range` asks for."""
    job = await _job(call, job_id)
    late = job.recovered
    return await _send(call, _there(job, job.result, None if late is None else late.result), f"{job_id}.mp4")


@router.get("/v1/jobs/{job_id}/outputs/{number}/result", **openapi.GET_OUTPUT_RESULT)
@router.head("/v1/jobs/{job_id}/outputs/{number}/result", include_in_schema=False)
@scoped("jobs:read")
async def get_output_result(call: Call, job_id: str, number: str) -> Response:
    """The same for the output of that number, counted from 1."""
    job = await _job(call, job_id)
    known = {str(index + 1): index for index in range(len(job.outputs))}
    if number not in known:
        raise NotFound
    index, late = known[number], job.recovered
    result = _there(job, job.export(index).result, None if late is None else late.file(index))
    return await _send(call, result, f"{job_id}-{number}.mp4")


async def _job(call: Call, job_id: str) -> Job:
    Query(call).done()
    if not is_id(job_id, "job"):
        raise NotFound
    find = partial(call.gateway.services.jobs.find, call.tenant_id, job_id)
    return await call.gateway.threads.quick(find)


async def _send(call: Call, result: Result, name: str) -> Response:
    services, threads = call.gateway.services, call.gateway.threads
    etag = f'"{result.sha256}"'
    headers = {
        "etag": etag,
        "accept-ranges": "bytes",
        "cache-control": "private, no-cache",
        "content-disposition": attachment(name),
    }
    if is_known(call.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    part = requested_range(call.headers.get("range"), call.headers.get("if-range"), size=result.bytes, etag=etag)
    span = part or ByteRange(0, result.bytes)
    headers["content-length"] = str(span.end - span.start)
    if part is not None:
        headers["content-range"] = part.content_range(result.bytes)
    status = 200 if part is None else 206
    try:
        if call.method == "HEAD":
            if not await threads.slow(partial(services.blobs.exists, result.blob_key)):
                raise ResultGone
            return Response(status_code=status, headers=headers, media_type="video/mp4")
        chunks = await threads.slow(partial(services.blobs.open_range, result.blob_key, span.start, span.end))
    except BlobMissing as error:
        raise ResultGone from error
    return StreamingResponse(_read(threads, chunks), status_code=status, headers=headers, media_type="video/mp4")


def _there(job: Job, result: Result | None, late: Result | None) -> Result:
    """The result, or what arrived after the job had ended.

    Raises `StateConflict` while there is none, and where there will be none; `ResultGone` when the time of one that
    arrived is over, whether or not its file was removed yet.
    """
    if result is None and late is not None and job.recovered is not None:
        if job.recovered.gone:
            raise ResultGone
        return late
    if result is None:
        raise StateConflict(f"The job has no result: it is {job.status}.", detail={"job_status": job.status.value})
    return result


async def _read(threads: Threads, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks, each read in a thread. Whatever happens the file is closed, but never while a thread reads it."""
    reading = threads.start_slow(partial(next, chunks, None))
    try:
        while (chunk := await asyncio.wrap_future(reading)) is not None:
            yield chunk
            reading = threads.start_slow(partial(next, chunks, None))
    finally:
        reading.add_done_callback(lambda _: _close(chunks))


def _close(chunks: Iterator[bytes]) -> None:
    close = getattr(chunks, "close", None)
    if close is not None:
        close()
