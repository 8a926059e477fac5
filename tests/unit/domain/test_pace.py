from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelqueue.domain.pace import (
    DEFAULT_COOLING_S,
    LEAST_PER_MINUTE,
    LONGEST_COOLING_S,
    RECOVERY_S,
    Pace,
    cooling_s,
    effective,
    halved,
)

rates = st.floats(1, 10_000)
ages = st.floats(0, 1e6)


def test_without_a_lesson_the_configured_rate_is_used():
    assert effective(300, None, 0) == 300


@given(rates, rates, ages, ages)
def test_what_was_learned_comes_back_little_by_little_and_never_past_what_is_configured(configured, learned, one, more):
    sooner, later = effective(configured, learned, one), effective(configured, learned, one + more)
    assert min(configured, learned) <= sooner <= later <= configured
    assert effective(configured, learned, RECOVERY_S) == configured


def test_half_of_it_comes_back_in_half_an_hour():
    assert effective(300, 150, 900) == pytest.approx(225)
    assert effective(300, 150, 1800) == 300


def test_a_wrong_limit_heals_itself():
    """300 are configured and 60 allowed: after a while the rate stays between half of what is allowed and all of it."""
    learned, age, seen = None, 0.0, []
    for second in range(4 * 3600):
        rate, age = effective(300, learned, age), age + 1
        if rate > 60:
            learned, age = halved(rate), 0.0
        if second > 600:
            seen.append(rate)
    assert min(seen) >= 30
    assert max(seen) < 61
    assert sum(seen) / len(seen) > 44


def test_no_number_of_429s_takes_the_rate_away():
    rate = 300.0
    for _ in range(100):
        rate = halved(rate)
    assert rate == LEAST_PER_MINUTE


def test_each_429_in_a_row_doubles_the_pause_up_to_ten_minutes():
    assert [cooling_s(None, strikes) for strikes in range(1, 8)] == [30, 60, 120, 240, 480, 600, 600]
    assert cooling_s(None, 10_000) == LONGEST_COOLING_S


@given(st.none() | st.floats(0, 86_400), st.integers(1, 50), st.sampled_from([1.0, 60.0, 1e4]))
def test_what_the_upstream_asks_for_is_always_kept(asked, strikes, speed):
    seconds = cooling_s(asked, strikes, speed=speed)
    assert seconds >= (asked or 0.0)
    assert seconds <= max(asked or 0.0, LONGEST_COOLING_S / speed)
    assert cooling_s(asked, strikes + 1, speed=speed) >= seconds


def test_speed_shortens_the_pause_that_is_left_to_us_and_hastens_what_comes_back():
    assert cooling_s(None, 1, speed=10) == DEFAULT_COOLING_S / 10
    assert Pace(per_minute=300, learned_per_minute=150, learned_age_s=90).rate_at(0, speed=10) == pytest.approx(225)


def test_a_pace_that_was_read_a_while_ago_is_that_much_older():
    pace = Pace(per_minute=300, learned_per_minute=150, cooling_s=20, read_at=100.0)
    assert (pace.cooling_at(105), pace.cooling_at(130)) == (15, 0)
    assert pace.rate_at(1000) == pytest.approx(225)
