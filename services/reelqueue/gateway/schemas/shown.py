"""Every document that the API answers with."""

from __future__ import annotations

from pydantic import BaseModel

from reelqueue.gateway.schemas.documents import (
    Asset,
    AssetList,
    Credits,
    FeedEvent,
    FeedEventList,
    Health,
    Job,
    JobEvent,
    JobEventList,
    JobList,
    Problem,
    Readiness,
)
from reelqueue.gateway.schemas.message_documents import (
    WebhookAttempt,
    WebhookAttemptList,
    WebhookMessage,
    WebhookMessageList,
    WebhookReplay,
)
from reelqueue.gateway.schemas.project_documents import (
    Batch,
    BatchList,
    ClaimLink,
    Message,
    Project,
    ProjectList,
    Timeline,
    VersionList,
)
from reelqueue.gateway.schemas.token_documents import UpstreamToken, UpstreamTokenList
from reelqueue.gateway.schemas.upstream import Upstream
from reelqueue.gateway.schemas.usage_documents import Limits, Usage
from reelqueue.gateway.schemas.webhook_documents import (
    NewWebhookEndpoint,
    NewWebhookSecret,
    WebhookEndpoint,
    WebhookEndpointList,
    WebhookSample,
    WebhookSecret,
)
from reelqueue.gateway.schemas.why_documents import Quote, Why

SHOWN: tuple[type[BaseModel], ...] = (
    Job,
    JobList,
    JobEvent,
    JobEventList,
    FeedEvent,
    FeedEventList,
    Why,
    Quote,
    Asset,
    AssetList,
    WebhookEndpoint,
    NewWebhookEndpoint,
    WebhookEndpointList,
    WebhookSecret,
    NewWebhookSecret,
    WebhookSample,
    WebhookMessage,
    WebhookMessageList,
    WebhookAttempt,
    WebhookAttemptList,
    WebhookReplay,
    Project,
    ProjectList,
    Timeline,
    VersionList,
    ClaimLink,
    Message,
    Batch,
    BatchList,
    UpstreamToken,
    UpstreamTokenList,
    Credits,
    Upstream,
    Limits,
    Usage,
    Health,
    Readiness,
    Problem,
)
"""What the OpenAPI document names."""
