from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelqueue.domain.budgets import (
    Account,
    Level,
    Position,
    Reservation,
    TransferKind,
    exact,
    position_of,
    transfers,
)
from reelqueue.domain.intake import NewJob
from reelqueue.domain.jobs import Billing, Status
from reelqueue.store.new_jobs import new_row

CREDITS = st.decimals(0, 1000, places=6)
POSITIONS = st.builds(Position, reserved=CREDITS, spent=CREDITS, at_risk=CREDITS)
HELD = Reservation(job_id="j", tenant_id="t", day=date(2030, 1, 1), turns=3, each=Decimal(10))


def job(status=Status.SUCCEEDED, done=3, **billing):
    made = new_row(NewJob(tenant_id="t", instructions=("a", "b", "c")), datetime.now(UTC)).job
    return replace(made, status=status, instruction_index=done, billing=Billing(**billing))


def position(reserved=0, spent=0, at_risk=0):
    return Position(reserved=Decimal(reserved), spent=Decimal(spent), at_risk=Decimal(at_risk))


# --- transfers --------------------------------------------------------------------------------------------------------


@given(POSITIONS, POSITIONS)
def test_transfers_lead_from_one_position_to_the_other(before, after):
    balances = dict(before.balances())
    moved = transfers(before, after)
    for one in moved:
        assert one.amount > 0
        assert one.source is not one.target
        balances[one.source] -= one.amount
        balances[one.target] += one.amount
    assert balances == after.balances()
    assert sum(balances.values()) == 0
    assert len(moved) <= len(Account) - 1


@given(POSITIONS)
def test_what_did_not_move_needs_no_transfer(there):
    assert transfers(there, there) == ()


def test_what_is_spent_comes_out_of_what_was_reserved_and_the_rest_goes_back():
    told = [(one.kind, one.source, one.target, one.amount) for one in transfers(position(30), position(0, 12))]
    assert told == [
        (TransferKind.SETTLE, Account.RESERVED, Account.SPENT, 12),
        (TransferKind.RELEASE, Account.RESERVED, Account.BUDGET, 18),
    ]


# --- the rule ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ended", "stands"),
    [
        (job(Status.CANCELED, 0), position()),
        (job(spent=25.0, certainty="inferred"), position(0, 25)),
        (job(spent=45.0, certainty="inferred"), position(0, 45)),
        (job(Status.FAILED, 1, spent=8.0, at_risk=4.0, certainty="inferred"), position(0, 8, 4)),
        (job(Status.FAILED, 1, spent=8.0, certainty="unknown"), position(0, 8, 22)),
        (job(Status.FAILED, 1, spent=8.0, at_risk=50.0, certainty="unknown"), position(0, 8, 50)),
        (job(spent=45.0, certainty="unknown"), position(0, 45)),
        (job(Status.INSTRUCTING, 1, spent=12.0, certainty="inferred"), position(20, 12)),
        (job(Status.INSTRUCTING, 1, certainty="unknown"), position(20, 0, 10)),
        (job(Status.RENDERING, 3, spent=12.0, certainty="inferred"), position(0, 12)),
    ],
)
def test_where_a_job_stands(ended, stands):
    assert position_of(HELD, ended) == stands


def test_what_was_on_the_bill_before_counts_once():
    held = replace(HELD, already=Decimal(7), turns=1)
    assert position_of(held, job(spent=12.0, certainty="inferred")) == position(0, 5)


def test_as_the_ledger_counts():
    assert exact(0.1 + 0.2) == Decimal("0.3")


@pytest.mark.parametrize(
    ("level", "now", "resets_at"),
    [
        (Level.DAY, datetime(2030, 12, 31, 23, 59, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)),
        (Level.MONTH, datetime(2030, 12, 31, 23, 59, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)),
        (Level.MONTH, datetime(2030, 1, 31, tzinfo=UTC), datetime(2030, 2, 1, tzinfo=UTC)),
        (Level.DAY, datetime.fromisoformat("2030-01-31T23:30:00-02:00"), datetime(2030, 2, 2, tzinfo=UTC)),
    ],
)
def test_a_period_ends_in_utc(level, now, resets_at):
    assert level.resets_at(now) == resets_at
