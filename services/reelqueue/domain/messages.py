"""What goes out by webhook when something happens to a job."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reelqueue.domain.breakers import UpstreamEventType
from reelqueue.domain.documents import job_document
from reelqueue.domain.jobs import OUTCOME_EVENTS, EventType, Job, JobEvent
from reelqueue.domain.subscriptions import wants
from reelqueue.kit.clock import rfc3339
from reelqueue.kit.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """One event for one receiver. `payload` is the exact body of every try; the id is the `webhook-id` of every try."""

    id: str
    endpoint_id: str | None
    url: str | None = field(repr=False)
    payload: str = field(repr=False)


def messages_for(
    job: Job, event: JobEvent, subscribers: Mapping[str, Iterable[str]], *, batch_url: str | None = None
) -> tuple[NewMessage, ...]:
    """The messages an event makes: one for each endpoint that wants it, and one for the job's own `webhook_url`.

    `subscribers` maps endpoint ids to their event patterns. A per-job URL gets the outcome only: the terminal event,
    and what arrived after it; `batch_url` is the one of the batch whose end is told.
    """
    endpoints = [endpoint for endpoint, patterns in subscribers.items() if wants(patterns, event.type)]
    own_url = job.webhook_url if event.type in OUTCOME_EVENTS else batch_url
    if not endpoints and own_url is None:
        return ()
    payload = webhook_payload(job, event)
    made = [NewMessage(id=new_id("message"), endpoint_id=e, url=None, payload=payload) for e in sorted(endpoints)]
    if own_url is not None:
        made.append(NewMessage(id=new_id("message"), endpoint_id=None, url=own_url, payload=payload))
    return tuple(made)


def webhook_payload(job: Job, event: JobEvent) -> str:
    """The body: `{type, timestamp, data: {job, seq, …}}`, the job as `GET` shows it at that moment."""
    return _body(event.type, event.created_at, {**event.data, "job": job_document(job), "seq": event.seq})


def upstream_payload(kind: UpstreamEventType, at: datetime, *, phase: str, reason: str, since: datetime) -> str:
    """The body of an event that is of no job: `{type, timestamp, data: {phase, since, reason}}`."""
    return _body(kind, at, {"phase": phase, "since": rfc3339(since), "reason": reason})


def _body(kind: EventType | UpstreamEventType, at: datetime, data: Mapping[str, Any]) -> str:
    body = {"type": kind.value, "timestamp": rfc3339(at), "data": data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
