"""What turns cost: the entry that each settled turn leaves in the ledger, and what a tenant has."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from reelqueue.domain.jobs import Billing
from reelqueue.domain.turns import Snapshot
from reelqueue.domain.upstream import Balance


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """The cost of one turn, as the two balances around it tell.

    `spent` is what left the account for good, never below 0. `held` is what more is reserved than before; below 0, what
    an earlier turn had reserved is charged or released. Others use a shared token at the same time, so a difference is
    `inferred`; where a balance could not be read the cost is `unknown`, and nothing is booked but that.
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
    totals = (before.total, None if after is None else after.total)
    known = None not in totals
    return Booking(
        position=position,
        token_id=token_id,
        spent=max(0.0, (totals[0] or 0.0) - (totals[1] or 0.0)) if known else 0.0,
        held=((after.frozen if after else None) or 0.0) - (before.frozen or 0.0) if known else 0.0,
        before=totals[0],
        after=totals[1],
        certainty="inferred" if known else "unknown",
    )


def bill(so_far: Billing, entry: Booking | None) -> Billing:
    """The job's bill after one more turn; `None` for a turn that could not be booked.

    What a turn leaves reserved is at risk, until it is charged (then it is spent) or released.
    """
    if entry is None or entry.certainty == "unknown":
        return replace(so_far, certainty="unknown")
    return Billing(
        spent=so_far.spent + entry.spent,
        at_risk=max(0.0, so_far.at_risk + entry.held),
        certainty="unknown" if so_far.certainty == "unknown" else "inferred",
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
