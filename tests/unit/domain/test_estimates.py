"""Quantiles of what jobs took, and when there are too few to say anything."""

from __future__ import annotations

import pytest

from fakes.engine import make_job
from reelqueue.domain.estimates import (
    ENOUGH_TO_JUDGE,
    ENOUGH_TO_SAY,
    ONE_TURN,
    UNKNOWN,
    Sample,
    Size,
    estimate,
    quantile,
    size_of,
)

EXPORT = Size(turns=0, exports=True)


def samples(count, *, work=100.0, size=ONE_TURN, cost=7.0):
    return [Sample(size=size, wait_s=float(n), work_s=work + n, credits=cost) for n in range(count)]


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([3.0], 0.9, 3.0), ([4, 1, 3, 2, 5], 0.5, 3), ([0, 10], 0.25, 2.5), ([1, 2, 3], 0.0, 1), ([1, 2, 3], 1.0, 3)],
)
def test_a_quantile_lies_between_two_values_by_proportion(values, share, expected):
    assert quantile(values, share) == expected


def test_ones_own_jobs_come_before_everybodys():
    found = estimate(samples(ENOUGH_TO_SAY), samples(100, work=900.0), ONE_TURN)
    assert (found.basis, found.samples) == ("own", ENOUGH_TO_SAY)
    assert (found.work_p10_s, found.work_p50_s, found.work_p90_s) == pytest.approx((100.4, 102, 103.6))
    assert (found.wait_p50_s, found.wait_p90_s) == pytest.approx((2, 3.6))


def test_too_few_of_ones_own_give_way_to_everybodys():
    found = estimate(samples(ENOUGH_TO_SAY - 1), samples(ENOUGH_TO_SAY, work=900.0), ONE_TURN)
    assert (found.basis, found.work_p50_s) == ("everybody", 902)


def test_too_few_of_all_say_nothing():
    assert estimate(samples(4), samples(4), ONE_TURN) == UNKNOWN


def test_only_jobs_of_the_same_size_tell_how_long_one_works():
    found = estimate(samples(50), samples(50), EXPORT)
    assert (found.samples, found.work_p10_s) == (0, None)
    assert found.wait_p50_s == 24.5


def test_credits_are_a_turns_and_the_most_is_the_most_that_was_seen():
    own = [*samples(5, cost=4.0), *samples(1, cost=30.0), *samples(20, cost=None)]
    found = estimate(own, samples(50), ONE_TURN)
    assert found.credits_most == 30
    assert estimate(samples(9, cost=None), samples(50), ONE_TURN).credits_most == 7


def test_a_tenth_of_too_few_jobs_judges_nobody():
    assert estimate(samples(ENOUGH_TO_JUDGE - 1), [], ONE_TURN).least_s is None
    assert estimate(samples(ENOUGH_TO_JUDGE), [], ONE_TURN).least_s == pytest.approx(101.9)


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({}, ONE_TURN),
        ({"instructions": ("a", "b", "c"), "instruction_index": 1}, Size(turns=2, exports=True)),
        ({"outputs": ()}, Size(turns=1, exports=False)),
        ({"instructions": (), "version": 3}, EXPORT),
    ],
)
def test_the_size_of_a_job_is_what_is_left_of_it(changes, size):
    assert size_of(make_job(**changes)) == size
