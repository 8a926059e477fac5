"""What answers about webhook messages and their tries look like."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reelqueue.domain.outgoing import MessageState
from reelqueue.gateway.schemas.documents import Document, Moment, Path

ShownStage = Literal["resolve", "connect", "tls", "send", "wait", "read", "status", "redirect", "internal"]


class WebhookMessageLinks(Document):
    """Where to go from a message."""

    self: Path
    attempts: Path
    endpoint: Path | None
    job: Path | None


class WebhookMessage(Document):
    """One event for one receiver."""

    id: str = Field(examples=["msg_06c6k4zvm5rk9r8dm7k5h2v3ea"])
    object: Literal["webhook_message"]
    event: str = Field(description="The event's id in the feed, and the `webhook-id` of every try.")
    type: str = Field(examples=["job.succeeded"])
    endpoint: str | None = Field(description="`null`: it goes to the job's own `webhook_url`.")
    job: str | None = Field(description="`null`: the event is of no job.")
    seq: int | None = Field(description="The event's number among those of its job.")
    delivery_seq: int | None = Field(description="The endpoint's own number of it, from 1 and without gaps.")
    state: MessageState = Field(
        description="`pending`; `delivered`; `exhausted`: every try failed; `dropped`: its endpoint was deleted or"
        " disabled first."
    )
    attempts: int = Field(description="Tries made so far.")
    next_attempt_at: Moment | None = Field(description="When the next try is due, while it is pending.")
    created_at: Moment
    finished_at: Moment | None
    links: WebhookMessageLinks


class WebhookMessageList(Document):
    """One page of messages, newest first."""

    object: Literal["list"]
    data: list[WebhookMessage]
    has_more: bool
    next_cursor: str | None


class WebhookAttempt(Document):
    """One try: one POST, as it went out and what came back."""

    object: Literal["webhook_attempt"]
    number: int = Field(description="From 1; a resend goes on counting.")
    started_at: Moment
    elapsed_ms: int
    request_headers: dict[str, str] = Field(
        description="As sent, without those that every HTTP request has. Values of headers that you set are `***`."
    )
    status: int | None = Field(description="Of the answer, if one came.")
    stage: ShownStage | None = Field(
        description="Where it failed; `null` if it was delivered. `resolve`: the name has no address, or one that may"
        " not be called from here. `status`: an answer, and no 2xx. `internal`: a mistake of ours."
    )
    response: str | None = Field(description="The first 4 KiB of the answer, without control characters.")


class WebhookAttemptList(Document):
    """One page of tries, the first one first."""

    object: Literal["list"]
    data: list[WebhookAttempt]
    has_more: bool
    next_cursor: str | None


class WebhookReplay(Document):
    """What a replay comes to, or came to."""

    object: Literal["webhook_replay"]
    endpoint: str
    since: Moment
    until: Moment
    types: list[str] | None = Field(description="`null`: what the endpoint is subscribed to.")
    dry_run: bool
    events: int = Field(description="Events that were found; at most 100,000 are counted.")
    more: bool = Field(description="Whether there are more than were counted.")
    pending: int = Field(description="Those of them that were on their way to the endpoint anyway.")
    queued: int = Field(description="Those that this replay put on their way.")
