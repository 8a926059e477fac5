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
    NewWebhookEndpoint,
    Problem,
    Readiness,
    WebhookEndpoint,
    WebhookEndpointList,
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
