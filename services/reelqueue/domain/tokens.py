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
    """Whether a token can be used: `cooling` passes at `cooling_until`; the others wait for a person.

    `blocked` is no finding but a decision (`Block`), and goes before every finding. It stands beside the health that
    was found, so that whoever takes it back finds the token as it is.
    """

    OK = "ok"
    COOLING = "cooling"
    EXHAUSTED = "exhausted"
    BLOCKED = "blocked"
    INVALID = "invalid"


class BlockedBy(enum.StrEnum):
    """Who blocked a token."""

    TENANT = "tenant"
    """Its owner."""
    OPERATOR = "operator"
    """Whoever runs the service. A tenant cannot take that back."""
    REFUSALS = "refusals"
    """Ourselves: NemoVideo refused it `MOST_REFUSALS` times in a row."""


class TokenScope(enum.StrEnum):
    """What a token may do, in NemoVideo's words (contract §4.12).

    Never checked before a call: what scopes a token has, and what a call needs, is told in contradictions (contract
    §14 row 14), and anonymous tokens export without `render` in their list (contract §4.1). A closed list all the same:
    of a misspelt scope it would be known, wrongly, that the token lacks the right one.
    """

    READ = "read"
    WRITE = "write"
    UPLOAD = "upload"
    RENDER = "render"
    ALL = "*"


MOST_REFUSALS: Final = 3
"""How often in a row, none of the same scope succeeding in between, calls of one scope are refused with a 403 before
the token is blocked. One may be about what was asked for; a third costs turns whose videos nobody can export."""
PASSED_OVER_S: Final = 600
"""For how long a token that was refused is passed over, if there is another: after that it may show that it works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamToken:
    """A token without its secret. `generation` counts its refreshes: who saw generation n fail refreshes only n.

    `requests_per_minute`, `burst`, `max_turns` and `max_renders` are what the account allows; `available` and `frozen`
    are its credits as last read, at `balance_at`. `strikes` counts 429s in a row, and `learned_per_minute` is the rate
    that they taught us at `learned_at`. `scopes` is what its owner says that it may do, empty if nothing was said, and
    `refused` the scopes of the calls that were refused with a 403 since one of that scope succeeded, the last of them
    at `refused_at`. A token without a tenant belongs to the shared pool.
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
    refused: tuple[str, ...] = ()
    refused_at: datetime | None = None
    blocked_at: datetime | None = None
    blocked_by: BlockedBy | None = None
    blocked_why: str | None = None
    plan: str | None = None
    available: float | None = None
    frozen: float | None = None
    balance_at: datetime | None = None
    strikes: int = 0
    learned_per_minute: float | None = None
    learned_at: datetime | None = None
    removed_at: datetime | None = None

    def health_at(self, now: datetime) -> TokenHealth:
        """The health for people: a cooling that is over is none, and who is known to have nothing is exhausted.

        A block goes before all of that.
        """
        if self.blocked_at is not None:
            return TokenHealth.BLOCKED
        health = self.health
        if health is TokenHealth.COOLING and (self.cooling_until is None or self.cooling_until <= now):
            health = TokenHealth.OK
        if health is TokenHealth.OK and self.available is not None and self.available <= 0:
            return TokenHealth.EXHAUSTED
        return health


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A person blocks a token, or (`on` is false) takes that back. `why` is for people.

    On a blocked token nothing new begins: no project, no job of a project that is bound to it, no turn of a job that is
    under way. What was paid for is seen through: a turn that runs, an export, its file.
    """

    on: bool
    by: BlockedBy
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenWish:
    """What somebody wants a token to be called and to carry; `None` leaves it as it is, or at its default."""

    label: str | None = None
    plan: str | None = None
    requests_per_minute: int | None = None
    burst: int | None = None
    max_turns: int | None = None
    max_renders: int | None = None
    scopes: tuple[TokenScope, ...] | None = None
    """Empty: nobody knows."""
    block: Block | None = None


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


BLOCKED_AGAIN_S: Final = 300.0
"""How often a job looks again at a token that is blocked; whoever unblocks it calls those that wait at once."""

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
