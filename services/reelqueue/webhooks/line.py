"""Which message of a lane may be sent next. Pure, and for one thread at a time."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import Final

from reelqueue.domain.outgoing import Outgoing

SPARE: Final = 2
"""Places, where jobs name several URLs, that are kept for URLs to which nothing is under way."""


class Line:
    """Messages that wait, in their order, and what is under way.

    Of one job one is under way at a time. Where jobs name URLs (`shared`), one URL leaves places for the others.
    """

    def __init__(self, *, places: int, shared: bool) -> None:
        self._places = places
        self._shared = shared
        self._waiting: deque[Outgoing] = deque()
        self._jobs: set[str] = set()
        self._urls: Counter[str] = Counter()
        self._known: set[str] = set()

    @property
    def under_way(self) -> int:
        """How many are."""
        return len(self._jobs)

    def join(self, messages: Iterable[Outgoing]) -> None:
        """Let those wait that are not known: what waits or is under way is found due again."""
        for message in messages:
            if message.id not in self._known:
                self._known.add(message.id)
                self._waiting.append(message)

    def begin(self) -> Outgoing | None:
        """The first that may be sent; it is under way from now on."""
        for at, message in enumerate(self._waiting):
            if _chain(message) not in self._jobs and self._has_place(message.url):
                del self._waiting[at]
                self._jobs.add(_chain(message))
                self._urls[message.url] += 1
                return message
        return None

    def end(self, message: Outgoing) -> None:
        """It has been tried."""
        self._jobs.discard(_chain(message))
        self._urls[message.url] -= 1

    def forget(self, ids: Iterable[str]) -> None:
        """What came of these was written down: if they are found due, they are so again."""
        self._known.difference_update(ids)

    def disperse(self) -> None:
        """Nothing waits any more."""
        self.forget([message.id for message in self._waiting])
        self._waiting.clear()

    def _has_place(self, url: str) -> bool:
        return not self._shared or not self._urls[url] or self.under_way < self._places - SPARE


def _chain(message: Outgoing) -> str:
    return message.job_id or message.id
