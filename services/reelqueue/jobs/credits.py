"""`GET /v1/credits` without HTTP: what a tenant has, and what its turns have cost this month."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Protocol

from reelqueue.domain.credits import Credits, Spending
from reelqueue.domain.links import credits_link
from reelqueue.domain.tokens import TokenHealth, UpstreamToken, recovered
from reelqueue.domain.upstream import Balance
from reelqueue.jobs.ports import Upstream
from reelqueue.jobs.token_desk import TokenDesk
from reelqueue.kit.clock import Clock


class LedgerRows(Protocol):
    """`store.ledger.Ledger`."""

    def spent_since(self, tenant_id: str, moment: datetime) -> Spending:
        """The sum from a moment on."""
        ...


class TokenRows(Protocol):
    """`store.tokens.UpstreamTokens`, as far as it is asked here."""

    def own(self, tenant_id: str) -> UpstreamToken | None:
        """A token of the tenant's own, whatever its health."""
        ...

    def pick(self, tenant_id: str) -> UpstreamToken | None:
        """The token that the tenant's next project would be bound to."""
        ...


class BalanceRows(Protocol):
    """`store.token_balances.TokenBalances`."""

    def note(self, token_id: str, balance: Balance, *, generation: int, cures: bool) -> bool:
        """Keep what was read."""
        ...


class CreditsReader:
    """Reads, and keeps the balance that it read. For many threads.

    The upstream is asked only for a token of the tenant's own.
    """

    def __init__(
        self,
        *,
        tokens: TokenRows,
        ledger: LedgerRows,
        balances: BalanceRows,
        desk: TokenDesk,
        upstream: Upstream,
        clock: Clock,
        web_url: str,
    ) -> None:
        self._tokens = tokens
        self._ledger = ledger
        self._balances = balances
        self._desk = desk
        self._upstream = upstream
        self._clock = clock
        self._web_url = web_url

    def read(self, tenant_id: str) -> Credits:
        """As of now. Raises what the balance call raises, and DependencyUnavailable."""
        now = self._clock.now()
        month = self._ledger.spent_since(tenant_id, now.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
        token = self._tokens.own(tenant_id)
        if token is None:
            source: Literal["shared", "none"] = "none" if self._tokens.pick(tenant_id) is None else "shared"
            return Credits(source=source, token_id=None, balance=None, as_of=now, month=month, link=None)
        balance = self._desk.using(token.id, self._upstream.balance)
        cures = token.health is TokenHealth.EXHAUSTED and recovered(token.available, balance.available)
        self._balances.note(token.id, balance, generation=token.generation, cures=cures)
        return Credits(
            source="own",
            token_id=token.id,
            balance=balance,
            as_of=now,
            month=month,
            link=credits_link(self._web_url, token.user_id),
        )
