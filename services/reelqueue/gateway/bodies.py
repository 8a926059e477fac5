"""Request bodies: what may come, how much of it, and for how long; decided before anything is parsed."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request

from reelqueue.errors import BodyTooLarge, MediaTypeNotSupported, RequestTimedOut
from reelqueue.gateway.context import Call
from reelqueue.gateway.strict_json import parse_json

JSON: Final = "application/json"
FORM: Final = "multipart/form-data"
SLOWEST_BYTES_PER_S: Final = 131_072
"""A body that keeps up this rate is not cut off, however large it is allowed to be. Others get `max_body_s`."""
_PARSED_AT_ONCE: Final = 32_768
"""Larger documents are parsed in a thread: in a few milliseconds another request can be answered."""


def media_type_of(request: Request, *accepted: str) -> str:
    """The body's media type, one of `accepted`. Raises `MediaTypeNotSupported`, also for any Content-Encoding.

    A form of a foreign web page can send neither, so this is also what keeps such pages out.
    """
    given = request.headers.getlist("content-type")
    media_type, _, parameters = (given[0] if len(given) == 1 else "").partition(";")
    media_type = media_type.strip().lower()
    encoding = ",".join(request.headers.getlist("content-encoding")).strip().lower()
    if media_type not in accepted or encoding not in ("", "identity"):
        raise MediaTypeNotSupported
    if media_type == JSON and not _is_utf8(parameters):
        raise MediaTypeNotSupported("JSON is taken in UTF-8 only.")
    return media_type


def _is_utf8(parameters: str) -> bool:
    parts = (part.partition("=") for part in parameters.lower().split(";"))
    charsets = [value.strip().strip('"') for name, _, value in parts if name.strip() == "charset"]
    return charsets in ([], ["utf-8"], ["utf8"])


class Body:
    """The body's bytes as they arrive, counted and timed.

    Raises `BodyTooLarge` from the declared length, before any byte is read, or as soon as the count passes the limit;
    `RequestTimedOut`; `ClientDisconnect`. Time spent by whoever takes the chunks is not the sender's and not counted.
    """

    def __init__(self, request: Request, *, limit: int, max_s: float) -> None:
        self._receive = request.receive
        self._limit = limit
        self._left_s = max_s
        self._seen = 0
        self._more = True
        declared = request.headers.get("content-length", "0")
        if not declared.isascii() or not declared.isdigit() or int(declared[:20]) > limit:
            raise self._too_large()

    async def chunk(self) -> bytes:
        """The next bytes; empty at the end."""
        while self._more:
            message = await self._next()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            self._more = message.get("more_body", False)
            data: bytes = message.get("body", b"")
            self._seen += len(data)
            self._left_s += len(data) / SLOWEST_BYTES_PER_S
            if self._seen > self._limit:
                raise self._too_large()
            if data:
                return data
        return b""

    async def whole(self) -> bytes:
        """All of it."""
        first = await self.chunk()
        if not self._more:
            return first
        chunks = [first]
        while data := await self.chunk():
            chunks.append(data)
        return b"".join(chunks)

    async def _next(self) -> Any:
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(self._left_s):
                return await self._receive()
        except TimeoutError as error:
            raise RequestTimedOut from error
        finally:
            self._left_s -= loop.time() - started

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(detail={"limit_bytes": self._limit})


async def read_json(call: Call) -> Any:
    """The JSON value in the body, within the limits of `settings.gateway`. The media type was checked before."""
    limits = call.gateway.services.settings.gateway
    data = await Body(call, limit=limits.json_body_bytes, max_s=limits.max_body_s).whole()
    if len(data) <= _PARSED_AT_ONCE:
        return parse_json(data)
    return await call.gateway.threads.quick(partial(parse_json, data))
