"""The OpenAPI document: what FastAPI knows of the routes, and beside it what they read and answer by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from reelqueue.domain.jobs import Status
from reelqueue.gateway.context import scope_of
from reelqueue.gateway.openapi_events import webhooks
from reelqueue.gateway.operator_routes import OperatorRoute
from reelqueue.gateway.problems import MEDIA_TYPE
from reelqueue.gateway.queries import DEFAULT_LIMIT, MAX_LIMIT
from reelqueue.gateway.schemas.batch_request import BatchRequest
from reelqueue.gateway.schemas.event_documents import EVENT_DOCUMENTS
from reelqueue.gateway.schemas.job_request import AnswerRequest, JobRequest
from reelqueue.gateway.schemas.message_requests import ReplayRequest
from reelqueue.gateway.schemas.other_requests import AssetRequest, RetryRequest
from reelqueue.gateway.schemas.project_requests import ExportRequest, MessageRequest, ProjectRequest
from reelqueue.gateway.schemas.shown import SHOWN
from reelqueue.gateway.schemas.tenancy_documents import TENANCY_SHOWN
from reelqueue.gateway.schemas.tenancy_requests import (
    ApiKeyRequest,
    EraseRequest,
    QuotasPatch,
    TenantPatch,
    TenantRequest,
)
from reelqueue.gateway.schemas.token_requests import UpstreamTokenPatch, UpstreamTokenRequest
from reelqueue.gateway.schemas.webhook_requests import EndpointPatch, EndpointRequest, RotateRequest, SampleRequest

_REF: Final = "#/components/schemas/"
_TEXT: Final = {"type": "string"}
_MOMENT: Final = {"type": "string", "format": "date-time"}
_DESCRIPTIONS: Final = {
    200: "Done.",
    400: "The request cannot be read: malformed JSON or form, a member twice, a bad cursor or key.",
    401: "No valid API key.",
    402: "A budget of yours has run out; `level` says which.",
    403: "The key lacks the scope, or its tenant is suspended.",
    404: "No such thing for this tenant.",
    408: "The body came too slowly.",
    409: "Not possible in this state.",
    410: "The file or the place in the feed is no longer kept.",
    413: "A body, field or file is too large.",
    414: "The URL is too long.",
    415: "Media type, encoding or file type not supported.",
    416: "The range lies outside the file.",
    422: "Well formed, but a value is not acceptable; `errors` says where.",
    429: "A quota is used up, or the key's rate; `quota` says which.",
    431: "The headers are too large.",
    500: "A bug of ours.",
    502: "NemoVideo refused or broke.",
    503: "Something we need is down; nothing was done.",
    507: "No room for files.",
}
_ALWAYS: Final = (401, 403, 414, 429, 431, 500, 503)


def in_answer(description: str, **schema: Any) -> dict[str, Any]:
    """A header of an answer."""
    return {"description": description, "schema": {**_TEXT, **schema}}


_REQUEST_ID: Final = {"X-Request-Id": in_answer("Yours, if it was well formed, or ours.")}
LOCATION: Final = {"Location": in_answer("Where to read it.", format="uri-reference")}


def answer(
    description: str, schema: str | None = None, *, media_type: str = "application/json", headers: Any = None
) -> dict[str, Any]:
    """One answer of an operation."""
    told: dict[str, Any] = {"description": description, "headers": {**_REQUEST_ID, **(headers or {})}}
    if schema is not None:
        told["content"] = {media_type: {"schema": {"$ref": _REF + schema}}}
    return told


def operation(
    summary: str,
    answers: Mapping[int, dict[str, Any]],
    *,
    problems: tuple[int, ...] = (),
    parameters: tuple[dict[str, Any], ...] = (),
    body: Mapping[str, Any] | None = None,
    body_required: bool = True,
    public: bool = False,
    tag: str = "jobs",
) -> dict[str, Any]:
    """The keyword arguments of a route's decorator."""
    refusals = {
        status: answer(_DESCRIPTIONS[status], "Problem", media_type=MEDIA_TYPE)
        for status in sorted({*problems, *(() if public else _ALWAYS)})
    }
    extra: dict[str, Any] = {"parameters": list(parameters)} if parameters else {}
    if body is not None:
        extra["requestBody"] = {"required": body_required, "content": dict(body)}
    return {
        "summary": summary,
        "status_code": next(iter(answers)),
        "responses": {**refusals, **answers},
        "response_model": None,
        "openapi_extra": extra,
        "tags": [tag],
    }


def in_query(name: str, description: str, schema: Mapping[str, Any] = _TEXT, **extra: Any) -> dict[str, Any]:
    """A member of the query string."""
    return {"name": name, "in": "query", "description": description, "schema": dict(schema), **extra}


def in_header(name: str, description: str, schema: Mapping[str, Any] = _TEXT) -> dict[str, Any]:
    """A header of the request."""
    return {"name": name, "in": "header", "description": description, "schema": dict(schema)}


def json_body(schema: str) -> dict[str, Any]:
    """A JSON document of this schema."""
    return {"application/json": {"schema": {"$ref": _REF + schema}}}


_LIMIT: Final = in_query(
    "limit", "Items a page.", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
)
PAGE: Final = (in_query("cursor", "`next_cursor` of the page before, with the same filters."), _LIMIT)
_WAIT: Final = in_header("Prefer", "`wait=N`: answer when the job has ended, or after N seconds.")
_UPLOAD_PROBLEMS: Final = (400, 408, 413, 415, 422, 507)
_BINARY: Final = {"type": "array", "items": {"type": "string", "format": "binary"}}

ACCEPTED: Final = {
    202: answer(
        "Accepted and committed.",
        "Job",
        headers={
            **LOCATION,
            "Retry-After": in_answer("Seconds to wait before asking."),
            "Idempotent-Replayed": in_answer("`true` if this key had made the job before."),
            "Preference-Applied": in_answer("The wait that was granted."),
        },
    ),
    200: answer("The job ended within the wait that was asked for.", "Job", headers=LOCATION),
}
_KEY: Final = {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"}
ACCEPT_HEADERS: Final = (
    in_header("Idempotency-Key", "Makes a repeat safe for 24 hours: same key and request, same job.", _KEY),
    _WAIT,
)
IDEMPOTENCY_KEY: Final = in_header("Idempotency-Key", "Within 24 hours, a repeat with it goes on with the first.", _KEY)

SUBMIT_JOB: Final = operation(
    "Submit a job",
    ACCEPTED,
    problems=(*_UPLOAD_PROBLEMS, 402, 404, 409),
    parameters=ACCEPT_HEADERS,
    body={
        **json_body("JobRequest"),
        "multipart/form-data": {
            "schema": {"$ref": _REF + "JobForm"},
            "encoding": {
                name: {"contentType": "application/json"} for name in ("inputs", "metadata", "output", "outputs")
            },
        },
    },
)
LIST_JOBS: Final = operation(
    "List jobs",
    {200: answer("Newest first.", "JobList")},
    problems=(400, 422),
    parameters=(
        *PAGE,
        in_query(
            "status",
            "Any of these; repeated, or separated by commas.",
            {"type": "array", "items": {"type": "string", "enum": [status.value for status in Status]}},
        ),
        in_query("project", "Jobs of this project."),
        in_query("batch", "Jobs of this batch."),
        in_query("external_id", "Jobs of this id of yours."),
        in_query(
            "metadata",
            "`metadata[key]=value`, for each key that must match.",
            {"type": "object", "additionalProperties": _TEXT},
            style="deepObject",
        ),
        in_query("created_after", "Made after this moment.", _MOMENT),
        in_query("created_before", "Made before this moment.", _MOMENT),
    ),
)
GET_JOB: Final = operation(
    "Read a job", {200: answer("As it is now.", "Job")}, problems=(404, 422), parameters=(_WAIT,)
)
CANCEL_JOB: Final = operation(
    "Cancel a job",
    {
        200: answer("The job is canceled.", "Job"),
        202: answer("Its worker was asked to stop; credits may be spent already.", "Job"),
    },
    problems=(404, 409),
)
ANSWER_JOB: Final = operation(
    "Answer the agent's question",
    {202: answer("The job goes on in the same session.", "Job")},
    problems=(400, 404, 408, 409, 413, 415, 422),
    body=json_body("AnswerRequest"),
)
RETRY_JOB: Final = operation(
    "Retry a failed or canceled job, from the step that failed",
    ACCEPTED,
    problems=(400, 402, 404, 408, 409, 413, 415, 422),
    parameters=ACCEPT_HEADERS,
    body=json_body("RetryRequest"),
    body_required=False,
)
JOB_EVENTS: Final = operation(
    "Read or stream a job's events",
    {
        200: {
            **answer("A list; or, for `Accept: text/event-stream`, a stream that ends with the job.", "JobEventList"),
            "content": {
                **json_body("JobEventList"),
                "text/event-stream": {"schema": _TEXT, "example": "id: 2\nevent: job.uploading\ndata: {…}\n\n"},
            },
        },
        204: answer("The stream has nothing more, ever."),
    },
    problems=(404, 422),
    parameters=(
        in_query("after", "Events numbered above this.", {"type": "integer", "minimum": 0, "default": 0}),
        _LIMIT,
        in_header("Last-Event-ID", "For streams: the `seq` of the last event received."),
    ),
)
_VIDEO: Final = {"video/mp4": {"schema": {"type": "string", "format": "binary"}}}
GET_RESULT: Final = operation(
    "Download the result",
    {
        200: {**answer("The whole file.", headers={"ETag": in_answer("Its SHA-256.")}), "content": _VIDEO},
        206: {**answer("A part.", headers={"Content-Range": in_answer("Which part.")}), "content": _VIDEO},
        304: answer("You have it already."),
    },
    problems=(404, 409, 410, 416, 422),
    parameters=(
        in_header("Range", "One range of bytes."),
        in_header("If-Range", "Only if this is still the ETag."),
        in_header("If-None-Match", "ETags that you have."),
    ),
)
GET_OUTPUT_RESULT: Final = {**GET_RESULT, "summary": "Download one output's result"}
CREATE_ASSET: Final = operation(
    "Keep input files",
    {
        201: {
            **answer("From a URL: the asset. From a form: a list.", headers=LOCATION),
            "content": {
                "application/json": {"schema": {"oneOf": [{"$ref": _REF + "Asset"}, {"$ref": _REF + "AssetList"}]}}
            },
        }
    },
    problems=_UPLOAD_PROBLEMS,
    body={
        **json_body("AssetRequest"),
        "multipart/form-data": {
            "schema": {"type": "object", "required": ["files"], "properties": {"files": {**_BINARY, "minItems": 1}}}
        },
    },
    tag="assets",
)
LIST_ASSETS: Final = operation(
    "List assets", {200: answer("Newest first.", "AssetList")}, problems=(400, 422), parameters=PAGE, tag="assets"
)
GET_ASSET: Final = operation("Read an asset", {200: answer("The asset.", "Asset")}, problems=(404, 422), tag="assets")
DELETE_ASSET: Final = operation("Delete an asset", {204: answer("Gone.")}, problems=(404, 409), tag="assets")
HEALTHZ: Final = operation("Liveness", {200: answer("Alive.", "Health")}, public=True, tag="operations")
GET_CREDITS: Final = operation(
    "Credits",
    {200: answer("The balance of your own NemoVideo token, and what your turns cost this month.", "Credits")},
    problems=(422, 502),
    tag="usage",
)
READYZ: Final = operation(
    "Readiness",
    {200: answer("Ready.", "Readiness"), 503: answer("Something is down.", "Readiness")},
    public=True,
    tag="operations",
)
METRICS: Final = operation(
    "Metrics",
    {200: {**answer("In Prometheus' text format."), "content": {"text/plain": {"schema": _TEXT}}}},
    public=True,
    tag="operations",
)


def document_of(app: FastAPI) -> dict[str, Any]:
    """The whole document."""
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    document["webhooks"] = webhooks()
    components = document.setdefault("components", {})
    components["schemas"] = _schemas()
    components["securitySchemes"] = {
        "apiKey": {"type": "http", "scheme": "bearer", "description": "An API key, `rq_…`. Its scopes limit it."},
        "operator": {"type": "http", "scheme": "bearer", "description": "The operator's token. No tenant has it."},
    }
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                told = document["paths"][route.path_format][method.lower()]
                _complete(told, scope_of(route.endpoint), operator=isinstance(route, OperatorRoute))
    return document


def _complete(operation: dict[str, Any], scope: str | None, *, operator: bool) -> None:
    """Say which scope is needed, and take away the 422 that FastAPI promises wherever a path has a parameter."""
    if scope is not None:
        operation["security"] = [{"apiKey": []}]
        operation["x-required-scope"] = scope
    elif operator:
        operation["security"] = [{"operator": []}]
    for content in operation["responses"].get("422", {}).get("content", {}).values():
        if content["schema"].get("$ref", "").endswith("/HTTPValidationError"):
            del operation["responses"]["422"]
            break


def _schemas() -> dict[str, Any]:
    requests = (
        JobRequest,
        AnswerRequest,
        RetryRequest,
        ProjectRequest,
        ExportRequest,
        MessageRequest,
        BatchRequest,
        AssetRequest,
        EndpointRequest,
        EndpointPatch,
        RotateRequest,
        SampleRequest,
        ReplayRequest,
        ApiKeyRequest,
        TenantRequest,
        TenantPatch,
        QuotasPatch,
        EraseRequest,
        UpstreamTokenRequest,
        UpstreamTokenPatch,
    )
    taken = [(model, "validation") for model in requests]
    shown = [(model, "serialization") for model in (*SHOWN, *TENANCY_SHOWN, *EVENT_DOCUMENTS.values())]
    _, definitions = models_json_schema([*taken, *shown], ref_template=_REF + "{model}")  # type: ignore[list-item]
    schemas: dict[str, Any] = dict(definitions["$defs"])
    schemas["JobForm"] = _job_form(schemas["JobRequest"])
    return schemas


def _job_form(request: Mapping[str, Any]) -> dict[str, Any]:
    """The same members as a form has them: files beside text, objects and lists as JSON text."""
    files = {"files": {**_BINARY, "description": "Pictures, clips and sound, in the order they shall be used."}}
    return {
        "type": "object",
        "description": "The same fields, each as text; lists and objects, and `null`, as JSON.",
        "properties": {**files, **request["properties"]},
        "additionalProperties": False,
    }
