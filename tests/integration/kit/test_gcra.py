"""The script in a real Redis, and its twin inside the process: both are held to the same laws."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.engine import HandClock
from reelqueue.dev.valkey import EmbeddedValkey
from reelqueue.kit import gcra
from reelqueue.kit.clock import SystemClock
from reelqueue.kit.gcra import SHARE, Gcra, LimiterUnavailable, connect, spacing
from reelqueue.kit.local_gcra import LocalGcra

SOON = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def most_in_any(window_s, moments):
    """The most of them that lie in any window of that length, its end not included."""
    moments = sorted(moments)
    most, first = 0, 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.fixture
def client(redis_url):
    client = connect(redis_url)
    yield client
    client.close()


@pytest.fixture
def shared(client):
    """A minute of one second."""
    return Gcra(client, prefix="t:", minute_s=1.0)


class Turned:
    """A Redis whose clock is ours: what the script takes for the time is put into it."""

    def __init__(self, client, monkeypatch):
        self.now_us = 1_700_000_000_000_000
        time_of = "local time = {math.floor(ARGV[#ARGV] / 1000000), ARGV[#ARGV] % 1000000}"
        for name in ("_TAKE", "_PAUSE", "_PAUSED"):
            text = getattr(gcra, name)
            assert "local time = redis.call('TIME')" in text
            monkeypatch.setattr(gcra, name, text.replace("local time = redis.call('TIME')", time_of))
        self.gate = Gcra(client, prefix="t:")
        run = self.gate._run
        monkeypatch.setattr(self.gate, "_run", lambda script, key, *rest: run(script, key, *rest, self.now_us))

    def forward(self, seconds):
        self.now_us += round(seconds * 1e6)

    @property
    def seconds(self):
        return self.now_us / 1e6


class Handed:
    """The same for the gate inside a process."""

    def __init__(self):
        self.clock = HandClock()
        self.gate = LocalGcra(self.clock)
        self.forward = self.clock.forward

    @property
    def seconds(self):
        return self.clock.monotonic()


@pytest.fixture(params=["redis", "process"])
def world(request, monkeypatch):
    if request.param == "process":
        yield Handed
        return
    client = connect(request.getfixturevalue("redis_url"))
    turned = Turned(client, monkeypatch)
    keys = iter(range(1_000_000))

    def fresh():
        turned.gate._prefix = f"t:{next(keys)}:"
        return turned

    yield fresh
    client.close()


# --- the laws ---------------------------------------------------------------------------------------------------------

waits = st.lists(st.sampled_from([0.0, 0.0, 0.001, 0.01, 0.3, 1.0, 5.0, 61.0]), min_size=30, max_size=150)


@SOON
@given(limit=st.integers(1, 40), burst=st.integers(1, 50), patience=st.sampled_from([0.0, 0.5, 2.0]), pauses=waits)
def test_no_window_of_a_minute_ever_holds_more_than_the_limit(world, limit, burst, patience, pauses):
    it = world()
    granted = []
    for pause in pauses:
        it.forward(pause)
        decision = it.gate.take("k", limit, burst, patience)
        if decision.admitted:
            granted.append(it.seconds + decision.wait_s)
    assert most_in_any(60.0, granted) <= limit


@SOON
@given(limit=st.integers(1, 400), burst=st.integers(1, 50), pauses=waits)
def test_waiting_as_long_as_told_always_succeeds_for_a_lone_caller(world, limit, burst, pauses):
    it = world()
    for pause in pauses:
        it.forward(pause)
        decision = it.gate.take("k", limit, burst)
        if not decision.admitted:
            assert decision.spread_s >= decision.wait_s > 0
            it.forward(decision.wait_s + 1e-6)
            assert it.gate.take("k", limit, burst).admitted


@SOON
@given(limit=st.integers(2, 400), burst=st.integers(1, 50), takes=st.integers(1, 60))
def test_waits_grow_with_what_was_reserved_and_shrink_with_the_limit(world, limit, burst, takes):
    slow, quick = world(), world()
    told = [slow.gate.take("slow", limit, burst, 1e6).wait_s for _ in range(takes)]
    assert told == sorted(told)
    other = [quick.gate.take("quick", limit * 2, burst, 1e6).wait_s for _ in range(takes)]
    assert all(a <= b + 1e-6 for a, b in zip(other, told, strict=True))


@SOON
@given(limit=st.integers(1, 60), burst=st.integers(1, 60))
def test_what_is_said_to_remain_is_granted_at_once_and_no_more(world, limit, burst):
    it = world()
    it.gate.take("k", limit, burst)
    it.forward(3600)
    left = it.gate.take("k", limit, burst).remaining
    for expected in range(left - 1, -1, -1):
        decision = it.gate.take("k", limit, burst)
        assert (decision.admitted, decision.wait_s, decision.remaining) == (True, 0, expected)
    assert not it.gate.take("k", limit, burst).admitted


def test_those_who_are_refused_are_told_different_moments(world):
    it = world()
    while it.gate.take("k", 60, 1, 2.0).admitted:
        pass
    told = [it.gate.take("k", 60, 1, 2.0).spread_s for _ in range(30)]
    every = 1 / SHARE
    assert all(b - a == pytest.approx(every, abs=1e-3) for a, b in itertools.pairwise(told))
    assert it.gate.take("k", 60, 1, 1e6).wait_s < told[1], "a refusal reserves nothing"


def test_refusals_do_not_put_anybody_off_for_longer_than_a_minute(world):
    it = world()
    it.gate.take("k", 60)
    assert max(it.gate.take("k", 60).spread_s for _ in range(300)) < 64


def test_after_a_pause_comes_one_and_then_one_an_interval_however_large_the_burst(world):
    it = world()
    every, _ = spacing(60, 10)
    it.gate.take("k", 60, 10)
    it.forward(600)
    it.gate.pause("k", 30)
    it.gate.pause("k", 5)
    granted = []
    for _ in range(4_000):
        if it.gate.take("k", 60, 10).admitted:
            granted.append(it.seconds)
        it.forward(0.01)
    began = granted[0] - (it.seconds - 40)
    assert began == pytest.approx(30, abs=0.02), "the longer pause stays"
    for count, moment in enumerate(granted):
        assert moment - granted[0] >= count * every - 0.01, "each was asked for up to 0.01 s late"
    assert len(granted) > 5


def test_a_pause_is_known_and_ends(world):
    it = world()
    assert it.gate.paused("k") == 0
    it.gate.pause("k", 30)
    assert it.gate.paused("k") == pytest.approx(30)
    refused = it.gate.take("k", 60)
    assert (refused.admitted, refused.paused, refused.wait_s) == (False, True, pytest.approx(30))
    it.forward(31)
    assert it.gate.paused("k") == 0
    assert it.gate.take("k", 60).paused is False


def test_keys_know_nothing_of_each_other(world):
    it = world()
    it.gate.pause("a", 30)
    it.gate.take("c", 1, 1, 200)
    it.forward(100)
    assert it.gate.take("b", 1, 1, 100).admitted


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (float("nan"), 1), (float("inf"), 1), (10, 0)])
def test_what_is_no_limit_is_refused(rate, burst):
    with pytest.raises(ValueError, match="a limit"):
        spacing(rate, burst)


def test_less_than_one_a_minute_is_a_rate_too():
    assert spacing(0.5, 3) == (pytest.approx(120 / SHARE), 1)


# --- in a real Redis --------------------------------------------------------------------------------------------------


def test_sixty_threads_over_four_clients_are_as_one_and_use_what_is_allowed(redis_url, monkeypatch):
    """The script is made to tell the moment of each grant by the server's clock, so a busy machine changes nothing."""
    told = "return {1, wait, wait, math.max(0, left), paused}"
    assert told in gcra._TAKE
    monkeypatch.setattr(gcra, "_TAKE", gcra._TAKE.replace(told, told.replace("wait, wait", "at, at")))
    limit = 100
    clients = [connect(redis_url) for _ in range(4)]
    gates = [Gcra(client, prefix="t:", minute_s=1.0) for client in clients]
    granted, refused = [], []

    def work(gate):
        for _ in range(100):
            with suppress(LimiterUnavailable):
                decision = gate.take("k", limit, 1, 2.0)
                (granted if decision.admitted else refused).append(decision.wait_s)

    with ThreadPoolExecutor(60) as pool:
        for one in [pool.submit(work, gates[index % 4]) for index in range(60)]:
            one.result()
    for client in clients:
        client.close()
    assert most_in_any(1.0, granted) <= limit
    assert len(granted) >= 2 * limit
    assert (len(granted) - 1) / (max(granted) - min(granted)) >= 0.98 * limit
    assert refused, "they asked for more than there was"


def test_the_server_s_clock_decides_and_not_the_callers(shared, monkeypatch):
    for _ in range(2):
        monkeypatch.setattr(time, "time", lambda: 0.0)
        decision = shared.take("k", 60)
    assert (decision.admitted, decision.wait_s <= 1 / 60 / SHARE + 1e-6) == (False, True)


def test_what_redis_forgets_costs_at_most_a_window(shared, client):
    """FLUSHALL, and the scripts too: the next take works, and is one more than the limit would have it at most."""
    assert shared.take("k", 1, 1, 0).admitted
    assert not shared.take("k", 1, 1, 0).admitted
    client.flushall()
    client.script_flush()
    assert shared.take("k", 1, 1, 0).admitted
    assert not shared.take("k", 1, 1, 0).admitted


def test_nothing_stays_in_redis_for_ever(shared, client):
    shared.take("granted", 60)
    shared.take("granted", 60)
    shared.pause("paused", 5)
    assert {client.pttl(key) > 0 for key in client.keys("t:*")} == {True}
    assert len(client.keys("t:*")) == 2


def test_a_pause_outlives_a_take_that_would_let_it_be_forgotten(shared, client):
    shared.pause("k", 30)
    shared.take("k", 600, 1, 100)
    assert client.pttl("t:k") > 29_000


@pytest.mark.parametrize("ask", ["take", "pause", "paused"])
def test_a_redis_that_is_gone_is_one_error_and_no_secret(ask):
    gone = Gcra(connect("redis://user:hunter2@127.0.0.1:1"), prefix="t:")
    arguments = {"take": ("k", 60), "pause": ("k", 1), "paused": ("k",)}[ask]
    with pytest.raises(LimiterUnavailable) as caught:
        getattr(gone, ask)(*arguments)
    assert "hunter2" not in repr(caught.value)


def test_a_client_is_bounded_in_connections_and_in_time():
    pool = connect("redis://127.0.0.1:1").connection_pool
    bounds = {name: pool.connection_kwargs[name] for name in ("socket_timeout", "socket_connect_timeout")}
    assert bounds == {"socket_timeout": gcra.ANSWER_S, "socket_connect_timeout": gcra.ANSWER_S}
    assert (pool.max_connections, pool.timeout) == (gcra.CONNECTIONS, gcra.ANSWER_S)


def test_a_redis_that_hangs_is_as_good_as_gone(tmp_path):
    server = EmbeddedValkey(tmp_path / "own", tethered=True)
    server.start()
    try:
        gate = Gcra(connect(server.url), prefix="t:")
        assert gate.take("k", 60).admitted
        with redis.Redis.from_url(server.url) as other:
            other.execute_command("CLIENT", "PAUSE", 5_000)
        with pytest.raises(LimiterUnavailable):
            gate.take("k", 60)
    finally:
        server.destroy()


def test_a_process_s_own_gate_is_of_many_threads():
    gate = LocalGcra(SystemClock())
    with ThreadPoolExecutor(60) as pool:
        told = sorted(pool.map(lambda _: gate.take("k", 60, 1, 1e6).wait_s, range(300)))
    assert min(b - a for a, b in itertools.pairwise(told)) > 0.9


def test_a_process_s_own_gate_begins_with_a_wait_and_forgets_what_is_at_rest():
    it = Handed()
    assert it.gate.take("first", 60, 1, 0).wait_s == pytest.approx(1 / SHARE)
    for number in range(1_000):
        it.gate.take(f"k{number}", 60)
    it.forward(3_600)
    it.gate.pause("last", 5)
    assert len(it.gate._states) == 1
