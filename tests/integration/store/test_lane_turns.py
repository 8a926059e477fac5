"""Whose lane is next: the tenant with the least under way, within what a host and the slow may have."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func

from fakes.job_rows import emptied
from reelqueue.domain.jobs import Queue
from reelqueue.store.continuing import LANES_OF_A_HOST
from reelqueue.store.tables import webhook_lanes


@pytest.fixture
def database(module_database):
    return emptied(module_database)


def lane(rows, tenant, host, **values):
    found = rows.lane(rows.message(tenant, url=f"https://{host}/", rung=False))
    if values:
        rows.write(webhook_lanes, found, **values)
    return found


def test_lanes_that_are_due_are_rung(board, dispatch, rows):
    tenant = board.tenant("one")
    due = lane(rows, tenant, "due.example")
    lane(rows, tenant, "later.example", due_at=func.now() + timedelta(hours=1))
    lane(rows, tenant, "empty.example", due_at=None)
    assert [(bell.id, bell.queue) for bell in dispatch.mark_due(Queue.WEBHOOK, 10)] == [(due, Queue.WEBHOOK)]
    assert dispatch.mark_due(Queue.WEBHOOK, 10) == []


def test_who_has_the_least_under_way_comes_first(board, dispatch, rows):
    """Not who is due the longest: a tenant with many receivers would keep the others waiting."""
    board.worker("webhook", capacity=100)
    many, one = board.tenant("many"), board.tenant("one")
    ago = func.now() - timedelta(hours=1)
    hosts = [lane(rows, many, f"h{n}.example", due_at=ago, window_at=ago) for n in range(6)]
    rows.write(webhook_lanes, hosts[0], dispatch="rung", bell_at=func.now())
    alone = lane(rows, one, "alone.example", due_at=func.now() - timedelta(seconds=1))
    assert [bell.id for bell in dispatch.mark_due(Queue.WEBHOOK, 1)] == [alone]
    assert {bell.id for bell in dispatch.mark_due(Queue.WEBHOOK, 10)} == set(hosts[1:])


def test_slow_receivers_share_half_of_the_room(board, dispatch, rows):
    board.worker("webhook", capacity=8)
    tenant, other = board.tenant("slow"), board.tenant("other")
    slow = [lane(rows, tenant, f"s{n}.example", latency_ms=14_000.0) for n in range(10)]
    prompt = [lane(rows, other, f"p{n}.example", window_at=func.now()) for n in range(3)]
    rung = {bell.id for bell in dispatch.mark_due(Queue.WEBHOOK, 8)}
    assert rung >= set(prompt)
    assert len(rung & set(slow)) == 4
    assert dispatch.mark_due(Queue.WEBHOOK, 8) == []


def test_receivers_that_never_answered_are_slow_until_they_do(board, dispatch, rows):
    """A tenant with many new endpoints that hang would otherwise have every thread, until the first deadline."""
    board.worker("webhook", capacity=8)
    fresh, known = board.tenant("fresh"), board.tenant("known")
    new = [lane(rows, fresh, f"n{n}.example") for n in range(20)]
    tried = [lane(rows, known, f"k{n}.example", failing_since=func.now()) for n in range(2)]
    rung = {bell.id for bell in dispatch.mark_due(Queue.WEBHOOK, 8)}
    assert rung >= set(tried)
    assert len(rung & set(new)) == 4


def test_one_slow_receiver_is_tried_however_little_room_there_is(board, dispatch, rows):
    board.worker("webhook", capacity=1)
    slow = lane(rows, board.tenant("slow"), "s.example", latency_ms=14_000.0)
    assert [bell.id for bell in dispatch.mark_due(Queue.WEBHOOK, 8)] == [slow]


def test_one_host_gets_so_many_at_once_and_no_more_whoever_they_are_of(board, dispatch, rows):
    board.worker("webhook", capacity=100)
    tenants = [board.tenant(f"t{n}") for n in range(LANES_OF_A_HOST + 3)]
    for tenant in tenants:
        lane(rows, tenant, "same.example", window_at=func.now())
    assert len(dispatch.mark_due(Queue.WEBHOOK, 100)) == LANES_OF_A_HOST
    assert dispatch.mark_due(Queue.WEBHOOK, 100) == []
