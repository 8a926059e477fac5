"""What answers about upstream tokens look like."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reelqueue.domain.tokens import BlockedBy, TokenHealth, TokenScope
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


class TokenBlock(Document):
    """A decision that nothing new begins on the token."""

    since: Moment
    by: BlockedBy = Field(
        description="`tenant`: you; `operator`: whoever runs this service, and only they take it back; `refusals`:"
        " NemoVideo answered 403 several times in a row."
    )
    why: str | None


class UpstreamToken(Document):
    """A NemoVideo token of yours, without its secret."""

    id: str
    object: Literal["upstream_token"]
    label: str
    health: TokenHealth = Field(
        description="`ok`; `cooling` until `cooling_until`; `exhausted`: without credits; `invalid`: NemoVideo does not"
        " take it, and it waits for a fresh secret; `blocked`: see `blocked`."
    )
    state: Literal["active", "blocked"] = Field(
        description="Yours to change. On a `blocked` token nothing new begins: no job and no turn, not even of its"
        " projects. A turn that runs, and an export, go on to their end."
    )
    blocked: TokenBlock | None
    cooling_until: Moment | None
    limits: TokenLimits
    in_use: TokenSlots
    balance: TokenBalance
    scopes: list[TokenScope] = Field(description="As you told them; empty: not told.")
    refused_scopes: list[TokenScope] = Field(
        description="What NemoVideo refused with a 403 and has not allowed since. While it is fresh other tokens go"
        " first; several of one in a row block the token."
    )
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
