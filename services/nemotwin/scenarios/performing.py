"""What a rule has a call do by its own words, as faults like any other: they set the scene and let the twin answer."""

from dataclasses import dataclass, replace
from typing import Any

from nemotwin.exchange import Exchange
from nemotwin.turns import Fate


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """A turn that `says` or `asks` something, goes quiet for `heartbeats` seconds, or `lasts` so many.

    Seconds are virtual; the quiet comes after the first event. `fate` is what becomes of the turn if its client goes.
    """

    says: str | None = None
    asks: str | None = None
    heartbeats: float | None = None
    lasts: float | None = None
    fate: Fate | None = None

    async def strike(self, exchange: Exchange) -> None:
        """Process, with the turn bent."""
        exchange.fate = self.fate or exchange.fate
        changes: dict[str, Any] = {
            "says": self.says,
            "asks": self.asks,
            "seconds": self.lasts,
            "quiet": self.heartbeats,
        }
        changes = {name: value for name, value in changes.items() if value is not None}
        if "quiet" in changes:
            changes["quiet_after"] = 1
        exchange.turn = replace(exchange.turn, **changes)
        await exchange.proceed()


@dataclass(frozen=True, slots=True)
class CreditsLeft:
    """Set what the caller's account has left, before the call is looked at. It stays so, for every session."""

    available: int

    async def strike(self, exchange: Exchange) -> None:
        """Set, and process."""
        if known := exchange.accounts.tokens.get(exchange.token() or ""):
            exchange.accounts.account_of(known).available = self.available
        await exchange.proceed()
