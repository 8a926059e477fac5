"""The client behind its throttle: nothing leaves unasked, and the upstream never sees more than the limit."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from fakes.nemo_methods import METHODS, SID
from fakes.rawhttp import always
from fakes.unthrottled import Unthrottled
from reelqueue.domain.pace import Pace
from reelqueue.domain.upstream import Credential, TurnControl
from reelqueue.errors import RateLimited, ReelqueueError, TokenCooling, UpstreamThrottled
from reelqueue.kit.clock import SystemClock
from reelqueue.kit.gcra import Gcra, connect
from reelqueue.kit.local_gcra import LocalGcra
from reelqueue.kit.metrics import Metrics
from reelqueue.nemo.throttle import TokenThrottle

BALANCE = b'{"code": 0, "data": {"credits": 1, "available": 1, "frozen": 0, "total": 1}}'


class Closed(Unthrottled):
    """A throttle that lets nothing through."""

    def enter(self, call, credential, client_id):
        super().enter(call, credential, client_id)
        raise UpstreamThrottled(retry_after=3)


@pytest.fixture
def over_redis(redis_url):
    """Make throttles as processes have them: each with connections of its own."""
    clients = []

    def make(speed=1.0):
        client = connect(redis_url)
        clients.append(client)
        clock = SystemClock()
        return TokenThrottle(
            Gcra(client, prefix="t:", minute_s=60 / speed),
            LocalGcra(clock, minute_s=60 / speed),
            live_workers=lambda: None,
            clock=clock,
            rng=random.Random(1),
            metrics=Metrics(),
            speed=speed,
        )

    yield make
    for client in clients:
        client.close()


@pytest.mark.parametrize("name", METHODS)
def test_every_call_asks_first_and_nothing_leaves_when_it_may_not(serve, connect, credential, tmp_path, name):
    served = []
    throttle = Closed()
    client = connect(serve(served.append), throttle=throttle)
    with pytest.raises(UpstreamThrottled):
        METHODS[name][2](client, credential, tmp_path)
    assert len(throttle.entered) == 1
    assert served == [], "not even a connection"


def test_a_turn_that_is_held_back_leaves_the_intent_untouched(serve, connect, credential):
    served, gated = [], []
    client = connect(serve(served.append), throttle=Closed())
    control = TurnControl(lambda: gated.append(1))
    with pytest.raises(UpstreamThrottled):
        client.run_turn(credential, session_id=SID, text="x", control=control, on_progress=lambda _: None)
    assert (served, gated, control.bytes_sent) == ([], [], 0)


@pytest.mark.parametrize(("header", "asked"), [(("Retry-After", "7"), 7.0), (("X-Nothing", "1"), None)])
@pytest.mark.parametrize("name", METHODS)
def test_every_429_pauses_whoever_called(serve, connect, credential, tmp_path, name, header, asked):
    throttle = Unthrottled()
    client = connect(serve(always(b"slow down", status=429, headers=dict([header]))), throttle=throttle)
    with pytest.raises(RateLimited):
        METHODS[name][2](client, credential, tmp_path)
    who = "client-1" if name == "anonymous_token" else credential.token_id
    assert throttle.refusals == [(who, asked)]


def test_what_reaches_the_upstream_from_four_processes_is_never_more_than_the_limit(
    serve, connect, credential, over_redis
):
    """Forty threads over four clients ask as fast as they may, for two minutes of two seconds each."""
    limit, speed, seconds = 100, 30.0, 4.0
    arrived, lock = [], threading.Lock()

    def answer(peer):
        while peer.read_request() is not None:
            with lock:
                arrived.append(time.monotonic())
            peer.reply(BALANCE)

    server = serve(answer)
    clients = [connect(server, throttle=over_redis(speed)) for _ in range(4)]
    paced = Credential("tok", "secret", Pace(per_minute=limit))
    end = time.monotonic() + seconds

    def work(client):
        while time.monotonic() < end:
            try:
                client.balance(paced)
            except UpstreamThrottled as error:
                time.sleep(min(error.retry_after, 0.2))

    with ThreadPoolExecutor(40) as pool:
        for index in range(40):
            pool.submit(work, clients[index % 4])
    # Three quarters of a minute, so that a busy machine, where calls arrive late, breaks nothing.
    window = 60 / speed * 0.75
    assert max(sum(first <= moment < first + window for moment in arrived) for first in arrived) <= limit
    assert len(arrived) > limit


def test_after_a_429_nobody_calls_until_the_pause_is_over(serve, connect, over_redis):
    """The one who hears of it tells Redis; a client in another process does not even connect."""
    served = []

    def refuse(peer):
        served.append(1)
        always(b"slow down", status=429, headers={"Retry-After": "30"})(peer)

    server = serve(refuse)
    first, second = connect(server, throttle=over_redis()), connect(server, throttle=over_redis())
    with pytest.raises(RateLimited):
        first.balance(Credential("tok", "secret"))
    for client in (first, second):
        with pytest.raises(TokenCooling) as caught:
            client.balance(Credential("tok", "secret"))
        assert 25 < caught.value.retry_after < 35
    assert len(served) == 1
    with suppress(ReelqueueError):
        second.balance(Credential("other", "secret"))
    assert len(served) == 2
