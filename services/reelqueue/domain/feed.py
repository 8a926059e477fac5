"""A tenant's feed: every event once, numbered from 1 without gaps, in one order for all who read it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from reelqueue.domain.event_types import EVENT_TYPES
from reelqueue.domain.subscriptions import wants

_DATA: Final = ',"data":'


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEvent:
    """One event with its number. `payload` is the body of its webhooks, without what belongs to one endpoint."""

    id: str
    seq: int
    type: str
    job_id: str | None
    payload: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """What a look at the feed found.

    `reached`: nothing up to here is left to be read, whether it was asked for or not; the next look goes on after it.
    `oldest` is the first event that is kept, or the next to come if none is. `last` is the newest number given.
    """

    events: tuple[FeedEvent, ...]
    reached: int
    oldest: int
    last: int

    @property
    def is_whole(self) -> bool:
        """Whether there is nothing behind it yet."""
        return self.reached >= self.last

    def lost(self, after: int) -> bool:
        """Whether events that follow `after` are no longer kept."""
        return after + 1 < self.oldest


def names_of(patterns: Collection[str]) -> frozenset[str] | None:
    """The types that the patterns name; `None` for all of them."""
    if not patterns or "*" in patterns:
        return None
    return frozenset(name for name, kind in EVENT_TYPES.items() if wants(patterns, kind))


def feed_text(event: FeedEvent) -> str:
    """The event as JSON: `{id, object, seq, type, timestamp, job, data}`, `data` being that of its webhooks.

    Put together from the text that was kept: what is read here and what was signed and sent are the same bytes.
    """
    head, found, data = event.payload.partition(_DATA)
    if not found:
        raise ValueError("the body of an event ends with its data")
    job = "null" if event.job_id is None else f'"{event.job_id}"'
    return f'{{"id":"{event.id}","object":"event","seq":{event.seq},{head[1:]},"job":{job}{_DATA}{data}'
