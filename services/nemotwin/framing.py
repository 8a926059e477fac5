"""How payloads are put into the bytes of an event stream, faults of the framing itself included (`contract §5.2`)."""

import json
from typing import Any, Literal, TypeAlias

ErrorStyle: TypeAlias = Literal["valid", "unescaped", "details"]
"""How an ADK server spells an error frame: as JSON; put together as text by ADK up to 1.22, where quotes and newlines
break it; or with `error_details`, as ADK 2.13 does (`contract §5.4`)."""


def frame(payload: Any) -> bytes:
    """Frame one payload as ADK does: a `data:` line of compact JSON in raw UTF-8, and a blank line."""
    return b"data: " + json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def error_frame(text: str, style: ErrorStyle = "valid", *, at: float = 0.0) -> bytes:
    """Frame an error as ADK does, which spells this one payload with spaces. `at` is the epoch time of `details`."""
    match style:
        case "valid":
            return f"data: {json.dumps({'error': text})}\n\n".encode()
        case "unescaped":
            return f'data: {{"error": "{text}"}}\n\n'.encode()
        case "details":
            kind, _, message = text.partition(": ")
            details = {"error_type": kind, "error_message": message or text, "timestamp": at}
            return f"data: {json.dumps({'error': text, 'error_details': details})}\n\n".encode()


def is_event(sent: bytes) -> bool:
    """Say whether what was sent is one event, and no heartbeat of any spelling."""
    return sent.startswith(b"data: {") and not sent.startswith(b'data: {"type":"heartbeat"')


def payload_of(sent: bytes) -> dict[str, Any] | None:
    """Return the payload of an event that `frame` framed; `None` for anything else."""
    if not is_event(sent):
        return None
    try:
        payload: dict[str, Any] = json.loads(sent.removeprefix(b"data: "))
    except ValueError:
        return None
    return payload
