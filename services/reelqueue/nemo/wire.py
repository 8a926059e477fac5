"""What the JSON answers hold, read tolerantly (contract §4, §7). The exports' two shapes are in `renders`.

Unknown members are ignored and known ones may be missing. `UpstreamProtocolError` is raised only where nothing could
be done with the answer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from reelqueue.domain.upstream import (
    AnonymousToken,
    Balance,
    ClaimToken,
    NemoSession,
    SessionState,
    UploadedFile,
)
from reelqueue.errors import UpstreamProtocolError
from reelqueue.nemo.envelope import Unreadable, loads, payload_of
from reelqueue.nemo.headers import sendable

_ID = re.compile(r"(?!\.+$)[A-Za-z0-9._:~-]{1,200}")
_MILLISECONDS_FROM = 1e11


def anonymous_token(body: Mapping[str, Any]) -> AnonymousToken:
    """Contract §4.1. Only the token is certain."""
    data = payload_of(body)
    return AnonymousToken(
        token=_token(data, "token"),
        user_id=text(data.get("user_id")),
        credits=decimal(data.get("credits")),
        expires_at=_moment(data.get("expires_at")),
    )


def claim_token(body: Mapping[str, Any]) -> ClaimToken:
    """Contract §4.11."""
    data = payload_of(body)
    return ClaimToken(_token(data, "claim_token"), decimal(data.get("expires_in")))


def session(body: Mapping[str, Any]) -> NemoSession:
    """Contract §4.2: ids in `data`, or at the top level."""
    data = payload_of(body)
    session_id = _identifier(data.get("session_id"))
    if session_id is None:
        raise UpstreamProtocolError("NemoVideo made a session without a usable id.")
    return NemoSession(session_id, _identifier(data.get("task_id")), text(data.get("user_id")))


def uploads(body: Mapping[str, Any]) -> tuple[UploadedFile, ...]:
    """Contract §4.4: the files the upstream took. It may have refused some of them without saying so."""
    data = payload_of(body)
    listed = data.get("files")
    if isinstance(body.get("data"), list):
        listed = body["data"]
    elif isinstance(listed, dict) and "filename" in listed:
        listed = [listed]
    if not isinstance(listed, list | dict):
        raise UpstreamProtocolError("NemoVideo's answer to an upload lists no files.")
    applied = data.get("session_state_applied") is not False
    return tuple(_uploaded(item, applied=applied) for item in records(listed) if not item.get("error"))


def balance(body: Mapping[str, Any]) -> Balance:
    """Contract §4.5."""
    data = payload_of(body)
    available, frozen, total = (decimal(data.get(key)) for key in ("available", "frozen", "total"))
    if available is None:
        raise UpstreamProtocolError("NemoVideo's answer holds no balance.")
    frozen = 0.0 if frozen is None else frozen
    return Balance(available, frozen, available + frozen if total is None else total)


def state(body: Mapping[str, Any]) -> SessionState:
    """Contract §4.6, §7. The draft may be an object, JSON in a string, empty, null or absent."""
    data = payload_of(body)
    inner = data.get("state")
    found = inner if isinstance(inner, dict) else data
    return SessionState(
        draft=_draft(found.get("draft")),
        uploads=records(found.get("video_infos")),
        generated=records(found.get("generated_media")),
        canvas=canvas if isinstance(canvas := found.get("canvas_config"), dict) else None,
    )


def records(value: object) -> tuple[Mapping[str, Any], ...]:
    """A list or a dict of things as a tuple of objects. A bare string stands for `{"value": …}`."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return tuple(item if isinstance(item, dict) else {"value": item} for item in items if item is not None)


def text(value: object) -> str | None:
    """A string that is not empty; a number is written out."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


def decimal(value: object) -> float | None:
    """A finite number, also when it comes as a string."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _uploaded(item: Mapping[str, Any], *, applied: bool) -> UploadedFile:
    width, height = decimal(item.get("width")), decimal(item.get("height"))
    return UploadedFile(
        name=text(item.get("filename")) or text(item.get("name")) or text(item.get("value")) or "",
        kind=text(item.get("file_type")),
        url=text(item.get("cdn_url")) or text(item.get("url")),
        hash=text(item.get("hash")),
        duration_s=decimal(item.get("duration")),
        width=None if width is None else int(width),
        height=None if height is None else int(height),
        applied=applied,
    )


def _draft(value: object) -> Mapping[str, Any] | None:
    if isinstance(value, str) and value.strip():
        try:
            value = loads(value)
        except Unreadable as exc:
            raise UpstreamProtocolError("NemoVideo's draft is a string that is not JSON.") from exc
    return value if isinstance(value, dict) and value else None


def _token(data: Mapping[str, Any], key: str) -> str:
    token = data.get(key)
    if not isinstance(token, str) or not sendable(token):
        raise UpstreamProtocolError(f"NemoVideo's answer holds no usable {key}.")
    return token


def _identifier(value: object) -> str | None:
    """An id that fits into a path. A number is written out; a float has lost digits and is none."""
    found = text(value)
    return found if found is not None and _ID.fullmatch(found) else None


def _moment(value: object) -> datetime | None:
    """ISO 8601 or epoch seconds or milliseconds; without a zone it is UTC."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value.strip())
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = decimal(value)
        if seconds is None:
            return None
        return datetime.fromtimestamp(seconds / 1000 if seconds >= _MILLISECONDS_FROM else seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
