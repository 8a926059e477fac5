"""Webhook receivers as a process of their own: `python -m benchmarks.receiving PORT SLOW_S`.

Every path is a receiver, and they are reached at a hundred addresses, as those of a hundred customers are. Those under
`/slow/` answer after SLOW_S seconds, all others at once, with 204. What came can be asked for: `GET /count`,
`GET /seen?N` (a line for each from the N-th on) and `GET /body` (the last one's).
"""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import time
from typing import Final

import uvloop

from benchmarks.http_line import INSTANT, NO_CONTENT, Answer, HttpConnection, document, header

SLOW: Final = "/slow/"
ADDRESSES: Final = tuple(f"127.0.1.{number}" for number in range(1, 101))
"""What is limited by host is not to be limited here."""
_DELIVERY_SEQ: Final = re.compile(rb'"delivery_seq":(\d+)\}*$')


class Receivers:
    """What all of them had, in the order it came."""

    def __init__(self, slow_s: float) -> None:
        self._seen: list[bytes] = []
        self._body = b""
        self._slow = Answer(NO_CONTENT, after_s=slow_s)

    def take(self, head: bytes, body: bytes) -> Answer:
        """Note a POST, or answer a question."""
        method, path, _ = head.partition(b"\r\n")[0].split(b" ", 2)
        if method == b"GET":
            return document(self._asked(path))
        number = _DELIVERY_SEQ.search(body)
        place = number[1] if number else b"-"
        self._seen.append(b"%r %b %b %b" % (time.monotonic(), path, header(head, b"webhook-id") or b"-", place))
        self._body = body
        return self._slow if path.startswith(SLOW.encode()) else INSTANT

    def _asked(self, path: bytes) -> bytes:
        if path == b"/count":
            return b"%d" % len(self._seen)
        if path == b"/body":
            return self._body
        return b"\n".join(self._seen[int(path.partition(b"?")[2] or 0) :])


async def _serve(port: int, receivers: Receivers) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(
        lambda: HttpConnection(receivers.take), ["127.0.0.1", *ADDRESSES], port, backlog=1024
    )
    async with server:
        await stop.wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), Receivers(float(sys.argv[2]))))
