"""What is told of an event: the body of its webhook, which is also what the feed shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from reelqueue.domain.documents import job_document
from reelqueue.domain.event_types import AnyEventType
from reelqueue.domain.jobs import OUTCOME_EVENTS, EventType, Job, JobEvent
from reelqueue.kit.clock import rfc3339

_END: Final = "}}"


def own_url(job: Job, event: EventType, *, batch_url: str | None = None) -> str | None:
    """A receiver that no endpoint stands for: the job's own `webhook_url` for its outcome, its batch's for its end.

    A job's URL is told the terminal event, and what arrived after it. Nothing else.
    """
    return job.webhook_url if event in OUTCOME_EVENTS else batch_url


def webhook_payload(job: Job, event: JobEvent) -> str:
    """The body: `{type, timestamp, data: {job, seq, …}}`, the job as `GET` shows it at that moment."""
    return event_payload(event.type, event.created_at, {**event.data, "job": job_document(job), "seq": event.seq})


def event_payload(kind: AnyEventType, at: datetime, data: Mapping[str, Any]) -> str:
    """The body of any event: `{type, timestamp, data}`."""
    body = {"type": kind.value, "timestamp": rfc3339(at), "data": data}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    # Half of a pair is no text that can be sent or kept, and upstreams send what they like.
    return text.encode("utf-8", "replace").decode()


def with_delivery_seq(payload: str, delivery_seq: int | None) -> bytes:
    """The body as one endpoint gets it, the same on every try: its own number of the event stands last in `data`.

    Added to the text, for that is what is kept and what was signed before. A URL that is no endpoint has no numbers.
    """
    if delivery_seq is None:
        return payload.encode()
    if not payload.endswith(_END):
        raise ValueError("the body of an event ends with its data")
    comma = "" if payload.endswith("{}}") else ","
    return f'{payload[: -len(_END)]}{comma}"delivery_seq":{delivery_seq}{_END}'.encode()
