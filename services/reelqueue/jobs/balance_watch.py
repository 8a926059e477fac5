"""Looks at balances now and then, so that a token which ran dry serves again once somebody has topped it up."""

from __future__ import annotations

from typing import Final

from reelqueue.domain.tokens import TokenHealth, recovered
from reelqueue.errors import NotFound, UpstreamError
from reelqueue.jobs.token_desk import TokenDesk
from reelqueue.jobs.token_ports import BalanceCall, TokenBalances, TokenRows
from reelqueue.kit.logs import get_logger

SPENT_S: Final = 60.0
"""How often a token without credits is looked at. People top up, so it is the wall's time whatever the twin's is."""
OTHERS_S: Final = 600.0
MOST: Final = 10
"""How many are looked at in one round."""

log = get_logger(__name__)


class BalanceWatch:
    """Any number may run: each token is looked at by one of them at a time. No transaction is open during a call."""

    def __init__(self, *, balances: TokenBalances, tokens: TokenRows, desk: TokenDesk, upstream: BalanceCall) -> None:
        self._balances = balances
        self._tokens = tokens
        self._desk = desk
        self._upstream = upstream

    def run(self) -> int:
        """Look at up to `MOST` that are due. Returns how many serve again. Raises DependencyUnavailable."""
        due = self._balances.due(spent_s=SPENT_S, others_s=OTHERS_S, most=MOST)
        return sum(self._look(token_id) for token_id in due)

    def _look(self, token_id: str) -> bool:
        """Whether the token was exhausted and is not any more."""
        try:
            token = self._tokens.find(token_id)
            balance = self._desk.using(token_id, self._upstream.balance)
        except (UpstreamError, NotFound) as error:
            # What that says of the token, if anything, the desk has noted. It is looked at again.
            log.info("tokens.balance_unread", token=token_id, error=type(error).__name__)
            return False
        exhausted = token.health is TokenHealth.EXHAUSTED
        cured = exhausted and recovered(token.available, balance.available)
        kept = self._balances.note(token_id, balance, generation=token.generation, cures=cured)
        if kept and cured:
            log.info("tokens.recovered", token=token_id)
        return kept and cured
