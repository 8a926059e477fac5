from __future__ import annotations

import pytest

from fakes.engine import snapshot
from fakes.upstream import said
from reelqueue.domain.receipts import receipt


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


def test_large_balances_are_told_to_the_last_credit():
    told = receipt(1, snapshot("a", available=1_000_000.0), snapshot("b", available=999_900.5), said("x"))
    assert told["words"][-1] == "Credits 1000000 -> 999900.5"
