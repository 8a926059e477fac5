"""The feed in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from reelqueue.domain.subscriptions import PATTERNS
from reelqueue.gateway.openapi import answer, in_header, in_query, json_body, operation

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 500
LONGEST_WAIT_S: Final = 30
_TYPES: Final[dict[str, Any]] = {"type": "array", "items": {"type": "string", "enum": sorted(PATTERNS)}}
_EXAMPLE: Final = 'id: 1042\nevent: job.succeeded\ndata: {"id":"evt_…","object":"event","seq":1042,…}\n\n'

READ_FEED: Final = operation(
    "Read or follow all events",
    {
        200: {
            **answer("A page; or, for `Accept: text/event-stream`, a stream that has no end.", "FeedEventList"),
            "content": {
                **json_body("FeedEventList"),
                "text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE},
            },
        },
    },
    problems=(410, 422),
    parameters=(
        in_query(
            "after",
            "Events numbered above this; from the oldest kept if left out. `latest`: only what comes from now on.",
            {"oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "const": "latest"}]},
        ),
        in_query("types", "Only these, by name or by pattern such as `job.*`.", _TYPES, style="form", explode=False),
        in_query(
            "wait",
            "If there is nothing, answer when there is, or after so many seconds.",
            {"type": "integer", "minimum": 0, "maximum": LONGEST_WAIT_S, "default": 0},
        ),
        in_query(
            "limit",
            "Events a page.",
            {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        ),
        in_header("Last-Event-ID", "For streams: the `seq` of the last event received."),
    ),
    tag="events",
)
