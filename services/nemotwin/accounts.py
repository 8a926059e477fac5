"""Accounts, their tokens and their credits (`contract §4.1`, `§4.5`, `§9`)."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from nemotwin.clock import Clock
from nemotwin.errors import CodeError, RefusalError, code_refusal
from nemotwin.settings import Dials

WEEK = 7 * 24 * 3600.0
CLIENT_ID_MAX = 64

Plan = Literal["anonymous", "free", "paid"]
Scope = Literal["read", "write", "upload", "render", "*"]


@dataclass(slots=True)
class Account:
    """A user. Its total is what is available and what running work has frozen."""

    user_id: str
    plan: Plan
    available: int
    frozen: int = 0


@dataclass(slots=True)
class Token:
    """A bearer token. Times are virtual epoch seconds; no `expires_at` means it lives until it is revoked.

    `requests_per_minute` and `parallel_turns` are limits of its own, 0 for none; `None` leaves it to the settings.
    """

    value: str
    user_id: str
    scopes: list[str]
    issued_at: float
    expires_at: float | None
    client_id: str | None = None
    ip: str | None = None
    revoked: bool = False
    requests_per_minute: int | None = None
    parallel_turns: int | None = None

    def may(self, scope: str) -> bool:
        """Say whether the token has this scope, or all of them."""
        return "*" in self.scopes or scope in self.scopes


class Accounts:
    """Who may do what, and how many credits they have."""

    def __init__(
        self,
        *,
        clock: Clock,
        dials: Dials,
        accounts: Iterable[Account] = (),
        tokens: Iterable[Token] = (),
        claims: Iterable[str] = (),
    ) -> None:
        """Continue with what an earlier run left."""
        self._clock = clock
        self._dials = dials
        self.accounts = {account.user_id: account for account in accounts}
        self.tokens = {token.value: token for token in tokens}
        self.claims = set(claims)

    def issue_anonymous(self, client_id: str | None, ip: str) -> Token:
        """Issue a token for seven days and 100 credits, one per client id and ten per address in seven days.

        A client that comes back after the end of its token is the same user, with fresh credits.
        Refuses with 400 without a client id, and with 429 inside the window.
        """
        if not client_id or len(client_id) > CLIENT_ID_MAX:
            raise code_refusal(400, "X-Client-Id header is required")
        settings = self._dials.now
        earlier = [token for token in self.tokens.values() if token.client_id == client_id]
        if earlier and self._in_window(earlier[-1]):
            if settings.anonymous_repeat == "same_token" and not earlier[-1].revoked:
                return earlier[-1]
            raise code_refusal(429, "too many anonymous tokens for this client")
        now = self._clock.now()
        if sum(1 for token in self.tokens.values() if token.ip == ip and now - token.issued_at < WEEK) >= (
            settings.anonymous_per_ip
        ):
            raise code_refusal(429, "too many anonymous tokens for this address")
        user_id = earlier[-1].user_id if earlier else f"anon_{secrets.token_hex(8)}"
        account = self.accounts.setdefault(user_id, Account(user_id, "anonymous", 0))
        account.available = settings.anonymous_credits
        token = Token(
            value=_token(),
            user_id=user_id,
            scopes=["read", "write", "upload"],
            issued_at=now,
            expires_at=now + WEEK,
            client_id=client_id,
            ip=ip,
        )
        self.tokens[token.value] = token
        return token

    def issue_registered(
        self, *, plan: Plan, credits_: int, expires_in: float | None, scopes: Iterable[str] = ("*",)
    ) -> Token:
        """Issue a token of a new registered user; `expires_in` is virtual seconds, `None` for never."""
        now = self._clock.now()
        user_id = f"user_{secrets.token_hex(8)}"
        self.accounts[user_id] = Account(user_id, plan, credits_)
        token = Token(
            value=_token(),
            user_id=user_id,
            scopes=list(scopes),
            issued_at=now,
            expires_at=None if expires_in is None else now + expires_in,
        )
        self.tokens[token.value] = token
        return token

    def authenticate(self, authorization: str | None) -> Token:
        """Return the live token of an `Authorization` header.

        Refuses with 1001 what is missing, unknown or expired, and with a plain 401 what was revoked.
        """
        scheme, _, value = (authorization or "").partition(" ")
        token = self.tokens.get(value.strip())
        if scheme.lower() != "bearer" or token is None:
            raise CodeError(1001)
        if token.revoked:
            raise RefusalError(401, {"detail": "Invalid authentication credentials"})
        if token.expires_at is not None and token.expires_at <= self._clock.now():
            raise CodeError(1001)
        return token

    def account_of(self, token: Token) -> Account:
        """Return the account that `token` belongs to."""
        return self.accounts[token.user_id]

    def expire(self, value: str) -> bool:
        """End a token's life now, which also ends its client's window; `False` if there is no such token."""
        if token := self.tokens.get(value):
            token.expires_at = self._clock.now()
        return token is not None

    def limit(self, value: str, *, requests_per_minute: int | None, parallel_turns: int | None) -> bool:
        """Set a token's own limits, both; `False` if there is no such token."""
        if token := self.tokens.get(value):
            token.requests_per_minute, token.parallel_turns = requests_per_minute, parallel_turns
        return token is not None

    def revoke(self, value: str) -> bool:
        """Revoke a token; its client's window stays closed. `False` if there is no such token."""
        if token := self.tokens.get(value):
            token.revoked = True
        return token is not None

    def issue_claim(self) -> str:
        """Return a claim token, which opens a browser and no API (`contract §4.11`)."""
        claim = f"clm_{secrets.token_urlsafe(18)}"
        self.claims.add(claim)
        return claim

    def _in_window(self, token: Token) -> bool:
        end = token.issued_at + WEEK
        if token.expires_at is not None:
            end = min(end, token.expires_at)
        return self._clock.now() < end


def iso(at: float) -> str:
    """Spell virtual epoch seconds as the API does: ISO 8601 in whole seconds with a Z."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _token() -> str:
    return f"nmv_usr_{secrets.token_urlsafe(24)}"
