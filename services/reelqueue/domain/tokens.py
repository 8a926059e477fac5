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
    """A token without its secret. `generation` counts its refreshes: who saw generation n fail refreshes only n.

    `requests_per_minute`, `burst`, `max_turns` and `max_renders` are what the account allows; `available` and `frozen`
    are its credits as last read, at `balance_at`. `strikes` counts 429s in a row, and `learned_per_minute` is the rate
    that they taught us at `learned_at`. A token without a tenant belongs to the shared pool.
    """

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
    expires_at: datetime | None = None
    requests_per_minute: int = 300
    burst: int = 1
    max_turns: int = 20
    max_renders: int = 20
    scopes: tuple[str, ...] = ()
    plan: str | None = None
    available: float | None = None
    frozen: float | None = None
    balance_at: datetime | None = None
    strikes: int = 0
    learned_per_minute: float | None = None
    learned_at: datetime | None = None
    removed_at: datetime | None = None
