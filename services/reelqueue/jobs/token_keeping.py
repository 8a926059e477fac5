"""Upstream tokens as a resource, without HTTP: tried before they are kept, and never shown."""

from __future__ import annotations

import builtins
from typing import NoReturn

from reelqueue.domain.tokens import TokenInUse, TokenWish, checked_secret
from reelqueue.domain.upstream import Balance, Credential
from reelqueue.errors import (
    DependencyUnavailable,
    NotSent,
    RateLimited,
    TokenRefused,
    TokenRejected,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamUnavailable,
)
from reelqueue.jobs.token_desk import TokenDesk
from reelqueue.jobs.token_ports import BalanceCall, TokenBalances, TokenRecords
from reelqueue.kit.ids import new_id

UNASKED = (NotSent, UpstreamUnavailable, UpstreamProtocolError, RateLimited)
"""What leaves open whether NemoVideo takes a token."""


class TokenKeeping:
    """What a tenant does with its own tokens and an operator with the pool's (owner `None`). For many threads.

    Each of its methods raises `NotFound` for a token of another owner.
    """

    def __init__(
        self, *, records: TokenRecords, balances: TokenBalances, desk: TokenDesk, upstream: BalanceCall
    ) -> None:
        self._records = records
        self._balances = balances
        self._desk = desk
        self._upstream = upstream

    def add(self, owner: str | None, secret: str, wish: TokenWish) -> tuple[TokenInUse, bool]:
        """Try a token with one call for its balance, then keep it; whether it is a new one.

        Nothing is kept of a token that was not accepted. Raises `ValidationFailed` for what cannot be a token,
        `TokenRefused` where NemoVideo rejects it, `DependencyUnavailable` where NemoVideo could not be asked, and any
        other refusal as it came.
        """
        return self._records.keep(owner, secret, wish, self._tried(secret, new_id("upstream_token")))

    def change(self, owner: str | None, token_id: str, wish: TokenWish, secret: str | None = None) -> TokenInUse:
        """Change what is wished, and put `secret`, if one is given, in place of the one there, tried as in `add`.

        The new secret is to be of the same account: a session belongs to an account. Raises `StateConflict` for a
        tenant that would change what the operator blocked.
        """
        if secret is None:
            return self._records.change(owner, token_id, wish)
        self._records.find(owner, token_id)
        return self._records.rotate(owner, token_id, secret, wish, self._tried(secret, token_id))

    def check(self, owner: str | None, token_id: str) -> TokenInUse:
        """Ask for the balance now. A token that answers is well again if it has credits, one that is refused is not.

        Raises what keeps the question open.
        """
        token = self._records.find(owner, token_id).token
        try:
            balance = self._desk.using(token_id, self._upstream.balance)
        except TokenRejected:
            return self._records.find(owner, token_id)
        self._balances.note(token_id, balance, generation=token.generation, cures=balance.available > 0)
        return self._records.find(owner, token_id)

    def find(self, owner: str | None, token_id: str) -> TokenInUse:
        """One token."""
        return self._records.find(owner, token_id)

    def list(self, owner: str | None, *, before: str | None, limit: int) -> builtins.list[TokenInUse]:
        """Newest first, older than the id `before`."""
        return self._records.list(owner, before=before, limit=limit)

    def remove(self, owner: str | None, token_id: str) -> None:
        """Place nothing more on a token; projects that are bound to it go on."""
        self._records.remove(owner, token_id)

    def _tried(self, secret: str, token_id: str) -> Balance:
        try:
            return self._upstream.balance(Credential(token_id, checked_secret(secret)))
        except TokenRejected as error:
            raise TokenRefused(pointer="/token", detail=error.detail) from None
        except UNASKED as error:
            _unasked(error)


def _unasked(error: UpstreamError) -> NoReturn:
    raise DependencyUnavailable(
        "NemoVideo could not be asked whether it accepts this token; nothing was kept.", retry_after=error.retry_after
    ) from error
