from __future__ import annotations

import itertools
import random

import pytest

from fakes.engine import HandClock
from reelqueue.domain.pace import DEFAULT_COOLING_S, Pace
from reelqueue.domain.upstream import Credential
from reelqueue.errors import RateLimited, TokenCooling, UpstreamThrottled
from reelqueue.kit.gcra import SHARE, LimiterUnavailable
from reelqueue.kit.local_gcra import LocalGcra
from reelqueue.kit.metrics import Metrics
from reelqueue.nemo.error_table import Call
from reelqueue.nemo.throttle import MOST_WAIT_S, PATIENCE_S, REDIS_AGAIN_S, TokenThrottle

EVERY = 0.2 / SHARE


class Shared(LocalGcra):
    """Redis, which may be gone. Unlike the gate inside a process it grants the first at once."""

    def __init__(self, clock):
        super().__init__(clock)
        self.gone = False
        self.asked = 0

    def _there(self):
        self.asked += 1
        if self.gone:
            raise LimiterUnavailable("ConnectionError")

    def take(self, key, per_minute, burst=1, max_wait_s=0.0):
        self._there()
        return super().take(key, per_minute, burst, max_wait_s)

    def pause(self, key, seconds):
        self._there()
        super().pause(key, seconds)

    def paused(self, key):
        self._there()
        return super().paused(key)

    def _state(self, key, now, first):
        return super()._state(key, now, 0)


class Bench:
    def __init__(self, *, speed=1.0, alive=None):
        self.clock = HandClock()
        self.shared = Shared(self.clock)
        self.local = LocalGcra(self.clock)
        self.alive = alive
        self.metrics = Metrics()
        self.throttle = TokenThrottle(
            self.shared,
            self.local,
            live_workers=lambda: self.alive,
            clock=self.clock,
            rng=random.Random(1),
            metrics=self.metrics,
            speed=speed,
        )

    def enter(self, token="tok", call=Call.RUN_TURN, **pace):
        self.throttle.enter(call, Credential(token, "s", Pace(**{"per_minute": 300, **pace})), None)

    def enters(self, seconds, token="tok", **pace):
        """The moments at which calls leave that are made as soon as may be."""
        moments, end = [], self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            try:
                self.enter(token, **pace)
                moments.append(self.clock.monotonic())
            except UpstreamThrottled as refused:
                self.clock.forward(min(refused.retry_after, 0.05))
        return moments


@pytest.fixture
def bench():
    return Bench()


def count(metric, *labels):
    return (metric.labels(*labels) if labels else metric)._value.get()


def test_the_first_call_leaves_at_once_and_the_next_waits_on_its_own_thread(bench):
    bench.enter()
    assert bench.clock.slept == []
    bench.enter()
    assert bench.clock.slept == [pytest.approx(EVERY, abs=1e-5)]


def test_no_thread_is_held_for_more_than_two_seconds(bench):
    """Reserved by others, the next grant is too far away: nothing is reserved, and nobody sleeps."""
    while bench.shared.take("token:tok", 300, 1, MOST_WAIT_S).admitted:
        pass
    with pytest.raises(UpstreamThrottled) as caught:
        bench.enter()
    assert caught.value.retry_after > MOST_WAIT_S
    assert not isinstance(caught.value, TokenCooling)
    assert bench.clock.slept == []
    assert count(bench.metrics.throttled, "rate") == 1


def test_a_step_that_has_begun_is_let_finish_before_another_begins(bench):
    for call, patience_s in PATIENCE_S.items():
        assert patience_s < MOST_WAIT_S
        while bench.shared.take("token:tok", 300, 1, patience_s).admitted:
            pass
        with pytest.raises(UpstreamThrottled):
            bench.enter(call=call)
        bench.enter(call=Call.RUN_TURN)


def test_two_who_are_put_off_come_back_at_different_moments(bench):
    bench.shared.pause("token:tok", 60)
    told = []
    for _ in range(20):
        with pytest.raises(TokenCooling) as caught:
            bench.enter()
        told.append(caught.value.retry_after)
    assert min(told) >= 60
    assert len(set(told)) == 20


def test_tokens_do_not_wait_for_each_other_and_client_ids_have_a_rate_too(bench):
    for _ in range(2):
        bench.enter("one")
    bench.enter("two")
    bench.throttle.enter(Call.ANONYMOUS_TOKEN, None, "client")
    assert len(bench.clock.slept) == 1
    with pytest.raises(UpstreamThrottled):
        bench.throttle.enter(Call.ANONYMOUS_TOKEN, None, "client")
    bench.throttle.enter(Call.ANONYMOUS_TOKEN, None, "another")


def test_a_client_id_is_not_told_to_redis(bench):
    bench.throttle.enter(Call.ANONYMOUS_TOKEN, None, "secret-client")
    bench.throttle.refused(None, "secret-client", 5)
    assert bench.shared._states
    assert not [key for key in bench.shared._states if "secret" in key]


def test_a_429_pauses_everybody_who_has_the_token_for_as_long_as_it_asks_or_half_a_minute(bench):
    for asked, seconds in ((7.0, 7.0), (None, DEFAULT_COOLING_S)):
        token = f"tok{asked}"
        bench.enter(token)
        bench.throttle.refused(Credential(token, "s"), None, asked)
        began = bench.clock.monotonic()
        moments = bench.enters(seconds + 3, token)
        assert moments[0] - began == pytest.approx(seconds, abs=0.06)
        gaps = [b - a for a, b in itertools.pairwise(moments)]
        assert min(gaps) >= EVERY - 1e-5, "no burst after it"
    assert count(bench.metrics.coolings) == 2


def test_whoever_sleeps_when_the_pause_begins_does_not_leave_in_it(bench):
    bench.enter()
    sleep = bench.clock.sleep
    bench.clock.sleep = lambda seconds: (sleep(seconds), bench.throttle.refused(Credential("tok", "s"), None, 9))
    with pytest.raises(TokenCooling) as caught:
        bench.enter()
    assert caught.value.retry_after == pytest.approx(9)


def test_a_thread_that_stood_still_asks_again(bench):
    """Frozen in its sleep, with many others: all their grants lie in the past when it thaws."""
    bench.enter()
    sleep = bench.clock.sleep

    def freeze(seconds):
        sleep(seconds + 60)
        while bench.shared.take("token:tok", 300, 1, MOST_WAIT_S).admitted:
            pass

    bench.clock.sleep = freeze
    with pytest.raises(UpstreamThrottled):
        bench.enter()


def test_a_pause_in_the_token_s_row_holds_though_redis_has_forgotten_it_and_is_told_to_it_again(bench):
    read_at = bench.clock.monotonic()
    bench.clock.forward(10)
    with pytest.raises(TokenCooling) as caught:
        bench.enter(cooling_s=40, read_at=read_at)
    assert caught.value.retry_after == pytest.approx(30)
    assert bench.shared.paused("token:tok") == pytest.approx(30)
    with pytest.raises(TokenCooling):
        bench.enter()
    bench.clock.forward(30)
    bench.enter(cooling_s=40, read_at=read_at)


def test_the_learned_rate_is_the_one_that_is_kept(bench):
    moments = bench.enters(30, learned_per_minute=30, learned_age_s=0, read_at=None)
    assert len(moments) == pytest.approx(30 * 0.98 * 30 / 60, abs=2)


def test_a_twin_s_minute_is_as_much_shorter_as_its_clock_is_faster():
    bench = Bench(speed=10)
    bench.throttle.refused(Credential("tok", "s"), None, None)
    assert bench.shared.paused("token:tok") == pytest.approx(DEFAULT_COOLING_S / 10)


# --- without Redis ----------------------------------------------------------------------------------------------------


def test_without_redis_a_worker_keeps_its_share(bench):
    bench.shared.gone, bench.alive = True, 5
    began = bench.clock.monotonic()
    moments = bench.enters(61)
    assert moments[0] - began >= EVERY * 5 - 1e-3, "whoever kept the rate before may have granted one just now"
    assert len(moments) == pytest.approx(300 / 5 * SHARE, abs=2)
    assert count(bench.metrics.throttle_alone) >= len(moments)


def test_where_the_share_is_unknown_nothing_leaves(bench):
    bench.shared.gone = True
    told = set()
    for _ in range(5):
        with pytest.raises(UpstreamThrottled) as caught:
            bench.enter()
        told.add(caught.value.retry_after)
    assert len(told) == 5
    assert min(told) >= 5
    assert bench.clock.slept == []
    assert count(bench.metrics.throttled, "no_share") == 5


def test_without_redis_a_pause_holds_in_this_process_and_by_the_row(bench):
    bench.shared.gone, bench.alive = True, 1
    bench.throttle.refused(Credential("tok", "s"), None, 20)
    with pytest.raises(TokenCooling):
        bench.enter()
    with pytest.raises(TokenCooling):
        bench.enter("other", cooling_s=20)
    bench.alive = None
    with pytest.raises(TokenCooling) as caught:
        bench.enter("third", cooling_s=20)
    assert caught.value.retry_after >= 20


def test_a_redis_that_is_gone_is_not_waited_for_by_each_call_and_is_used_when_it_is_back(bench):
    bench.shared.gone = True
    for _ in range(10):
        with pytest.raises(RateLimited):
            bench.enter()
    assert bench.shared.asked == 1
    bench.shared.gone = False
    bench.clock.forward(REDIS_AGAIN_S)
    bench.enter()


def test_the_change_to_the_share_and_back_never_makes_more_than_the_rate(bench):
    bench.alive = 1
    moments = []
    for gone in (False, True, False, True, False):
        bench.shared.gone = gone
        moments += bench.enters(17)
    most = max(sum(first <= moment < first + 60 for moment in moments) for first in moments)
    assert most <= 300
