"""A closed-loop HTTP client: so many kept connections, each sending its next request when it has its answer.

`python -m benchmarks.load` reads a plan as JSON from stdin and writes what it saw as JSON to stdout. It is a process
of its own, does nothing but read and write sockets, and reports its own CPU, so that nobody takes it for the server.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from benchmarks.child import ask_child
from benchmarks.patience import BenchmarkFailed

_GIVE_UP_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to send. `seconds` or `count` ends it; what came in the first `warm_s` seconds does not count.

    With `keyed`, every request has an `Idempotency-Key` of its own.
    """

    port: int
    path: str
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    connections: int = 32
    seconds: float | None = None
    count: int | None = None
    warm_s: float = 0.0
    keyed: bool = True
    host: str = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came back after the warm-up, by status; the latencies in seconds; and what the client itself used.

    `answered` counts the warm-up's answers too.
    """

    answered: int
    statuses: Mapping[str, int]
    latencies_s: list[float]
    wall_s: float
    client_cpu_s: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies_s) / self.wall_s


def apply_load(plan: Plan) -> Outcome:
    """Run a plan in a process of its own. Raises `BenchmarkFailed`, also when an answer was no 2xx."""
    outcome = Outcome(**ask_child("benchmarks.load", asdict(plan)))
    refused = {status: count for status, count in outcome.statuses.items() if not status.startswith("2")}
    if refused or not outcome.latencies_s:
        raise BenchmarkFailed(f"POST {plan.path} was answered with {refused or 'nothing'}")
    return outcome


class _Connection:
    """One socket, and the answer that comes in on it."""

    def __init__(self, plan: Plan) -> None:
        self.socket = socket.create_connection((plan.host, plan.port), timeout=_GIVE_UP_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = 0.0
        self._buffer = b""
        self._need = -1

    def send(self, request: bytes) -> None:
        self.began = time.perf_counter()
        self.socket.sendall(request)

    def status(self) -> str | None:
        """Take what has come; the status once the answer is whole."""
        data = self.socket.recv(65_536)
        if not data:
            raise ConnectionError("the server closed a kept connection")
        self._buffer += data
        if self._need < 0:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return None
            head = self._buffer[:end].lower()
            place = head.find(b"\r\ncontent-length:")
            if place < 0:
                raise ConnectionError("an answer without a length")
            self._need = end + 4 + int(head[place + 17 :].split(b"\r\n", 1)[0])
        if len(self._buffer) < self._need:
            return None
        status = self._buffer[9:12].decode()
        self._buffer, self._need = b"", -1
        return status


class _Requests:
    """The bytes of one request after the other."""

    def __init__(self, plan: Plan) -> None:
        self._run = uuid.uuid4().hex
        self._sent = 0
        body = plan.body.encode()
        head = f"POST {plan.path} HTTP/1.1\r\nHost: {plan.host}:{plan.port}\r\nContent-Length: {len(body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in plan.headers.items())
        self._keyed, self._head, self._tail = plan.keyed, head.encode(), b"\r\n" + body

    def next(self) -> bytes:
        self._sent += 1
        key = f"Idempotency-Key: {self._run}-{self._sent}\r\n".encode() if self._keyed else b""
        return self._head + key + self._tail


def run(plan: Plan) -> Outcome:
    """Send until the plan is done, wait for what is under way, and count."""
    connections = [_Connection(plan) for _ in range(plan.connections)]
    requests, selector = _Requests(plan), selectors.DefaultSelector()
    started = time.perf_counter()
    counted_from, cpu_from = started + plan.warm_s, time.process_time()
    until = started + plan.seconds if plan.seconds is not None else started + _GIVE_UP_S
    left = plan.count if plan.count is not None else sys.maxsize
    statuses: Counter[str] = Counter()
    latencies: list[float] = []
    for connection in connections[:left]:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(requests.next())
        left -= 1
    under_way, answered, warm, ended = len(selector.get_map()), 0, plan.warm_s <= 0, started
    while under_way:
        ready = selector.select(_GIVE_UP_S)
        if not ready:
            raise TimeoutError("no answer")
        for key, _ in ready:
            connection = key.data
            status = connection.status()
            if status is None:
                continue
            now = time.perf_counter()
            answered += 1
            if not warm and now >= counted_from:
                warm, counted_from, cpu_from = True, now, time.process_time()
            elif now >= counted_from and (now <= until or plan.count is not None):
                statuses[status] += 1
                latencies.append(now - connection.began)
                ended = now
            if now < until and left > 0:
                connection.send(requests.next())
                left -= 1
            else:
                selector.unregister(connection.socket)
                under_way -= 1
    return Outcome(
        answered=answered,
        statuses=dict(statuses),
        latencies_s=latencies,
        wall_s=ended - counted_from,
        client_cpu_s=time.process_time() - cpu_from,
    )


if __name__ == "__main__":
    json.dump(asdict(run(Plan(**json.load(sys.stdin)))), sys.stdout)
