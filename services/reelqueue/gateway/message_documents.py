"""Webhook messages and their tries as the API shows them."""

from __future__ import annotations

from typing import Any

from reelqueue.domain.outgoing import Attempt, Message
from reelqueue.domain.replays import ReplayCount, ReplayWish
from reelqueue.kit.clock import rfc3339


def message_document(message: Message) -> dict[str, Any]:
    """The message, without its body."""
    own = f"/v1/messages/{message.id}"
    return {
        "id": message.id,
        "object": "webhook_message",
        "event": message.event_id,
        "type": message.type,
        "endpoint": message.endpoint_id,
        "job": message.job_id,
        "seq": message.seq,
        "delivery_seq": message.delivery_seq,
        "state": message.state,
        "attempts": message.attempts,
        "next_attempt_at": None if message.due_at is None else rfc3339(message.due_at),
        "created_at": rfc3339(message.created_at),
        "finished_at": None if message.finished_at is None else rfc3339(message.finished_at),
        "links": {
            "self": own,
            "attempts": f"{own}/attempts",
            "endpoint": None if message.endpoint_id is None else f"/v1/webhook-endpoints/{message.endpoint_id}",
            "job": None if message.job_id is None else f"/v1/jobs/{message.job_id}",
        },
    }


def attempt_document(attempt: Attempt) -> dict[str, Any]:
    """The try, public."""
    record = attempt.record
    return {
        "object": "webhook_attempt",
        "number": attempt.number,
        "started_at": rfc3339(record.started_at),
        "elapsed_ms": record.elapsed_ms,
        "request_headers": dict(record.request_headers),
        "status": record.status,
        "stage": _shown(record.error_class),
        "response": record.excerpt,
    }


def _shown(error_class: str | None) -> str | None:
    """A name that may not be called looks like one that is not there: else this would tell which inner names exist."""
    return "resolve" if error_class == "forbidden" else error_class


def replay_document(
    endpoint_id: str, wish: ReplayWish, count: ReplayCount, *, dry_run: bool, queued: int
) -> dict[str, Any]:
    """What a replay comes to, or came to, public."""
    return {
        "object": "webhook_replay",
        "endpoint": endpoint_id,
        "since": rfc3339(wish.since),
        "until": rfc3339(count.until),
        "types": None if wish.types is None else sorted(wish.types),
        "dry_run": dry_run,
        "events": count.events,
        "more": count.more,
        "pending": count.pending,
        "queued": queued,
    }
