from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from reelqueue.domain.quotas import Rate

START = datetime(2030, 1, 1, tzinfo=UTC)
LIMITS = st.integers(1, 100_000)


@given(LIMITS, st.lists(st.tuples(st.integers(0, 90_000), st.integers(1, 50)), max_size=30))
def test_waiting_suffices_and_no_less_does(limit, asked):
    """Whatever was taken before, and whenever."""
    now, mark = START, None
    for later_ms, count in asked:
        now += timedelta(milliseconds=later_ms)
        rate = Rate(limit=limit, mark=mark, now=now)
        wait_s = rate.wait_s(count)
        assert (wait_s is None) == (count > limit)
        if wait_s is None:
            continue
        if wait_s:
            assert count > rate.remaining
            early = Rate(limit=limit, mark=mark, now=now + timedelta(seconds=wait_s) - timedelta(microseconds=2))
            assert early.wait_s(count) > 0
            now += timedelta(seconds=wait_s)
            rate = Rate(limit=limit, mark=mark, now=now)
            assert rate.wait_s(count) == 0
        else:
            assert count <= rate.remaining
        mark = rate.after(count).mark


@given(LIMITS)
def test_the_whole_number_may_come_at_once_and_is_free_again_after_a_minute(limit):
    full = Rate(limit=limit, mark=None, now=START).after(limit)
    assert (full.used, full.remaining) == (limit, 0)
    assert full.wait_s(1) > 0
    assert 60 <= full.resets_s <= 61
    rested = Rate(limit=limit, mark=full.mark, now=START + timedelta(seconds=full.resets_s))
    assert rested.remaining == limit
