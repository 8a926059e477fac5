"""Bells over a real broker."""

from __future__ import annotations

import json
from base64 import b64decode

import pytest
import redis

from reelqueue.domain.bells import Bell
from reelqueue.domain.jobs import Queue
from reelqueue.jobs.dispatch_ports import BrokerDown
from reelqueue.worker.app import make_app
from reelqueue.worker.bells import CeleryBells

BELLS = [Bell(Queue.STEP, f"job_{n}", recovery=n == 3) for n in range(40)] + [Bell(Queue.STREAM, "job_s")]


@pytest.fixture
def client(redis_url):
    with redis.Redis.from_url(redis_url) as one:
        yield one


def waiting(client, queue):
    """The tasks and ids of a queue's messages, the first to be taken first."""
    found = [json.loads(raw) for raw in reversed(client.lrange(queue, 0, -1))]
    return [(one["headers"]["task"], *json.loads(b64decode(one["body"]))[0]) for one in found]


def test_each_bell_is_a_message_on_its_queue_with_an_id_and_nothing_else(client, redis_url):
    CeleryBells(make_app(redis_url)).ring(BELLS)
    expected = [("reelqueue.recover" if n == 3 else "reelqueue.work", f"job_{n}") for n in range(40)]
    assert waiting(client, "step") == expected
    assert waiting(client, "stream") == [("reelqueue.work", "job_s")]


def test_a_batch_is_no_round_trip_for_each_bell(client, redis_url):
    bells = CeleryBells(make_app(redis_url))
    bells.ring(BELLS)
    before = client.info("stats")["total_reads_processed"]
    bells.ring(BELLS)
    # What comes in one piece is read in some, as the machine finds the time; the two questions here are reads as well.
    assert client.info("stats")["total_reads_processed"] - before < len(BELLS) / 2


def test_a_broker_that_is_away_is_told(redis_url):
    with pytest.raises(BrokerDown):
        CeleryBells(make_app(redis_url.rpartition(":")[0] + ":1/0")).ring(BELLS[:1])
