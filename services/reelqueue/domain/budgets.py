"""Budgets: what a job reserves, what it leaves behind when it ends, and the transfers in between. Pure.

The rule. A job reserves what its turns are expected to cost, on the day (UTC) on which it is accepted, and stays with
that day. As its turns are settled, what they cost is spent, and what is left is reserved for the turns to come. At its
end:

- What its bill says is spent. That may be more than was reserved: a paid turn is never thrown away.
- What its bill says is at risk stays at risk: the upstream has set it aside and may still charge it.
- If its bill is `unknown` (a turn was sent whose cost nobody could read), all of its reservation that is not known to
  be spent stays at risk. A later look that reads the cost settles it; otherwise it counts until its day and month end.
- The rest is released: for each turn that was not sent there is proof of no charge.

A budget counts what is reserved, spent and at risk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from reelqueue.domain.jobs import Billing, Job

NOTHING: Final = Decimal(0)
_PLACES: Final = Decimal("0.000001")
"""As exact as the ledger's columns."""


class Account(StrEnum):
    """Where credits stand. `budget` is what the others are drawn from, so it is never above 0."""

    BUDGET = "budget"
    RESERVED = "reserved"
    SPENT = "spent"
    AT_RISK = "at_risk"


class TransferKind(StrEnum):
    """Why credits moved."""

    RESERVE = "reserve"
    SETTLE = "settle"
    RELEASE = "release"
    OPENING = "opening"
    """What was spent before the tenant had a budget."""


class Level(StrEnum):
    """Which budget."""

    DAY = "tenant_day"
    MONTH = "tenant_month"

    def resets_at(self, now: datetime) -> datetime:
        """When the period that `now` is in ends."""
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if self is Level.DAY:
            return today + timedelta(days=1)
        return (today.replace(day=1) + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Credits of one job, or of many."""

    reserved: Decimal = NOTHING
    spent: Decimal = NOTHING
    at_risk: Decimal = NOTHING

    @property
    def used(self) -> Decimal:
        """What counts against a budget."""
        return self.reserved + self.spent + self.at_risk

    def balances(self) -> Mapping[Account, Decimal]:
        """By account. They sum to 0."""
        return {
            Account.BUDGET: -self.used,
            Account.RESERVED: self.reserved,
            Account.SPENT: self.spent,
            Account.AT_RISK: self.at_risk,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What a job reserved: for so many turns, so much each. `already` was on its bill before that."""

    job_id: str
    tenant_id: str
    day: date
    turns: int
    each: Decimal
    already: Decimal = NOTHING
    position: Position = Position()

    @property
    def whole(self) -> Decimal:
        """What was reserved at first."""
        return self.each * self.turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Credits from one account to another: two legs, which sum to 0."""

    kind: TransferKind
    source: Account
    target: Account
    amount: Decimal


def exact(amount: float) -> Decimal:
    """As the ledger counts."""
    return Decimal(repr(amount)).quantize(_PLACES)


def turns_left(job: Job) -> int:
    """The turns that a job is still to take."""
    return max(0, len(job.instructions) - job.instruction_index)


def position_of(reservation: Reservation, job: Job) -> Position:
    """Where a job's credits stand by its bill, by the rule above."""
    billing: Billing = job.billing
    spent = max(NOTHING, exact(billing.spent) - reservation.already)
    left = 0 if job.status.is_final else min(turns_left(job), reservation.turns)
    at_risk = exact(billing.at_risk)
    if billing.certainty == "unknown":
        at_risk = max(at_risk, reservation.whole - left * reservation.each - spent)
    return Position(reserved=left * reservation.each, spent=spent, at_risk=at_risk)


def transfers(before: Position, after: Position) -> tuple[Transfer, ...]:
    """The fewest transfers from one position to the other."""
    old, new = before.balances(), after.balances()
    change = {account: new[account] - old[account] for account in Account}
    sources = (Account.RESERVED, Account.AT_RISK, Account.SPENT, Account.BUDGET)
    moved = []
    for target in (Account.SPENT, Account.AT_RISK, Account.RESERVED, Account.BUDGET):
        for source in sources:
            amount = min(change[target], -change[source])
            if amount > 0:
                change[target] -= amount
                change[source] += amount
                moved.append(Transfer(kind=_kind(source, target), source=source, target=target, amount=amount))
    return tuple(moved)


def _kind(source: Account, target: Account) -> TransferKind:
    if target is Account.BUDGET:
        return TransferKind.RELEASE
    return TransferKind.RESERVE if target is Account.RESERVED and source is Account.BUDGET else TransferKind.SETTLE
