"""Answers in JSON, built once and sent as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response


def dumps(document: Any) -> bytes:
    """Compact JSON in UTF-8. What goes in comes from us or has passed the checks of `strict_json`."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def json_response(document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A document as an answer. Nothing of it may be cached: it is one tenant's, and it changes."""
    return json_text(dumps(document), status=status, headers=headers)


def json_text(text: bytes | str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A document that is text already, as an answer; otherwise as `json_response`."""
    return Response(
        text,
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store", **(headers or {})},
    )


def list_document(data: Sequence[Mapping[str, Any]], *, next_cursor: str | None) -> dict[str, Any]:
    """One page of a list."""
    return {"object": "list", "data": list(data), "has_more": next_cursor is not None, "next_cursor": next_cursor}
