"""What answers about upstream tokens look like."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reelqueue.domain.tokens import TokenHealth
from reelqueue.gateway.schemas.documents import Document, Moment, Path


class TokenLimits(Document):
    """What the account allows, as it was set."""

    requests_per_minute: int
    burst: int
    max_turns: int
    max_renders: int


class TokenSlots(Document):
    """What jobs of this service occupy now."""

    turns: int
    renders: int


class TokenBalance(Document):
    """Credits as last read, at `as_of`: every few minutes, and whenever you ask for credits."""

    available: float | None
    frozen: float | None
    as_of: Moment | None


class UpstreamToken(Document):
    """A NemoVideo token of yours, without its secret."""

    id: str
    object: Literal["upstream_token"]
    label: str
    health: TokenHealth = Field(
        description="`ok`; `cooling` until `cooling_until`; `exhausted`: without credits; `blocked` and `invalid` wait"
        " for you."
    )
    cooling_until: Moment | None
    limits: TokenLimits
    in_use: TokenSlots
    balance: TokenBalance
    plan: str | None
    expires_at: Moment | None
    created_at: Moment
    links: dict[Literal["self"], Path]


class UpstreamTokenList(Document):
    """One page of upstream tokens, newest first."""

    object: Literal["list"]
    data: list[UpstreamToken]
    has_more: bool
    next_cursor: str | None
