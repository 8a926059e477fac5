"""What a job would come to, from what others took."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fakes.engine import NOW
from reelqueue.domain.estimates import UNKNOWN, Estimates
from reelqueue.domain.jobs import DEFAULT_POLICIES, Policies
from reelqueue.domain.quotes import quote

KNOWN = Estimates(
    samples=30,
    basis="own",
    credits_most=20,
    work_p10_s=60,
    work_p50_s=100,
    work_p90_s=200,
    wait_p50_s=10,
    wait_p90_s=40,
)


def quoted(estimates=KNOWN, *, turns=2, policies=DEFAULT_POLICIES, start_by=None, finish_by=None, turn_costs=8.0):
    moments = [None if one is None else NOW + timedelta(seconds=one) for one in (start_by, finish_by)]
    return quote(turns, policies, estimates, turn_costs=turn_costs, now=NOW, start_by=moments[0], finish_by=moments[1])


def test_credits_are_those_of_all_turns_and_the_end_comes_after_the_wait():
    found = quoted()
    assert (found.credits_likely, found.credits_most) == (16, 40)
    assert [(one - NOW).total_seconds() for one in (found.finish_p50, found.finish_p90)] == [110, 240]
    assert (found.basis, found.samples, found.start_by, found.finish_by) == ("own", 30, None, None)


@pytest.mark.parametrize(
    ("policies", "most"),
    [
        (Policies(on_question="answer", answer_text="x"), 80),
        (Policies(post_production="strip"), 80),
        (Policies(on_question="answer", answer_text="x", post_production="strip"), 120),
    ],
)
def test_at_most_each_instruction_is_followed_by_what_its_policies_add(policies, most):
    found = quoted(policies=policies)
    assert (found.credits_likely, found.credits_most) == (16, most)


def test_the_most_is_not_less_than_what_is_likely():
    found = quoted(turn_costs=30.0)
    assert (found.credits_likely, found.credits_most) == (60, 60)


def test_an_export_costs_nothing():
    assert (quoted(turns=0).credits_likely, quoted(turns=0).credits_most) == (0, 0)


@pytest.mark.parametrize(
    ("finish_by", "reach"), [(59, "unreachable"), (109, "unlikely"), (110, "likely"), (239, "likely"), (240, "safe")]
)
def test_a_deadline_is_within_reach_or_not(finish_by, reach):
    assert quoted(finish_by=finish_by).finish_by == reach


@pytest.mark.parametrize(("start_by", "reach"), [(9, "unlikely"), (10, "likely"), (40, "safe")])
def test_so_is_a_beginning(start_by, reach):
    assert quoted(start_by=start_by).start_by == reach


def test_nobody_is_told_what_nobody_knows():
    found = quoted(UNKNOWN, start_by=1, finish_by=1)
    assert (found.credits_most, found.finish_p50, found.finish_p90) == (None,) * 3
    assert found.credits_likely == 16
    assert (found.start_by, found.finish_by, found.basis, found.samples) == ("unknown", "unknown", "none", 0)


def test_too_few_jobs_call_nothing_unreachable():
    few = Estimates(samples=5, work_p10_s=60, work_p50_s=100, work_p90_s=200, wait_p50_s=10, wait_p90_s=40)
    assert quoted(few, finish_by=1).finish_by == "unlikely"
