from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelqueue.domain.deliveries import MAX_ATTEMPTS, SCHEDULE_S, next_attempt_at
from reelqueue.domain.retries import MAX_RETRY_AFTER_S

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
rngs = st.integers().map(random.Random)
retry_afters = st.floats(0, MAX_RETRY_AFTER_S)


def wait(attempts_made: int, **kwargs) -> float:
    kwargs.setdefault("rng", random.Random(1))
    moment = next_attempt_at(attempts_made, NOW, **kwargs)
    assert moment is not None
    return (moment - NOW).total_seconds()


def test_the_schedule_is_the_promised_one():
    assert SCHEDULE_S == (0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
    assert sum(SCHEDULE_S) / 3600 == pytest.approx(75.6, abs=0.1)
    assert MAX_ATTEMPTS == 10


def test_the_first_try_is_at_once():
    assert wait(0) == 0


@given(attempts_made=st.integers(MAX_ATTEMPTS, 10**6), rng=rngs, retry_after_s=st.none() | retry_afters)
def test_after_the_last_try_there_is_none(attempts_made, rng, retry_after_s):
    assert next_attempt_at(attempts_made, NOW, rng=rng, retry_after_s=retry_after_s) is None


@given(attempts_made=st.integers(0, MAX_ATTEMPTS - 1), rng=rngs)
def test_a_wait_is_its_slot_give_or_take_a_fifth(attempts_made, rng):
    slot = SCHEDULE_S[attempts_made]
    assert slot * 0.8 - 1e-3 <= wait(attempts_made, rng=rng) <= slot * 1.2 + 1e-3


def test_waits_differ():
    assert len({wait(4, rng=random.Random(seed)) for seed in range(50)}) == 50


@given(attempts_made=st.integers(1, MAX_ATTEMPTS - 1), rng=rngs, retry_after_s=retry_afters)
def test_retry_after_is_honoured_within_one_and_two_slots(attempts_made, rng, retry_after_s):
    waited = wait(attempts_made, rng=rng, retry_after_s=retry_after_s)
    assert waited >= retry_after_s - 1e-3
    slots = [slot for slot in SCHEDULE_S[attempts_made:] if 2 * slot >= retry_after_s]
    assert slots[0] - 1e-3 <= waited <= 2 * slots[0] + 1e-3


@pytest.mark.parametrize(
    ("attempts_made", "retry_after_s", "least", "most"),
    [
        (1, 1, 5, 6),  # asks for less than the slot: the slot
        (1, 8, 8, 9.6),
        (1, 10, 10, 10),  # twice the slot is the end of it
        (1, 120, 300, 360),  # out of its reach: the next slot
        (2, 120, 300, 360),
        (2, 500, 500, 600),
        (1, 3600, 3600, 3600),
        (9, 3600, 86400, 103_680),
    ],
)
def test_retry_after_by_example(attempts_made, retry_after_s, least, most):
    for seed in range(30):
        waited = wait(attempts_made, rng=random.Random(seed), retry_after_s=retry_after_s)
        assert least - 1e-3 <= waited <= most + 1e-3


@given(attempts_made=st.integers(0, MAX_ATTEMPTS - 1), seed=st.integers(), speed=st.floats(1, 1000))
def test_speed_shortens_the_slots_but_not_what_the_receiver_asked_for(attempts_made, seed, speed):
    slow = wait(attempts_made, rng=random.Random(seed))
    fast = wait(attempts_made, rng=random.Random(seed), speed=speed)
    assert fast == pytest.approx(slow / speed, abs=1e-3)
    assert wait(attempts_made, rng=random.Random(seed), retry_after_s=100, speed=speed) >= 100
