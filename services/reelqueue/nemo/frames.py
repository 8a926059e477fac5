"""One event of the stream as a typed frame (contract §5.1, §5.2, §5.4, §5.6). Nothing here raises on bad input.

Two dialects and the keep-alives of four conventions arrive on one stream. What a frame is follows from its members,
never from `role` or `author`: a tool's result has the role "user".
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reelqueue.nemo.envelope import Unreadable, error_text, loads, number
from reelqueue.nemo.sse import Comment, ServerEvent
from reelqueue.nemo.wire import decimal

_ALIVE = frozenset({"heartbeat", "ping", "pong", "keepalive", "keep-alive", "keep_alive"})
_ALIVE_TEXT = re.compile(r"\W*(?:heartbeat|ping|keep[-_ ]?alive)\b", re.IGNORECASE)
_BROKEN_ERROR = re.compile(r'\{\s*"error"\s*:\s*"?')
_UNNAMED_ERROR = "unspecified error"


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """The connection lives; nothing else happened."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """A piece of text; a `thought` is the model's own and is never shown."""

    text: str
    thought: bool = False


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool called, or a tool's result. `call_id` ties the two together, where there is one."""

    name: str
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class AgentEvent:
    """An event of the ADK dialect. `partial` events hold only the new piece; a complete one repeats it (§5.3).

    Newer servers give all pieces of a step, and their whole, one and the same id; `timestamp` tells them apart.
    """

    parts: tuple[TextPart, ...] = ()
    calls: tuple[ToolUse, ...] = ()
    results: tuple[ToolUse, ...] = ()
    partial: bool = False
    author: str = ""
    branch: str = ""
    invocation: str = ""
    event_id: str | None = None
    timestamp: float | None = None
    error: str | None = None
    error_code: str | None = None

    @property
    def visible(self) -> str:
        """The text to show."""
        return "".join(part.text for part in self.parts if not part.thought)


class FlatKind(enum.Enum):
    """What an event of the flat dialect is."""

    TEXT = enum.auto()
    TOOL_CALL = enum.auto()
    TOOL_RESULT = enum.auto()
    THOUGHT = enum.auto()


@dataclass(frozen=True, slots=True)
class FlatEvent:
    """An event of the other dialect: `{"type": "text", "content": …}` (§5.6)."""

    kind: FlatKind
    text: str = ""
    tool: str = ""


@dataclass(frozen=True, slots=True)
class ErrorFrame:
    """The turn failed; what came before it stands (§5.4).

    `code` is a word of the agent's, `gateway_code` a number that stands beside the text as in an envelope.
    """

    text: str
    code: str | None = None
    gateway_code: int | None = None


@dataclass(frozen=True, slots=True)
class EnvelopeFrame:
    """An envelope of the gateway inside the stream, say 2001 when the credits ran out on the way (§5.4)."""

    code: int
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something nobody has documented: counted, and passed over."""


Frame = KeepAlive | AgentEvent | FlatEvent | ErrorFrame | EnvelopeFrame | Unknown

_FLAT = {
    "text": FlatKind.TEXT,
    "message": FlatKind.TEXT,
    "tool_call": FlatKind.TOOL_CALL,
    "tool_start": FlatKind.TOOL_CALL,
    "function_call": FlatKind.TOOL_CALL,
    "tool_result": FlatKind.TOOL_RESULT,
    "tool_end": FlatKind.TOOL_RESULT,
    "function_response": FlatKind.TOOL_RESULT,
    "thought": FlatKind.THOUGHT,
    "thinking": FlatKind.THOUGHT,
}


def read_frame(event: ServerEvent | Comment) -> Frame:
    """The frame an event carries; `Unknown` if nothing fits."""
    if isinstance(event, Comment) or event.name.casefold() in _ALIVE:
        return KeepAlive()
    if event.oversized:
        return Unknown()
    data = event.data.strip()
    if not data:
        return KeepAlive()
    try:
        payload = loads(data)
    except Unreadable:
        return _from_text(data)
    if isinstance(payload, dict):
        return _from_object(payload)
    return KeepAlive() if isinstance(payload, str) and payload.casefold() in _ALIVE else Unknown()


def _from_text(data: str) -> Frame:
    """What is not JSON. Older servers build the error line without escaping the message (§5.4)."""
    broken = _BROKEN_ERROR.match(data)
    if broken:
        text = re.sub(r'"?\s*\}?$', "", data[broken.end() :], count=1)
        return ErrorFrame(text.strip() or _UNNAMED_ERROR)
    return KeepAlive() if _ALIVE_TEXT.match(data) else Unknown()


def _from_object(payload: Mapping[str, Any]) -> Frame:
    kind = payload.get("type")
    kind = kind.casefold() if isinstance(kind, str) else None
    if kind in _ALIVE:
        return KeepAlive()
    if payload.get("error") not in (None, False):
        return _error_frame(payload)
    if kind is not None and not isinstance(payload.get("content"), dict):
        return _flat_event(kind, payload)
    if any(key in payload for key in ("content", "actions", "author", "errorCode", "error_code")):
        return _agent_event(payload)
    code = number(payload.get("code"))
    return EnvelopeFrame(code, error_text(payload)) if code else Unknown()


def _error_frame(payload: Mapping[str, Any]) -> ErrorFrame:
    details = payload.get("error_details")
    code = details.get("error_type") if isinstance(details, dict) else None
    gateway_code = None if code else number(payload.get("code")) or None
    code = code or _either(payload, "errorCode", "error_code") or (None if gateway_code else payload.get("code"))
    return ErrorFrame(error_text(payload) or _UNNAMED_ERROR, None if code is None else str(code), gateway_code)


def _flat_event(kind: str, payload: Mapping[str, Any]) -> Frame:
    if kind == "error":
        return ErrorFrame(error_text(payload) or _string(payload, "content") or _UNNAMED_ERROR)
    flat = _FLAT.get(kind)
    if flat is None:
        return Unknown()
    text = _string(payload, "content") or _string(payload, "text")
    return FlatEvent(flat, text, _string(payload, "name") or _string(payload, "tool"))


def _agent_event(payload: Mapping[str, Any]) -> AgentEvent:
    content = payload.get("content")
    found = content.get("parts") if isinstance(content, dict) else None
    parts = [part for part in found if isinstance(part, dict)] if isinstance(found, list) else []
    code = _either(payload, "errorCode", "error_code")
    return AgentEvent(
        parts=tuple(
            TextPart(part["text"], bool(part.get("thought"))) for part in parts if isinstance(part.get("text"), str)
        ),
        calls=_tools(parts, "functionCall", "function_call"),
        results=_tools(parts, "functionResponse", "function_response"),
        partial=payload.get("partial") is True,
        author=_string(payload, "author"),
        branch=_string(payload, "branch"),
        invocation=_string(payload, "invocationId") or _string(payload, "invocation_id"),
        event_id=_string(payload, "id") or None,
        timestamp=decimal(payload.get("timestamp")),
        error=_string(payload, "errorMessage") or _string(payload, "error_message") or None,
        error_code=None if code is None else str(code),
    )


def _tools(parts: list[dict[str, Any]], *keys: str) -> tuple[ToolUse, ...]:
    uses = [use for part in parts if isinstance(use := _either(part, *keys), dict)]
    return tuple([ToolUse(_string(use, "name"), _string(use, "id") or None) for use in uses])


def _either(payload: Mapping[str, Any], *keys: str) -> Any:
    for key in keys:  # a generator would take longer than all the rest: it is asked for each part of each event
        value = payload.get(key)
        if value is not None:
            return value
    return None


def _string(payload: Mapping[str, Any], key: str) -> str:
    value = payload.get(key)
    return value if isinstance(value, str) else ""
