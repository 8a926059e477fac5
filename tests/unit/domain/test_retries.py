from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelqueue.domain.retries import MAX_RETRY_AFTER_S, RetryPolicy, parse_retry_after

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = RetryPolicy(max_attempts=5, base_s=1.0, cap_s=30.0)


@given(attempts_made=st.integers(0, 10**9), seed=st.integers())
def test_a_delay_lies_within_its_bound(attempts_made, seed):
    assert 0 <= POLICY.delay(attempts_made, random.Random(seed)) <= POLICY.bound(attempts_made) <= POLICY.cap_s


def test_the_bound_doubles_up_to_the_cap():
    assert [POLICY.bound(n) for n in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


def test_the_jitter_is_full():
    rng = random.Random(3)
    delays = sorted(POLICY.delay(5, rng) for _ in range(2000))
    assert delays[0] < 0.2
    assert delays[-1] > 15.8
    assert 7 < sum(delays) / len(delays) < 9


@given(attempts_made=st.integers(1, 100), seed=st.integers(), retry_after_s=st.floats(0, 3600))
def test_the_server_is_never_asked_sooner_than_it_said(attempts_made, seed, retry_after_s):
    assert POLICY.delay(attempts_made, random.Random(seed), retry_after_s=retry_after_s) >= retry_after_s


def test_attempts_end():
    assert [POLICY.exhausted(n) for n in (0, 4, 5, 6)] == [False, False, True, True]


@pytest.mark.parametrize("bad", [(0, 1, 2), (1, -1, 2), (1, 3, 2)])
def test_a_senseless_policy_is_refused(bad):
    with pytest.raises(ValueError, match="retry policy"):
        RetryPolicy(*bad)


# --- Retry-After ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0), ("120", 120), (" 7 ", 7), ("3600", 3600), ("3601", 3600), ("9" * 60, 3600), ("007", 7),
        ("Sun, 01 Mar 2026 12:02:00 GMT", 120),
        ("Sunday, 01-Mar-26 12:02:00 GMT", 120),
        ("Sun Mar  1 12:02:00 2026", 120),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Sun, 01 Mar 2026 14:00:00 GMT", 3600),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
    ],
)  # fmt: skip
def test_what_is_read(value, seconds):
    assert parse_retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    "value", [None, "", " ", "-1", "+5", "1.5", "1e3", "\uff11\uff12", "soon", "nan", "inf", "9" * 65, "Sun, 99 Mar"]
)
def test_what_is_not(value):
    assert parse_retry_after(value, NOW) is None


@given(st.text())
def test_any_text_is_read_or_not_but_never_raises(value):
    assert 0 <= (parse_retry_after(value, NOW) or 0) <= MAX_RETRY_AFTER_S


@given(seconds=st.integers(0, 3600))
def test_a_date_says_the_same_as_its_distance(seconds):
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert parse_retry_after(date, NOW) == parse_retry_after(str(seconds), NOW) == seconds
