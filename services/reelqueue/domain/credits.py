"""What turns cost: the entry that each settled turn leaves in the ledger, and what a tenant has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from reelqueue.domain.turns import Snapshot
from reelqueue.domain.upstream import Balance


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """The cost of one turn, as the two balances around it tell.

    `spent` is what left the account for good, `held` what is reserved still and was not before: both are never below
    0. Others use a shared token at the same time, so a difference is `inferred`; where a balance could not be read it
    is `unknown` and nothing is booked but that.
    """

    position: int
    """The turn's number in its job, from 0."""
    token_id: str
    spent: float
    held: float
    before: float | None
    after: float | None
    certainty: Literal["inferred", "unknown"]


def booking(position: int, token_id: str, before: Snapshot, after: Snapshot | None) -> Booking:
    """The entry of a turn whose session and balance were read before it, and perhaps after it."""
    known = after is not None and before.total is not None and after.total is not None
    if after is None or before.total is None or after.total is None:
        spent = held = 0.0
    else:
        spent = max(0.0, before.total - after.total)
        held = max(0.0, (after.frozen or 0.0) - (before.frozen or 0.0))
    return Booking(
        position=position,
        token_id=token_id,
        spent=spent,
        held=held,
        before=before.total,
        after=None if after is None else after.total,
        certainty="inferred" if known else "unknown",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What a tenant's turns have cost since a moment: the sum of its ledger."""

    spent: float
    turns: int
    unknown: int
    """Turns whose cost could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credits:
    """A tenant's means. The balance of a token of the shared pool is not theirs to see: it tells what others spend."""

    source: Literal["own", "shared", "none"]
    token_id: str | None
    balance: Balance | None
    as_of: datetime
    month: Spending
    link: str | None
    """Where a person gets more."""
