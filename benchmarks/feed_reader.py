"""A consumer of one tenant's feed: by pages, and as a stream."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Any, Final, Self

import httpx

from benchmarks.crew import Account
from benchmarks.patience import BenchmarkFailed

PAGE: Final = 500
"""The most that the API gives at once."""
_ID: Final = "id:"
_DATA: Final = "data:"


@dataclass(frozen=True, slots=True)
class Heard:
    """An event of a stream: its number in the feed, when it was read (the monotonic clock), and its text."""

    seq: int
    at: float
    text: str

    @property
    def event_id(self) -> str:
        """What it is called wherever it goes."""
        event_id: str = json.loads(self.text)["id"]
        return event_id


class FeedReader:
    """Reads with a key, over one kept connection."""

    def __init__(self, base_url: str, account: Account) -> None:
        headers = {"Authorization": f"Bearer {account.api_key}"}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=30, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def pages(self, after: int = 0, *, limit: int = PAGE) -> Iterator[list[dict[str, Any]]]:
        """What follows `after`, until there is no more."""
        more = True
        while more:
            answer = self._http.get("/v1/events", params={"after": after, "limit": limit})
            page = answer.raise_for_status().json()
            yield page["data"]
            after, more = page["data"][-1]["seq"] if page["data"] else after, page["has_more"]

    def stream(self, after: int = 0) -> Iterator[Heard]:
        """What follows `after` as it comes, without an end."""
        headers = {"Accept": "text/event-stream"}
        with self._http.stream("GET", "/v1/events", params={"after": after}, headers=headers) as answer:
            answer.raise_for_status()
            yield from heard(answer.iter_lines())


def heard(lines: Iterator[str]) -> Iterator[Heard]:
    """The events of a stream of server-sent events, without those that have no data: they only move the place."""
    seq = 0
    for line in lines:
        if line.startswith(_ID):
            seq = int(line[len(_ID) :])
        elif line.startswith(_DATA):
            yield Heard(seq, time.monotonic(), line[len(_DATA) :])


class Following(threading.Thread):
    """Follows a stream from a thread of its own, until it has had so many events. `heard` grows only."""

    def __init__(self, reader: FeedReader, after: int, count: int) -> None:
        super().__init__(name="follower", daemon=True)
        self.heard: list[Heard] = []
        self._reader, self._after, self._count = reader, after, count

    def run(self) -> None:
        for one in islice(self._reader.stream(self._after), self._count):
            self.heard.append(one)


def check_whole(numbers: list[int], count: int) -> None:
    """Raises `BenchmarkFailed` unless they are 1 to `count`: figures of a feed with gaps mean nothing."""
    if numbers != list(range(1, count + 1)):
        raise BenchmarkFailed(f"the reader had {len(numbers)} of {count} events, or not in their order")
