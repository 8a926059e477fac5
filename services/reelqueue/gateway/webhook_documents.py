"""Webhook endpoints and secrets as the API shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reelqueue.domain.endpoints import Endpoint, OldSecret
from reelqueue.domain.outgoing import SentSample
from reelqueue.kit.clock import rfc3339


def endpoint_document(endpoint: Endpoint) -> dict[str, Any]:
    """The endpoint, without its secret and without the values of its headers."""
    return {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "url": endpoint.url,
        "event_types": list(endpoint.event_types),
        "filter": None if endpoint.filter is None else {"metadata": dict(endpoint.filter)},
        "description": endpoint.description,
        "header_names": list(endpoint.header_names),
        "rate_per_minute": endpoint.rate_per_minute,
        "max_in_flight": endpoint.max_in_flight,
        "signing": list(endpoint.signing),
        "public_key": endpoint.public_key,
        "old_secrets": _old(endpoint.old_secrets),
        "state": endpoint.state,
        "disabled_reason": endpoint.disabled_reason,
        "created_at": rfc3339(endpoint.created_at),
        "links": {"self": f"/v1/webhook-endpoints/{endpoint.id}"},
    }


def secret_document(old: Iterable[OldSecret]) -> dict[str, Any]:
    """The tenant's secret, without its text."""
    return {"object": "webhook_secret", "old_secrets": _old(old)}


def sample_document(endpoint_id: str, kind: str, sent: SentSample) -> dict[str, Any]:
    """A sample on its way."""
    return {
        "object": "webhook_sample",
        "endpoint": endpoint_id,
        "type": kind,
        "event": sent.event_id,
        "message": sent.message_id,
        "links": {"message": f"/v1/messages/{sent.message_id}"},
    }


def _old(secrets: Iterable[OldSecret]) -> list[dict[str, Any]]:
    return [
        {"scheme": one.scheme, "public_key": one.public_key, "expires_at": rfc3339(one.expires_at)} for one in secrets
    ]
