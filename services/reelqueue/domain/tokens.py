"""Upstream tokens: where they come from and how they fare."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime


class TokenKind(enum.StrEnum):
    """`supplied` by a person and never replaced silently; `anonymous` fetched by us and refreshed by us."""

    SUPPLIED = "supplied"
    ANONYMOUS = "anonymous"


class TokenHealth(enum.StrEnum):
    """Whether a token can be used: `cooling` passes at `cooling_until`; the others wait for a person."""

    OK = "ok"
    COOLING = "cooling"
    EXHAUSTED = "exhausted"
    BLOCKED = "blocked"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamToken:
    """A token without its secret. `generation` counts its refreshes: who saw generation n fail refreshes only n."""

    id: str
    tenant_id: str | None
    label: str
    kind: TokenKind
    client_id: str | None
    user_id: str | None
    health: TokenHealth
    cooling_until: datetime | None
    generation: int
    created_at: datetime
