"""Kept connections for the short calls, each used by one thread at a time.

httpcore's own pool, shared by threads, closes connections that it has just given to another thread when it is full or
one expires (seen with 1.0.9: 28 of 4,800 calls broken by "bad file descriptor" with 8 threads over 3 connections). A
lane is a client with a pool of one connection; nobody else looks into it while a call runs.
"""

from __future__ import annotations

import ssl
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from reelqueue.kit.clock import Clock
from reelqueue.kit.http import httpx
from reelqueue.nemo.guards import Guard
from reelqueue.nemo.transport import CallLimits, GuardedTransport, new_client


class Lane:
    """One client with at most one connection, and the guard of the call that uses it now."""

    def __init__(self, base_url: str, limits: CallLimits, ssl_context: ssl.SSLContext) -> None:
        self._guard: Guard | None = None
        self.idle_since = 0.0
        transport = GuardedTransport(self._current, ssl_context=ssl_context, keepalive_s=limits.keepalive_s)
        self.client: httpx.Client = new_client(transport, base_url=base_url, limits=limits, read_s=limits.read_s)

    @contextmanager
    def under(self, guard: Guard) -> Iterator[httpx.Client]:
        """The client, with this guard in force."""
        self._guard = guard
        try:
            yield self.client
        finally:
            self._guard = None

    def _current(self) -> Guard:
        if self._guard is None:
            raise RuntimeError("a connection was used outside a call")
        return self._guard


class Lanes:
    """As many lanes as calls run at once; a few are kept between calls, for as long as connections live."""

    def __init__(self, base_url: str, *, limits: CallLimits, ssl_context: ssl.SSLContext, clock: Clock) -> None:
        self._base_url = base_url
        self._limits = limits
        self._ssl_context = ssl_context
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: deque[Lane] = deque()
        self._closed = False

    @contextmanager
    def borrow(self, guard: Guard) -> Iterator[httpx.Client]:
        """A client for one call. After an exception its connection is not used again."""
        lane = self._take()
        try:
            with lane.under(guard) as client:
                yield client
        except BaseException:
            lane.client.close()
            raise
        self._give_back(lane)

    def close(self) -> None:
        """Close the kept connections; those in use close at the end of their call."""
        with self._lock:
            self._closed = True
            idle, self._idle = list(self._idle), deque()
        for lane in idle:
            lane.client.close()

    def _take(self) -> Lane:
        with self._lock:
            stale = self._stale()
            lane = self._idle.pop() if self._idle else None
        for old in stale:
            old.client.close()
        return lane or Lane(self._base_url, self._limits, self._ssl_context)

    def _give_back(self, lane: Lane) -> None:
        with self._lock:
            lane.idle_since = self._clock.monotonic()
            stale = self._stale()
            if self._closed or len(self._idle) >= self._limits.idle_connections:
                stale.append(lane)
            else:
                self._idle.append(lane)
        for old in stale:
            old.client.close()

    def _stale(self) -> list[Lane]:
        """Take out the lanes that lay idle too long. The longest idle one is always the leftmost."""
        before = self._clock.monotonic() - self._limits.keepalive_s
        stale = []
        while self._idle and self._idle[0].idle_since < before:
            stale.append(self._idle.popleft())
        return stale
