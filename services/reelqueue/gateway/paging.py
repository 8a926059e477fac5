"""Lists: one page, newest first, and the cursor to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from starlette.responses import Response

from reelqueue.gateway.context import Call
from reelqueue.gateway.cursors import Filters
from reelqueue.gateway.responses import json_response, list_document


class Identified(Protocol):
    """Something with an id that sorts by age."""

    @property
    def id(self) -> str:
        """The id."""
        ...


T = TypeVar("T", bound=Identified)


async def page(
    call: Call,
    read: Callable[[str | None, int], Sequence[T]],
    show: Callable[[T], Mapping[str, Any]],
    *,
    of: str,
    cursor: str | None,
    limit: int,
    filters: Filters,
) -> Response:
    """The page behind the cursor. `read` takes the id to go on from and how many items.

    Raises `CursorInvalid` before anything is read.
    """
    cursors = call.gateway.cursors
    before = None
    if cursor is not None:
        before = cursors.read(cursor, of=of, tenant_id=call.tenant_id, filters=filters)
    # One more than asked for: whether there is a next page is then known without another question.
    found = await call.gateway.threads.quick(partial(read, before, limit + 1))
    items = found[:limit]
    following = None
    if len(found) > limit:
        following = cursors.make(items[-1].id, of=of, tenant_id=call.tenant_id, filters=filters)
    return json_response(list_document([show(item) for item in items], next_cursor=following))
