"""What managing upstream tokens needs."""

from __future__ import annotations

import builtins
from typing import Protocol

from reelqueue.domain.tokens import TokenInUse, TokenWish, UpstreamToken
from reelqueue.domain.upstream import Balance, Credential


class TokenRecords(Protocol):
    """`store.token_records.TokenRecords`."""

    def keep(
        self, owner: str | None, secret: str, wish: TokenWish, balance: Balance | None = None
    ) -> tuple[TokenInUse, bool]: ...
    def find(self, owner: str | None, token_id: str) -> TokenInUse: ...
    def list(self, owner: str | None, *, before: str | None, limit: int) -> builtins.list[TokenInUse]: ...
    def owner_of(self, token_id: str) -> str | None: ...
    def change(self, owner: str | None, token_id: str, wish: TokenWish) -> TokenInUse: ...
    def rotate(
        self, owner: str | None, token_id: str, secret: str, wish: TokenWish, balance: Balance
    ) -> TokenInUse: ...
    def remove(self, owner: str | None, token_id: str) -> None: ...


class TokenBalances(Protocol):
    """`store.token_balances.TokenBalances`."""

    def due(self, *, spent_s: float, others_s: float, most: int) -> list[str]: ...
    def note(self, token_id: str, balance: Balance, *, generation: int, cures: bool) -> bool: ...


class BalanceCall(Protocol):
    """`nemo.client.NemoClient`, as far as it is asked here."""

    def balance(self, credential: Credential) -> Balance: ...


class TokenRows(Protocol):
    """`store.tokens.UpstreamTokens`, as far as it is asked here."""

    def find(self, token_id: str) -> UpstreamToken: ...
