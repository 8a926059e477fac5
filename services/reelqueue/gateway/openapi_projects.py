"""The routes of projects and batches in the OpenAPI document."""

from __future__ import annotations

from typing import Final

from reelqueue.gateway.errors import RequestInvalid, Violation
from reelqueue.gateway.openapi import (
    ACCEPT_HEADERS,
    ACCEPTED,
    LOCATION,
    PAGE,
    answer,
    in_answer,
    in_query,
    json_body,
    operation,
)

_BODY_PROBLEMS: Final = (400, 408, 413, 415, 422)


def two_timelines() -> RequestInvalid:
    """What a request for a version and for the present is told."""
    return RequestInvalid(Violation(code="field_invalid", message="Ask for a version or for `live`.", parameter="live"))


CREATE_PROJECT: Final = operation(
    "Make a project",
    {201: answer("Made; the first job opens its session.", "Project", headers=LOCATION)},
    problems=_BODY_PROBLEMS,
    body=json_body("ProjectRequest"),
    body_required=False,
    tag="projects",
)
LIST_PROJECTS: Final = operation(
    "List projects",
    {200: answer("Newest first.", "ProjectList")},
    problems=(400, 422),
    parameters=(
        *PAGE,
        in_query("external_id", "Of this id of yours."),
        in_query("customer", "Of this customer of yours."),
    ),
    tag="projects",
)
GET_PROJECT: Final = operation(
    "Read a project", {200: answer("As it is now.", "Project")}, problems=(404, 422), tag="projects"
)
GET_TIMELINE: Final = operation(
    "Read a project's timeline",
    {200: answer("The newest version that is kept, unless another is asked for.", "Timeline")},
    problems=(404, 409, 422, 502),
    parameters=(
        in_query("version", "This version.", {"type": "integer", "minimum": 1}),
        in_query("live", "`true`: ask NemoVideo now.", {"type": "boolean", "default": False}),
    ),
    tag="projects",
)
LIST_VERSIONS: Final = operation(
    "List the versions of a project",
    {200: answer("Newest first.", "VersionList")},
    problems=(400, 404, 422),
    parameters=PAGE,
    tag="projects",
)
EXPORT_PROJECT: Final = operation(
    "Export a version of a project, for no credits",
    ACCEPTED,
    problems=(*_BODY_PROBLEMS, 402, 404, 409),
    parameters=ACCEPT_HEADERS,
    body=json_body("ExportRequest"),
    body_required=False,
    tag="projects",
)
CLAIM_PROJECT: Final = operation(
    "Make a link that opens the project in a browser",
    {200: answer("The link.", "ClaimLink")},
    problems=(404, 409, 422, 502),
    tag="projects",
)
SEND_MESSAGE: Final = operation(
    "Say something about a project",
    {
        202: answer("A job was made or answered.", "Message"),
        200: answer("There was only something to be read.", "Message"),
    },
    problems=(*_BODY_PROBLEMS, 402, 404, 409, 502, 507),
    parameters=ACCEPT_HEADERS[:1],
    body=json_body("MessageRequest"),
    tag="projects",
)

CREATE_BATCH: Final = operation(
    "Submit many jobs, all or none",
    {
        202: answer(
            "Accepted and committed, every job.",
            "Batch",
            headers={**LOCATION, "Idempotent-Replayed": in_answer("`true` if this key had made the batch before.")},
        )
    },
    problems=(*_BODY_PROBLEMS, 402, 404, 409, 507),
    parameters=ACCEPT_HEADERS[:1],
    body={
        **json_body("BatchRequest"),
        "application/jsonl": {
            "schema": {"type": "string"},
            "example": '{"batch": {"mode": "separate"}}\n{"instruction": "animate this photo"}\n',
        },
    },
    tag="batches",
)
LIST_BATCHES: Final = operation(
    "List batches", {200: answer("Newest first.", "BatchList")}, problems=(400, 422), parameters=PAGE, tag="batches"
)
GET_BATCH: Final = operation(
    "Read a batch", {200: answer("As it is now.", "Batch")}, problems=(404, 422), tag="batches"
)
CANCEL_BATCH: Final = operation(
    "Cancel every job of a batch that has not ended",
    {200: answer("All its jobs have ended.", "Batch"), 202: answer("Workers were asked to stop.", "Batch")},
    problems=(404,),
    tag="batches",
)
