"""The least HTTP/1.1 that a webhook receiver can do with, so that it does not slow down what it measures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

HEAD_END: Final = b"\r\n\r\n"
NO_CONTENT: Final = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say, ready for the wire, and how long to wait before it."""

    wire: bytes = NO_CONTENT
    after_s: float = 0.0


INSTANT: Final = Answer()
Take: TypeAlias = Callable[[bytes, bytes], Answer]
"""What becomes of a request: its head (the request line first, no blank line) and its body in, an answer out."""


class HttpConnection(asyncio.Protocol):
    """One connection, as many requests as it likes. Whoever sends the next before the answer may get them swapped."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asked of it: uvloop's transports are none by their class.
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(HEAD_END)) >= 0:
            start = end + len(HEAD_END)
            whole = start + int(header(self._buffer[:end], b"content-length") or 0)
            if len(self._buffer) < whole:
                return
            head, body, self._buffer = self._buffer[:end], self._buffer[start:whole], self._buffer[whole:]
            self._answer(self._take(head, body))

    def _answer(self, answer: Answer) -> None:
        assert self._transport is not None
        if answer.after_s:
            asyncio.get_running_loop().call_later(answer.after_s, self._transport.write, answer.wire)
        else:
            self._transport.write(answer.wire)


def header(head: bytes, name: bytes) -> bytes:
    """The value of a header by its name in lower case; nothing if it is not there."""
    lower = head.lower()
    at = lower.find(b"\r\n" + name + b":")
    if at < 0:
        return b""
    start = at + len(name) + 3
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else None].strip()


def document(content: bytes) -> Answer:
    """A 200 with this content."""
    return Answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content))
