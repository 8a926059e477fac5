"""A webhook receiver that costs next to nothing, so that it does not slow down what it measures."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from types import TracebackType
from typing import Self

_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class Receiver:
    """Answers every POST with 204 and notes when it came, from a thread of its own. `moments` grows only."""

    def __init__(self) -> None:
        self.moments: list[float] = []
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._live, name="receiver", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _live(self) -> None:
        loop, listening = self._loop, socket.create_server(("127.0.0.1", 0))
        server = loop.run_until_complete(loop.create_server(lambda: _Connection(self.moments), sock=listening))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}/hook"
        self._ready.set()
        loop.run_forever()
        server.close()
        loop.close()


class _Connection(asyncio.Protocol):
    """One connection, as many requests as it likes."""

    def __init__(self, moments: list[float]) -> None:
        self._moments = moments
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(_HEAD_END)) >= 0:
            whole = end + len(_HEAD_END) + _body_bytes(self._buffer[:end])
            if len(self._buffer) < whole:
                return
            self._buffer = self._buffer[whole:]
            self._moments.append(time.monotonic())
            assert self._transport is not None
            self._transport.write(_ANSWER)


def _body_bytes(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(_LENGTH):
            return int(line[len(_LENGTH) :])
    return 0
