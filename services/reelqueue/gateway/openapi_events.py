"""The events in the OpenAPI document: its `webhooks`, each with a sample."""

from __future__ import annotations

import json
from typing import Any, Final

from reelqueue.domain.deliveries import MAX_ATTEMPTS
from reelqueue.domain.event_types import EVENT_TYPES, AnyEventType
from reelqueue.domain.jobs import EventType
from reelqueue.domain.samples import sample_payload
from reelqueue.gateway.schemas.event_documents import TOLD, schema_name

_HEADERS: Final = (
    ("webhook-id", "Names the event; the same on every try and in every replay.", "evt_06c6k4zvm5rk9r8dm7k5h2v3ea"),
    ("webhook-timestamp", "When this try was signed, in seconds since 1970.", "1896091210"),
    ("webhook-signature", "Standard Webhooks 1.0.0; several, with spaces between, while a secret is rotated.", "v1,…"),
)
_ANSWERS: Final = {
    "2XX": {"description": "Delivered. Answer within 15 seconds, before you work on it."},
    "410": {"description": "You want no more: the endpoint is disabled."},
    "default": {"description": f"Not delivered, redirects too. Tried up to {MAX_ATTEMPTS} times in about three days."},
}


def webhooks() -> dict[str, Any]:
    """What is sent to receivers, by type."""
    return {kind.value: {"post": _operation(kind)} for kind in EVENT_TYPES.values()}


def example(kind: AnyEventType) -> dict[str, Any]:
    """The sample as an endpoint gets it."""
    document: dict[str, Any] = json.loads(sample_payload(kind))
    document["data"]["delivery_seq"] = 1
    return document


def _operation(kind: AnyEventType) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{schema_name(kind)}"}
    return {
        "summary": TOLD[kind].when,
        "operationId": schema_name(kind)[0].lower() + schema_name(kind)[1:],
        "tags": ["events of jobs" if isinstance(kind, EventType) else "other events"],
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "description": says,
                "schema": {"type": "string"},
                "example": sample,
            }
            for name, says, sample in _HEADERS
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": example(kind)}},
        },
        "responses": dict(_ANSWERS),
        "security": [],
    }
