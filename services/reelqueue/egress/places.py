"""So many at once to one host: nobody's list of URLs makes us a tool to flood a third party with."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class NoPlace(Exception):
    """None came free in time."""


class Places:
    """A bounded number of places at each host. Of one process; safe to share between threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[str] = Counter()
        self._freed = threading.Condition()

    @contextmanager
    def at(self, host: str, *, timeout_s: float) -> Iterator[None]:
        """Hold a place for the length of the block; wait for it at most `timeout_s` seconds. Raises `NoPlace`."""
        with self._freed:
            if not self._freed.wait_for(lambda: self._taken[host] < self._most, timeout_s):
                raise NoPlace
            self._taken[host] += 1
        try:
            yield
        finally:
            with self._freed:
                self._taken[host] -= 1
                if not self._taken[host]:
                    del self._taken[host]
                self._freed.notify_all()
