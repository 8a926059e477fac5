"""Credits of a turn: frozen when it starts, then charged or released, once."""

import secrets
from collections.abc import Mapping

from nemotwin.accounts import Account, Accounts
from nemotwin.errors import CodeError
from nemotwin.ledger import ChargeEntry, Ledger


class Charges:
    """Moves credits between available and frozen, and writes down each move."""

    def __init__(self, *, accounts: Accounts, ledger: Ledger) -> None:
        """Charge `accounts` and write to `ledger`."""
        self._accounts = accounts
        self._ledger = ledger

    def freeze(self, account: Account, amount: int, of: Mapping[str, str]) -> ChargeEntry | None:
        """Freeze `amount` for the turn that `of` describes: `token, session_id, turn_id, kind`.

        Returns `None` for nothing to pay; raises code 2001 if less is available, and then freezes nothing.
        """
        if amount == 0:
            return None
        if account.available < amount:
            raise CodeError(2001)
        account.available -= amount
        account.frozen += amount
        at, real_at = self._ledger.stamp()
        charge = ChargeEntry(
            at=at,
            real_at=real_at,
            token=of["token"],
            charge_id=f"chg_{secrets.token_hex(8)}",
            user_id=account.user_id,
            session_id=of["session_id"],
            turn_id=of["turn_id"],
            kind=of["kind"],
            amount=amount,
        )
        self._ledger.book.charges.append(charge)
        return charge

    def settle(self, charge: ChargeEntry) -> None:
        """Take the frozen credits for good. Safe to repeat."""
        if charge.outcome == "frozen":
            charge.outcome = "charged"
            self._accounts.accounts[charge.user_id].frozen -= charge.amount

    def release(self, charge: ChargeEntry) -> None:
        """Give the frozen credits back. Safe to repeat."""
        if charge.outcome == "frozen":
            charge.outcome = "released"
            account = self._accounts.accounts[charge.user_id]
            account.frozen -= charge.amount
            account.available += charge.amount
