"""What answers about webhook endpoints and secrets look like. For the OpenAPI document and for tests."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reelqueue.domain.endpoints import EndpointState, Scheme
from reelqueue.domain.subscriptions import DEFAULT_EVENT_TYPES
from reelqueue.gateway.schemas.documents import Document, Moment, Path, SelfLink


class OldSecret(Document):
    """A secret that was replaced and signs until `expires_at`. `public_key` is one of scheme `v1a`."""

    scheme: Scheme
    public_key: str | None
    expires_at: Moment


class EndpointFilter(Document):
    """Metadata that a job must have for its events to be sent."""

    metadata: dict[str, str]


class WebhookEndpoint(Document):
    """Where events go. `event_types` may hold `job.*` and `*`."""

    id: str
    object: Literal["webhook_endpoint"]
    url: str
    event_types: list[str] = Field(examples=[list(DEFAULT_EVENT_TYPES)])
    filter: EndpointFilter | None
    description: str | None
    header_names: list[str] = Field(description="Of your own headers. Their values are not shown.")
    rate_per_minute: int | None
    max_in_flight: int | None = Field(description="Null: our choice.")
    signing: list[Scheme]
    public_key: str | None = Field(
        description="Verifies scheme `v1a`: `whpk_` and the base64 of the 32 bytes of an ed25519 key.",
        examples=["whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="],
    )
    old_secrets: list[OldSecret]
    state: EndpointState
    disabled_reason: str | None = Field(description="`owner`, or what its receiver did.")
    created_at: Moment
    links: SelfLink


class NewWebhookEndpoint(WebhookEndpoint):
    """An endpoint with a secret just made. It is not shown again."""

    secret: str = Field(description="Signs what we send, by Standard Webhooks 1.0.0.")


class WebhookEndpointList(Document):
    """One page of endpoints, newest first."""

    object: Literal["list"]
    data: list[WebhookEndpoint]
    has_more: bool
    next_cursor: str | None


class WebhookSecret(Document):
    """The secret that signs what jobs' own `webhook_url` gets. Its text is not shown."""

    object: Literal["webhook_secret"]
    old_secrets: list[OldSecret]


class NewWebhookSecret(WebhookSecret):
    """The secret, just made. It is not shown again."""

    secret: str


class SampleLinks(Document):
    """Where to see what came of it."""

    message: Path


class WebhookSample(Document):
    """A sample on its way. `event` is the `webhook-id`; it is not in the feed."""

    object: Literal["webhook_sample"]
    endpoint: str
    type: str
    event: str
    message: str
    links: SampleLinks
