"""Clients of event streams, as many as a plan says, in a process of their own.

`python -m benchmarks.followers` reads a plan as JSON from stdin, one line, and says that it has it. It opens the
streams and writes a line of JSON whenever it is asked by a line on stdin: what came since the last one. It ends with
its stdin.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

from benchmarks.patience import ROOT, BenchmarkFailed

_EVENT: Final = re.compile(rb'\nevent: (?!progress)[a-z_.]+\ndata: [^\n]*?"timestamp":"([^"]+)"')
_PING: Final = b": ping\n"
_OPENING: Final = 64
"""So many at once, which is what a backlog takes without trouble."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What one client asks for."""

    path: str
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came to all clients together since the last question: `lags_s` from an event's time to its arrival."""

    open: int
    answered: int
    refused: list[str]
    events: int
    pings: int
    lags_s: list[float]
    cpu_s: float


class Followers:
    """The process, from the side of the benchmark."""

    def __init__(self, port: int, streams: Sequence[Stream]) -> None:
        self._plan = {"port": port, "streams": [asdict(stream) for stream in streams]}
        self._stack = ExitStack()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.followers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self._ask(json.dumps(self._plan))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate()

    def heard(self) -> Heard:
        """What came since the last question. Raises `BenchmarkFailed` if the process is gone."""
        return Heard(**json.loads(self._ask("heard")))

    def _ask(self, line: str) -> str:
        """A line for a line: never two under way, since whoever selects on a buffered stdin would miss the second."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise BenchmarkFailed("the clients' process ended")
        return answer


class _Client:
    """One socket. The tail of what it read is kept until the line it belongs to is whole."""

    def __init__(self, port: int, stream: Mapping[str, str]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.answered = False
        self.rest = b""
        head = (
            f"GET {stream['path']} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n"
            f"Authorization: Bearer {stream['api_key']}\r\nConnection: close\r\n\r\n"
        )
        self.socket.sendall(head.encode())


class _Crowd:
    """All clients, read in one thread."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._port = int(plan["port"])
        self._to_open = list(reversed(plan["streams"]))
        self._selector = selectors.DefaultSelector()
        self._open = self._answered = self._opening = 0
        self._refused: list[str] = []
        self._events = self._pings = 0
        self._lags: list[float] = []

    def run(self) -> None:
        self._selector.register(sys.stdin, selectors.EVENT_READ, None)
        while True:
            while self._to_open and self._opening < _OPENING:
                client = _Client(self._port, self._to_open.pop())
                self._selector.register(client.socket, selectors.EVENT_READ, client)
                self._open += 1
                self._opening += 1
            for key, _ in self._selector.select(1.0):
                if key.data is not None:
                    self._read(key.data)
                elif not sys.stdin.readline():
                    return
                else:
                    self._tell()

    def _read(self, client: _Client) -> None:
        data = client.socket.recv(65_536)
        if not data:
            self._selector.unregister(client.socket)
            client.socket.close()
            self._open -= 1
            return
        now = time.time()
        text = client.rest + data
        if not client.answered:
            client.answered = True
            self._opening -= 1
            self._answered += 1
            if not text.startswith(b"HTTP/1.1 200"):
                self._refused.append(text[:40].decode("latin-1"))
        whole = text.rfind(b"\n\n") + 2
        if whole > 1:
            self._pings += text.count(_PING, 0, whole)
            for match in _EVENT.finditer(text, 0, whole):
                self._events += 1
                self._lags.append(now - datetime.fromisoformat(match[1].decode()).timestamp())
            text = text[whole:]
        client.rest = text

    def _tell(self) -> None:
        heard = Heard(
            open=self._open,
            answered=self._answered,
            refused=self._refused[:5],
            events=self._events,
            pings=self._pings,
            lags_s=self._lags,
            cpu_s=time.process_time(),
        )
        print(json.dumps(asdict(heard)), flush=True)
        self._events = self._pings = 0
        self._lags = []


if __name__ == "__main__":
    crowd = _Crowd(json.loads(sys.stdin.readline()))
    print("ready", flush=True)
    crowd.run()
