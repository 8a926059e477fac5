"""An upstream token as the API and the command line show it. Its secret is nowhere in it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reelqueue.domain.tokens import TokenHealth, TokenInUse, UpstreamToken
from reelqueue.kit.clock import rfc3339


def token_document(known: TokenInUse, now: datetime) -> dict[str, Any]:
    """The token, public, at this moment."""
    token = known.token
    health = token.health_at(now)
    return {
        "id": token.id,
        "object": "upstream_token",
        "label": token.label,
        "health": health.value,
        "state": "active" if token.blocked_at is None else "blocked",
        "blocked": _blocked(token),
        "cooling_until": _moment(token.cooling_until) if health is TokenHealth.COOLING else None,
        "limits": {
            "requests_per_minute": token.requests_per_minute,
            "burst": token.burst,
            "max_turns": token.max_turns,
            "max_renders": token.max_renders,
        },
        "in_use": {"turns": known.turns, "renders": known.renders},
        "balance": {
            "available": token.available,
            "frozen": token.frozen,
            "as_of": _moment(token.balance_at),
        },
        "scopes": list(token.scopes),
        "refused_scopes": sorted(set(token.refused)),
        "plan": token.plan,
        "expires_at": _moment(token.expires_at),
        "created_at": rfc3339(token.created_at),
        "links": {"self": f"/v1/upstream-tokens/{token.id}"},
    }


def _blocked(token: UpstreamToken) -> dict[str, Any] | None:
    if token.blocked_at is None or token.blocked_by is None:
        return None
    return {"since": rfc3339(token.blocked_at), "by": token.blocked_by.value, "why": token.blocked_why}


def _moment(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)
