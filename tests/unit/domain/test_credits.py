"""What a turn cost, by the balances around it: in the ledger, and on the job's bill."""

from __future__ import annotations

import pytest

from fakes.engine import snapshot
from reelqueue.domain.credits import bill, booking
from reelqueue.domain.jobs import Billing


def billed(so_far, before, after):
    return bill(so_far, booking(0, "tok_1", before, after))


def test_a_turn_that_nobody_could_book_leaves_the_bill_unknown():
    assert bill(Billing(spent=5, at_risk=2), None) == Billing(spent=5, at_risk=2, certainty="unknown")


def test_credits_add_up_over_the_turns_and_are_inferred():
    once = billed(Billing(), snapshot(available=100), snapshot(available=60))
    twice = billed(once, snapshot(available=60), snapshot(available=50))
    assert (once.spent, twice.spent, twice.certainty) == (40.0, 50.0, "inferred")


def test_what_is_only_reserved_is_not_spent():
    assert billed(Billing(), snapshot(available=100), snapshot(available=60, frozen=40)).spent == 0


def test_a_balance_that_grew_gives_nothing_back():
    assert billed(Billing(spent=5), snapshot(available=10), snapshot(available=99)).spent == 5


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (snapshot(), None),
        (snapshot(available=None), snapshot()),
        (snapshot(), snapshot(available=None)),
        (snapshot(frozen=None), snapshot()),
    ],
)
def test_without_both_balances_the_cost_is_unknown_and_stays_unknown(before, after):
    doubtful = billed(Billing(spent=5, certainty="inferred"), before, after)
    assert (doubtful.spent, doubtful.certainty) == (5, "unknown")
    assert billed(doubtful, snapshot(available=9), snapshot(available=8)).certainty == "unknown"


def test_what_is_still_reserved_after_a_turn_is_at_risk_until_it_is_charged_or_released():
    held = billed(Billing(), snapshot(available=100), snapshot(available=60, frozen=40))
    assert (held.spent, held.at_risk) == (0, 40)
    charged = billed(held, snapshot(available=60, frozen=40), snapshot(available=60, frozen=0))
    assert (charged.spent, charged.at_risk) == (40, 0)
    still = billed(held, snapshot(available=60, frozen=40), snapshot(available=50, frozen=40))
    assert (still.spent, still.at_risk) == (10, 40)
