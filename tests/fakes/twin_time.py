"""Time that stands still unless somebody waits: the twin's clock, driven by the sockets of whoever calls it.

An engine that runs under it keeps every wait and every deadline it has in production, and none of them costs real
time. What is measured is the upstream's time, and the same in each run.
"""

from __future__ import annotations

import http.client
import json
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from reelqueue.egress.addresses import Address
from reelqueue.nemo import connect

STILL = 1e-6
"""The speed of a twin whose clock moves only when it is told to."""
_GRACE_MS = 2
"""How long a socket is watched, in real milliseconds, before the twin is asked what it waits for."""
_PATIENCE_S = 20.0
"""How long, in real seconds, the twin may be out of reach or compute."""


class TwinClock:
    """The twin's virtual time as the engine's clock. For one thread.

    `monotonic` and `sleep` are virtual. `now` is the wall's, as the database's is: whoever drives the engine moves the
    rows' moments into the past by what has passed (`fakes.twin_engine`).
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._http = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE_S)
        self._seconds = 0.0
        self._at_work = False
        self.on_passing: Callable[[], object] = lambda: None
        """Called whenever time has passed."""
        self.next_in()

    def close(self) -> None:
        self._http.close()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return self._seconds

    def sleep(self, seconds: float) -> None:
        self._take(self._control("POST", {"advance": seconds}))
        self.on_passing()

    def next_in(self) -> float | None:
        """In how many seconds the twin goes on with anything; `None` while it waits for nothing but us."""
        return self._take(self._control("GET", None))

    def settle(self) -> None:
        """Wait, in real time, until the twin computes no more: whatever it does by itself waits for its clock."""
        end = time.monotonic() + _PATIENCE_S
        while self.next_in() is None and self._at_work:
            assert time.monotonic() < end, "the twin never comes to rest"
            time.sleep(0.004)

    def run_out(self, seconds: float) -> None:
        """Let so much time pass, stopping at whatever happens in it: one thing may follow from another."""
        left = seconds
        while left > 0:
            self.settle()
            waits = self.next_in()
            step = left if waits is None else min(waits, left)
            self.sleep(step)
            left -= max(step, 1.0)
        self.settle()

    def _take(self, told: dict[str, Any]) -> float | None:
        self._seconds, self._at_work = told["now"], told["at_work"]
        waits: float | None = told["next"]
        return waits

    def _control(self, method: str, body: dict[str, float] | None) -> dict[str, Any]:
        end = time.monotonic() + _PATIENCE_S
        while True:
            try:
                self._http.request(method, "/_twin/clock", None if body is None else json.dumps(body))
                told: dict[str, Any] = json.loads(self._http.getresponse().read())
            except (OSError, http.client.HTTPException):  # its door is shut for a while: `refused`
                self._http.close()
                if time.monotonic() > end:
                    raise
                time.sleep(0.002)
            else:
                return told


class PatientSocket(socket.socket):
    """A connection to the twin. While nothing can be read, virtual time goes on to whatever happens next."""

    clock: TwinClock
    patience: float | None = None

    @classmethod
    def over(cls, plain: socket.socket, clock: TwinClock) -> PatientSocket:
        """The same connection, patient."""
        made = cls(plain.family, plain.type, plain.proto, fileno=plain.detach())
        made.clock = clock
        return made

    def settimeout(self, value: float | None) -> None:
        self.patience = value
        super().settimeout(_PATIENCE_S)

    def recv(self, size: int, flags: int = 0) -> bytes:
        self._wait()
        return super().recv(size, flags)

    def _wait(self) -> None:
        end = None if self.patience is None else self.clock.monotonic() + self.patience
        gone = time.monotonic() + _PATIENCE_S
        while not self._readable(_GRACE_MS):
            self.clock.next_in()
            # Twice: a new connection may be accepted after the question was answered.
            if self._readable(_GRACE_MS):
                return
            waits = self.clock.next_in()
            if self._readable(0):
                return
            if waits is None:
                assert time.monotonic() < gone, "the twin neither answers nor waits"
                continue
            left = waits if end is None else end - self.clock.monotonic()
            if left <= 0:
                raise TimeoutError("no answer in time")
            self.clock.sleep(min(waits, left))

    def _readable(self, milliseconds: int) -> bool:
        poll = select.poll()
        poll.register(self, select.POLLIN)
        return bool(poll.poll(milliseconds))


def patient_dial(clock: TwinClock) -> Callable[[Address, int, float], socket.socket]:
    """The connector of an `EgressClient` whose hosts are the twin's."""

    def dial(address: Address, port: int, timeout_s: float) -> socket.socket:
        return PatientSocket.over(socket.create_connection((str(address), port), timeout_s), clock)

    return dial


@contextmanager
def patient_upstream(clock: TwinClock) -> Iterator[None]:
    """For the length of the block `NemoClient`'s connections are patient."""

    def create_connection(address: tuple[str, int], timeout: float) -> socket.socket:
        return PatientSocket.over(socket.create_connection(address, timeout), clock)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connect, "socket", SimpleNamespace(**{**vars(socket), "create_connection": create_connection}))
        yield
