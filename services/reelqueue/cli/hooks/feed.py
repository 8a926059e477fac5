"""The tenant's feed as somebody follows it who stays: over lost connections, from the last position on."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reelqueue.cli.client import ApiClient, ApiRefused
from reelqueue.domain.retries import RetryPolicy
from reelqueue.kit.http import httpx

WAIT_S: Final = 25
"""How long one question waits for an answer. Most proxies give up after 30 s or later."""

AGAIN: Final = RetryPolicy(max_attempts=1, base_s=1.0, cap_s=15.0)
"""Waits between tries to come back. There is no last one: whoever follows decides when it is enough."""


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One event of the feed; `seq` is its position, from 1 without gaps. `job_seq` is its number within its job."""

    id: str
    seq: int
    type: str
    timestamp: str
    job_id: str | None
    job_seq: int | None
    data: dict[str, Any]


def read_event(document: dict[str, Any]) -> FeedEvent:
    """An event from its document."""
    data = document["data"]
    return FeedEvent(
        id=document["id"],
        seq=document["seq"],
        type=document["type"],
        timestamp=document["timestamp"],
        job_id=document["job"],
        job_seq=data.get("seq"),
        data=data,
    )


class Feed:
    """Reads the feed of the tenant whose key the client has."""

    def __init__(self, client: ApiClient, *, types: Sequence[str] = (), rng: random.Random | None = None) -> None:
        self._client = client
        self._types = tuple(types)
        self._rng = rng or random.Random()  # noqa: S311 - jitter

    def newest(self) -> int:
        """The position of the newest event, 0 if there was never one. Raises as `follow` does, and transport errors."""
        last: int = self._client.feed(after="latest", limit=1)["last"]
        return last

    def follow(
        self, after: int, *, stop: threading.Event, told: Callable[[str | None, float], None]
    ) -> Iterator[FeedEvent]:
        """Each event behind a position once and in order, until `stop` is set.

        A gateway that is away or busy is asked again, each time after a longer wait; `told` gets the reason and the
        seconds, and `None` once it is back. Raises `ApiRefused` for what asking again does not change.
        """
        failures = 0
        while not stop.is_set():
            try:
                page = self._client.feed(after=after, types=self._types, wait_s=WAIT_S)
            except (httpx.TransportError, ApiRefused) as error:
                if isinstance(error, ApiRefused) and not error.passing:
                    raise
                failures += 1
                seconds = AGAIN.delay(failures, self._rng, retry_after_s=getattr(error, "retry_after_s", None))
                told(_words(error), seconds)
                stop.wait(seconds)
                continue
            if failures:
                told(None, 0)
                failures = 0
            yield from map(read_event, page["data"])
            # With `types`, beyond events that were passed over.
            after = page["next_after"]


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, ApiRefused) else f"the gateway does not answer ({type(error).__name__})"
