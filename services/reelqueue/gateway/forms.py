"""Multipart bodies: files to the disk as they come, text fields as the members of one document."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from reelqueue.files.multipart import MultipartReceiver
from reelqueue.files.received import ReceivedForm
from reelqueue.gateway.bodies import Body
from reelqueue.gateway.context import Call
from reelqueue.gateway.errors import RequestInvalid
from reelqueue.gateway.strict_json import parse_json_text, pointer_to, text_violation
from reelqueue.gateway.threads import Threads

JSON_FIELDS: Final = frozenset({"instructions", "inputs", "output", "outputs", "metadata", "answer_within_s"})
"""Fields whose text is JSON. All others are strings."""
WORD_OR_JSON: Final = frozenset({"on_question"})
"""Fields that take a word or an object."""


class _Arriving:
    """A receiver whose work runs in threads. Whatever ends early, it is told to abort, but never while it works."""

    def __init__(self, receiver: MultipartReceiver, threads: Threads) -> None:
        self._receiver = receiver
        self._threads = threads
        self._working: Future[Any] | None = None

    async def feed(self, data: bytes) -> None:
        self._working = self._threads.start_slow(partial(self._receiver.feed, data))
        await asyncio.wrap_future(self._working)

    async def finish(self) -> ReceivedForm:
        working = self._working = self._threads.start_slow(self._receiver.finish)
        return await asyncio.wrap_future(working)

    def abandon(self) -> None:
        """Remove every file, now or as soon as the thread at work has done its part."""
        if self._working is None:
            self._receiver.abort()
        else:
            self._working.add_done_callback(self._clear_away)

    def _clear_away(self, ended: Future[Any]) -> None:
        self._receiver.abort()
        if not ended.cancelled() and ended.exception() is None and isinstance(ended.result(), ReceivedForm):
            ended.result().discard()


@asynccontextmanager
async def received_form(call: Call) -> AsyncIterator[ReceivedForm]:
    """The form in the body, for the length of the block; then files that no store has taken are removed.

    Raises what `Body` and `MultipartReceiver` raise. After any of it, or when the client leaves, nothing is left.
    """
    services = call.gateway.services
    body = Body(call, limit=services.file_limits.max_body_bytes, max_s=services.settings.gateway.max_body_s)
    receiver = MultipartReceiver(
        call.headers["content-type"], services.spool, limits=services.file_limits, workshop=services.workshop
    )
    arriving = _Arriving(receiver, call.gateway.threads)
    try:
        while data := await body.chunk():
            await arriving.feed(data)
        form = await arriving.finish()
        yield form
    finally:
        arriving.abandon()


def form_document(fields: Mapping[str, str]) -> dict[str, Any]:
    """The text fields as the JSON body would have them. Raises what `parse_json_text` raises, pointing to the field."""
    document: dict[str, Any] = {}
    for name, text in fields.items():
        pointer = pointer_to(name)
        if name in JSON_FIELDS or (name in WORD_OR_JSON and text.lstrip().startswith("{")):
            document[name] = parse_json_text(text, at=pointer)
            continue
        violation = text_violation(name, "") or text_violation(text, pointer)
        if violation:
            raise RequestInvalid(violation)
        document[name] = text
    return document
