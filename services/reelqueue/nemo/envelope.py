"""The outside of an answer: is it a good one, and if not, what does it say (contract §3)?

Refusals come as `{"code": 1002, …}`, as `{"success": false, "error": …}`, as FastAPI's `{"detail": …}` and as a bare
HTTP status. A code in the body outranks the status it came with.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


class Unreadable(ValueError):
    """Not JSON."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `retry_after` is in seconds from now; `media_type` is lower case, without parameters."""

    status: int
    media_type: str
    body: bytes = field(repr=False)
    retry_after: float | None = None


class RefusalKind(enum.Enum):
    """What tells us that the answer is not a good one."""

    EXPLICIT = enum.auto()
    """A JSON object that says no, or a JSON object with a status that does."""
    STATUS = enum.auto()
    """Nothing but the HTTP status."""
    UNREADABLE = enum.auto()
    """The status is fine; the body is not a JSON object."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an answer is not a good one. `code` is the number in the body, if there is one and it is not 0."""

    kind: RefusalKind
    status: int
    code: int | None = None
    text: str | None = field(default=None, repr=False)
    body: Mapping[str, Any] | None = field(default=None, repr=False)


_DECODER: Final = json.JSONDecoder(parse_constant=lambda _: None)
"""Made once: `json.loads` makes a decoder of its own for each text that it is to read so."""


def loads(data: str | bytes) -> Any:
    """JSON of an upstream. NaN and Infinity, which are not JSON, become null. Raises `Unreadable`."""
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        return _DECODER.decode(text)
    except (ValueError, RecursionError) as exc:
        raise Unreadable("not JSON") from exc


def dumps(value: object) -> bytes:
    """JSON to an upstream, in ASCII: a lone surrogate goes back the way it came."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def open_answer(answer: Answer) -> dict[str, Any] | Refusal:
    """The JSON object of a good answer, or what stands against it."""
    try:
        body = loads(answer.body)
    except Unreadable:
        body = None
    good = 200 <= answer.status < 300
    if not isinstance(body, dict):
        return Refusal(RefusalKind.UNREADABLE if good else RefusalKind.STATUS, answer.status)
    code = number(body.get("code"))
    if good and not code and not _says_no(body):
        return body
    return Refusal(RefusalKind.EXPLICIT, answer.status, code or None, error_text(body), body)


def payload_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """`data` laid over the top level: some answers have an envelope, some have none (contract §4.2, §8.3)."""
    data = body.get("data")
    return {**body, **data} if isinstance(data, dict) else body


def error_text(body: Mapping[str, Any]) -> str | None:
    """What the upstream says went wrong, in whichever member it says it."""
    for key in ("error", "message", "errorMessage", "error_message", "msg", "detail"):
        text = _text(body.get(key))
        if text:
            return text
    return None


def number(value: object) -> int | None:
    """A code as an integer, also when it comes as a string or a float."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 20:
        return int(value.strip())
    return None


def _says_no(body: Mapping[str, Any]) -> bool:
    if body.get("success") is False:
        return True
    code = body.get("code")
    if isinstance(code, str) and number(code) is None and code.casefold() not in {"", "ok", "success"}:
        return True
    return "detail" in body and not {"data", "code", "success"} & body.keys()


def _text(value: object) -> str | None:
    match value:
        case str():
            return value.strip() or None
        case dict():
            return error_text(value)
        case list():
            return "; ".join(text for text in map(_text, value[:5]) if text) or None
        case _:
            return None
