"""A key's rate over several gateways, in a real Redis, and without one."""

from __future__ import annotations

import asyncio

import pytest

from fakes.engine import HandClock
from reelqueue.errors import QuotaExceeded
from reelqueue.gateway.auth import Principal
from reelqueue.gateway.rates import ALONE_S, KeyRates, rate_headers
from reelqueue.gateway.threads import Threads
from reelqueue.kit.gcra import Gcra, connect
from reelqueue.kit.ids import new_id
from reelqueue.kit.local_gcra import LocalGcra

PER_MINUTE = 8
AT_ONCE = 2


@pytest.fixture
def key():
    return Principal(tenant_id="ten_x", key_id=new_id("api_key"), scopes=frozenset(), requests_per_minute=PER_MINUTE)


@pytest.fixture
def threads():
    made = Threads(quick=2)
    yield made
    made.stop()


class Counted:
    """A gate that counts who comes."""

    def __init__(self, gate):
        self.gate = gate
        self.asked = 0

    def take(self, *arguments, **named):
        self.asked += 1
        return self.gate.take(*arguments, **named)


def gateway(gate, threads, clock=None):
    clock = clock or HandClock()
    return KeyRates(gate, LocalGcra(clock), clock=clock, threads=threads)


async def admitted(rates, key):
    """Whether one request passes, and its headers."""
    state = {}
    try:
        await rates.hold(key, state)
    except QuotaExceeded:
        return False, rate_headers(state)
    return True, rate_headers(state)


def test_two_gateways_keep_one_rate(redis_url, key, threads):
    clients = [connect(redis_url) for _ in range(2)]
    gateways = [gateway(Gcra(client, prefix="k:"), threads) for client in clients]

    async def ask():
        return [await admitted(gateways[number % 2], key) for number in range(6)]

    answers = asyncio.run(ask())
    assert [passed for passed, _ in answers] == [True] * AT_ONCE + [False] * 4
    assert all(headers["ratelimit-policy"] == '"key";q=8;w=60' for _, headers in answers)
    assert [headers["ratelimit"] for _, headers in answers][:2] == ['"key";r=1', '"key";r=0']
    for client in clients:
        client.close()


def test_without_redis_each_gateway_keeps_the_rate_by_itself(key, threads):
    clock = HandClock()
    gone = Counted(Gcra(connect("redis://127.0.0.1:1"), prefix="k:"))
    rates = gateway(gone, threads, clock)

    async def ask(count):
        return [(await admitted(rates, key))[0] for _ in range(count)]

    # Whoever kept the rate before may just have granted one.
    assert asyncio.run(ask(2)) == [False, False]
    clock.sleep(ALONE_S - 1)
    assert gone.asked == 1
    clock.sleep(60)
    assert asyncio.run(ask(6)).count(True) == AT_ONCE
    assert gone.asked == 2
