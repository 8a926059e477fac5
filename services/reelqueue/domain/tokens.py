"""Upstream tokens: where they come from and how they fare."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reelqueue.errors import ValidationFailed

MAX_SECRET_CHARACTERS: Final = 4096


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

    def health_at(self, now: datetime) -> TokenHealth:
        """The health for people: a cooling that is over is none, and who is known to have nothing is exhausted."""
        health = self.health
        if health is TokenHealth.COOLING and (self.cooling_until is None or self.cooling_until <= now):
            health = TokenHealth.OK
        if health is TokenHealth.OK and self.available is not None and self.available <= 0:
            return TokenHealth.EXHAUSTED
        return health


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenWish:
    """What somebody wants a token to be called and to carry; `None` leaves it as it is, or at its default."""

    label: str | None = None
    plan: str | None = None
    requests_per_minute: int | None = None
    burst: int | None = None
    max_turns: int | None = None
    max_renders: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenInUse:
    """A token, and how many turns and exports it carries now."""

    token: UpstreamToken
    turns: int
    renders: int

    @property
    def id(self) -> str:
        """The token's."""
        return self.token.id


ENOUGH_CREDITS: Final = 100.0
"""What a generated clip costs (contract §9)."""


def recovered(known: float | None, found: float) -> bool:
    """Whether an exhausted token serves again, that had `known` credits when it was looked at before.

    What it has may be too little for what it was refused, so it must have grown, or be enough for a clip.
    """
    return found > 0 and (found >= ENOUGH_CREDITS or (known is not None and found > known))


def checked_secret(secret: str) -> str:
    """The secret as it was given. Raises `ValidationFailed` for what cannot be a token, and never repeats it."""
    if not (secret.isascii() and secret.isprintable() and 0 < len(secret) <= MAX_SECRET_CHARACTERS):
        raise ValidationFailed("A token is printable ASCII.", pointer="/token")
    if " " in secret:
        raise ValidationFailed("A token has no spaces.", pointer="/token")
    return secret
