"""Messages on their way to a receiver, and what came of each try."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal

from reelqueue.domain.lanes import Health

BATCH: Final = 25
"""Messages that are read at once, and recorded at once: what a worker that dies in between makes twice, at most."""

MessageState = Literal["pending", "delivered", "exhausted", "dropped"]
"""`exhausted`: every try failed. `dropped`: its endpoint was deleted or disabled first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message that is due, of a lane that this worker holds.

    `event_id` is the `webhook-id` and `payload` the exact body, both the same on every try. `round` counts the tries
    before this one since it was last asked for, of `attempts` in all.
    """

    id: str
    event_id: str
    url: str = field(repr=False)
    payload: bytes = field(repr=False)
    type: str
    job_id: str | None
    attempts: int
    round: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneClaim:
    """The right to send to one receiver of one tenant while `epoch` stands.

    `generation` is how often its owner had begun it anew: what is found out of the receiver counts while that stands.
    `now` is the database's clock when it was taken. `secrets` are the `whsec_…` and `whsk_…` texts to sign with, those
    in use first; `headers` are the endpoint's owner's, and go out with every message. `endpoint_id` is `None` where
    jobs name the URL.
    """

    lane_id: str
    tenant_id: str
    endpoint_id: str | None
    worker_id: str
    epoch: int
    generation: int = 0
    now: datetime
    health: Health
    url: str | None = field(repr=False)
    """Where to; `None` where each message says it."""
    secrets: tuple[str, ...] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    max_in_flight: int | None = None
    rate_per_minute: int | None = None
    due: tuple[Outgoing, ...] = ()
    """The first messages to send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """What came of one POST: a `status`, or an `error_class` when no answer came. `excerpt` is the answer's start.

    `request_headers` are those that were sent, masked where they may hold a secret of the receiver's
    (`sent_headers.kept_headers`).
    """

    started_at: datetime
    elapsed_ms: int
    status: int | None
    error_class: str | None
    excerpt: str | None = field(default=None, repr=False)
    request_headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One try of a message, and what follows: it is delivered, due again in `retry_in_s`, or exhausted (`None`)."""

    message_id: str
    attempt: AttemptRecord
    delivered: bool
    retry_in_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try as it was kept. `number` runs from 1."""

    number: int
    record: AttemptRecord

    @property
    def id(self) -> str:
        """Sorts as the number does."""
        return f"{self.number:010d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFilter:
    """Which messages a list shows; an empty set does not narrow it."""

    states: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One event for one receiver, without its body. `due_at` is when the next try is due while it is pending.

    `delivery_seq` is the endpoint's own number of it, without gaps; `seq` the job's number of the event.
    """

    id: str
    event_id: str
    endpoint_id: str | None
    delivery_seq: int | None
    job_id: str | None
    seq: int | None
    type: str
    state: MessageState
    attempts: int
    created_at: datetime
    due_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SentSample:
    """An event that did not happen, and the message in which it is on its way."""

    event_id: str
    message_id: str
