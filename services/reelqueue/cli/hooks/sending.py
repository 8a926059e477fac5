"""Signing a message here and bringing it to a receiver, as the service would."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from reelqueue.cli.hooks.feed import FeedEvent
from reelqueue.cli.hooks.way import open_way
from reelqueue.domain.messages import with_delivery_seq
from reelqueue.kit.clock import SystemClock
from reelqueue.webhooks.sender import DEADLINE_S, DeliveryOutcome, WebhookSender

STAGE_WORDS: Final = {
    "resolve": "no such host",
    "connect": "nobody listens there",
    "tls": "no TLS connection: is the certificate from a public authority?",
    "send": "the connection broke while the message was sent",
    "wait": "it broke off before it answered",
    "read": "the answer broke off",
    "too_large": "the answer is too large",
    "redirect": "redirects are not followed",
    "forbidden": "this URL cannot be called",
    "internal": "a mistake of ours",
}
"""What a person reads of the stage at which a try ended. Of `status` the answer itself is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One event as it goes to one receiver: the id and the body stay the same each time it is sent."""

    id: str
    type: str
    body: bytes = field(repr=False)
    position: int | None = None
    job_id: str | None = None
    job_seq: int | None = None


def message_of(event: FeedEvent, delivery_seq: int) -> Message:
    """The message the service sends to an endpoint whose `delivery_seq` has come so far."""
    payload = {"type": event.type, "timestamp": event.timestamp, "data": event.data}
    return Message(
        id=event.id,
        type=event.type,
        body=with_delivery_seq(encoded(payload).decode(), delivery_seq),
        position=event.seq,
        job_id=event.job_id,
        job_seq=event.job_seq,
    )


def sample_message(event_id: str, payload: str) -> Message:
    """A message that nothing has happened for."""
    body = json.loads(payload)
    job = body["data"].get("job") or {}
    return Message(
        id=event_id,
        type=body["type"],
        body=with_delivery_seq(payload, 1),
        job_id=job.get("id"),
        job_seq=body["data"].get("seq"),
    )


def encoded(body: dict[str, Any]) -> bytes:
    """A body as the service writes it."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


class Forwarder:
    """Signs messages with one secret and posts them to one URL."""

    def __init__(self, url: str, secret: str, sender: WebhookSender) -> None:
        self.url = url
        self._secret = secret
        self._sender = sender

    def send(self, message: Message) -> DeliveryOutcome:
        """Try once, with the timestamp of now."""
        return self._sender.send(self.url, message.body, message_id=message.id, secrets=[self._secret])


def words_of(outcome: DeliveryOutcome) -> str:
    """Why it failed, in one line; nothing if it did not."""
    if outcome.error_class is None:
        return ""
    if outcome.elapsed_ms >= DEADLINE_S * 1000:
        return f"no whole answer within {DEADLINE_S:g} s"
    if outcome.error_class == "status":
        return next(iter(outcome.response_excerpt.strip().splitlines()), "").strip()
    return STAGE_WORDS[outcome.error_class]


def forwarder_to(url: str, secret: str) -> Forwarder:
    """To a receiver that the user of this command named."""
    clock = SystemClock()
    return Forwarder(url, secret, WebhookSender(open_way(clock=clock), clock))
