"""A webhook receiver in a thread of the benchmark's own: it says 204 and notes when."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from types import TracebackType
from typing import Self

from benchmarks.http_line import INSTANT, Answer, HttpConnection


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
        server = loop.run_until_complete(loop.create_server(lambda: HttpConnection(self._take), sock=listening))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}/hook"
        self._ready.set()
        loop.run_forever()
        server.close()
        loop.close()

    def _take(self, _head: bytes, _body: bytes) -> Answer:
        self.moments.append(time.monotonic())
        return INSTANT
