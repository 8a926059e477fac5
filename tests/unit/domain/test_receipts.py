from __future__ import annotations

import pytest

from fakes.engine import snapshot
from fakes.upstream import said
from reelqueue.domain.jobs import Billing
from reelqueue.domain.receipts import bill, receipt


def test_a_turn_that_changed_something_is_told_with_its_words_and_its_cost():
    told = receipt(1, snapshot("a"), snapshot("b", available=60.0), said("Done.", tools=["edit_multitrack"]))
    assert (told["instruction"], told["verdict"], told["recovered"]) == (1, "changed", False)
    assert (told["texts"], told["tools"]) == (["Done."], ["edit_multitrack"])
    assert told["timeline"] == {"added": [], "removed": [], "changed": []}
    assert (told["credits"]["before"], told["credits"]["after"]) == (100.0, 60.0)


@pytest.mark.parametrize(
    ("after", "verdict"), [(snapshot("a"), "unchanged"), (snapshot("b"), "changed"), (None, "undetermined")]
)
def test_the_verdict_comes_from_the_two_looks(after, verdict):
    assert receipt(1, snapshot("a"), after, said("x"))["verdict"] == verdict


def test_a_turn_found_out_by_looking_says_so_and_claims_no_words():
    told = receipt(2, snapshot("a"), snapshot("b"), None)
    assert (told["recovered"], told["texts"], told["tools"]) == (True, [], [])


def test_credits_add_up_over_the_turns_and_are_inferred():
    once = bill(Billing(), snapshot(available=100), snapshot(available=60))
    twice = bill(once, snapshot(available=60), snapshot(available=50))
    assert (once.spent, twice.spent, twice.certainty) == (40.0, 50.0, "inferred")


def test_what_is_only_reserved_is_not_spent():
    assert bill(Billing(), snapshot(available=100), snapshot(available=60, frozen=40)).spent == 0


def test_a_balance_that_grew_gives_nothing_back():
    assert bill(Billing(spent=5), snapshot(available=10), snapshot(available=99)).spent == 5


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
    doubtful = bill(Billing(spent=5, certainty="inferred"), before, after)
    assert (doubtful.spent, doubtful.certainty) == (5, "unknown")
    assert bill(doubtful, snapshot(available=9), snapshot(available=8)).certainty == "unknown"


def test_what_is_still_reserved_after_a_turn_is_at_risk_until_it_is_charged_or_released():
    held = bill(Billing(), snapshot(available=100), snapshot(available=60, frozen=40))
    assert (held.spent, held.at_risk) == (0, 40)
    charged = bill(held, snapshot(available=60, frozen=40), snapshot(available=60, frozen=0))
    assert (charged.spent, charged.at_risk) == (40, 0)
    still = bill(held, snapshot(available=60, frozen=40), snapshot(available=50, frozen=40))
    assert (still.spent, still.at_risk) == (10, 40)
