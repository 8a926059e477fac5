"""Request headers that say how: `Idempotency-Key`, `Prefer`, `Accept`."""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import Request

from reelqueue.errors import IdempotencyKeyInvalid
from reelqueue.gateway.errors import RequestInvalid, Violation

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_WAIT: Final = re.compile(r"wait\s*=\s*\"?([0-9]{1,6})\"?", re.IGNORECASE)
_EVENT_ID: Final = re.compile(r"0|[1-9][0-9]{0,9}")
EVENT_STREAM: Final = "text/event-stream"


def idempotency_key(request: Request) -> str | None:
    """The `Idempotency-Key`, if one was sent. Raises `IdempotencyKeyInvalid` for two, or for one out of form."""
    given = request.headers.getlist("idempotency-key")
    if not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise IdempotencyKeyInvalid
    return given[0]


def wait_seconds(request: Request, *, most: int) -> int | None:
    """The N of `Prefer: wait=N` (RFC 7240), capped; `None` without one. What cannot be read is ignored, as it says."""
    for header in request.headers.getlist("prefer"):
        for preference in header.split(","):
            match = _WAIT.fullmatch(preference.partition(";")[0].strip())
            if match:
                return min(int(match[1]), most)
    return None


def last_event_id(request: Request, *, most: int) -> int | None:
    """The number in `Last-Event-ID`, which a client sends that comes back to a stream. Raises `RequestInvalid`."""
    text = request.headers.get("last-event-id")
    if text is None:
        return None
    if not _EVENT_ID.fullmatch(text) or int(text) > most:
        raise RequestInvalid(
            Violation(code="field_invalid", message="This takes the id of an event.", parameter="Last-Event-ID")
        )
    return int(text)


def wants_event_stream(request: Request) -> bool:
    """Whether `Accept` names the event stream, as browsers' `EventSource` does."""
    for accepted in ",".join(request.headers.getlist("accept")).split(","):
        media_type, _, parameters = accepted.partition(";")
        if media_type.strip().lower() == EVENT_STREAM and "q=0" not in parameters.replace(" ", "").split(";"):
            return True
    return False
