"""Messages on their way to a receiver, and what came of each try."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

MessageState = Literal["pending", "delivered", "exhausted", "dropped"]
"""`exhausted`: every try failed. `dropped`: its endpoint was deleted or disabled first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryClaim:
    """A message that this worker, and no other, may send while `epoch` stands.

    `payload` is the exact body and `message_id` the `webhook-id`, both the same on every try. `attempt` is 1 on the
    first. `secrets` are the `whsec_…` texts to sign with, the newest first; `endpoint_id` is `None` for a job's own
    `webhook_url`.
    """

    message_id: str
    tenant_id: str
    endpoint_id: str | None
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    payload: bytes = field(repr=False)
    attempt: int
    epoch: int
    type: str
    job_id: str | None
    """`None`: the event is of no job but of NemoVideo."""
    worker_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """What came of one POST: a `status`, or an `error_class` when no answer came. `excerpt` is the answer's start."""

    started_at: datetime
    elapsed_ms: int
    status: int | None
    error_class: str | None
    excerpt: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try as it was kept. `number` runs from 1."""

    number: int
    record: AttemptRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One event for one receiver, without its body. `due_at` is when the next try is due while it is pending."""

    id: str
    endpoint_id: str | None
    job_id: str | None
    seq: int | None
    type: str
    state: MessageState
    attempts: int
    created_at: datetime
    due_at: datetime | None
    finished_at: datetime | None
