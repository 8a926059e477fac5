"""`job.started`: told once, by whoever takes the job up first."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from reelqueue.kit.ids import new_id
from reelqueue.store.claims import Claims
from reelqueue.store.tables import feed_events, job_events

WORKER = "wrk_one"
STARTED = [(1, "job.queued"), (2, "job.started")]


@pytest.fixture
def database(module_database):
    return module_database


@pytest.fixture
def tenant(board):
    return board.tenant(new_id("tenant"))


@pytest.fixture
def rung(board, tenant):
    job_id = board.job(tenant)
    board.ring(job_id)
    return job_id


@pytest.fixture
def again(board, rung):
    """Gives the job back and rings for it once more."""

    def ring():
        board.write(rung, dispatch="idle", lease_owner=None)
        board.ring(rung)

    return ring


def test_the_first_claim_is_told_with_the_job_as_it_then_stands(board, database, rung, again):
    claim = Claims(database).claim(rung, WORKER)
    assert (claim.job.event_seq, claim.job.started_at is None) == (2, False)
    again()
    later = Claims(database).claim(rung, WORKER)
    assert (later.job.event_seq, later.job.started_at) == (2, claim.job.started_at)
    assert board.events(rung) == STARTED
    with database.statement() as connection:
        [payload] = connection.execute(select(feed_events.c.payload).where(feed_events.c.job_id == rung)).scalars()
    told = json.loads(payload)
    assert (told["type"], told["data"]["seq"], told["data"]["job"]["status"]) == ("job.started", 2, "queued")
    assert told["data"]["job"]["started_at"] == told["timestamp"]


def test_a_worker_that_dies_before_it_tells_leaves_that_to_the_next_one(board, database, tenant, rung, again):
    in_the_way = {"id": new_id("event"), "job_id": rung, "tenant_id": tenant, "seq": 2, "type": "job.saving"}
    with database.statement() as connection:
        connection.execute(insert(job_events).values(in_the_way))
    with pytest.raises(IntegrityError):
        Claims(database).claim(rung, WORKER)
    assert board.read(rung)["started_at"] is None
    with database.statement() as connection:
        connection.execute(delete(job_events).where(job_events.c.id == in_the_way["id"]))
    again()
    assert Claims(database).claim(rung, "wrk_two").job.started_at is not None
    assert board.events(rung) == STARTED


def test_a_claim_that_is_lost_before_it_is_told_is_none(board, database, rung):
    class Slow(Claims):
        def _start(self, claim):
            board.steal(claim)
            return super()._start(claim)

    assert Slow(database).claim(rung, WORKER) is None
    assert (board.read(rung)["started_at"], board.events(rung)) == (None, STARTED[:1])


def test_a_job_that_has_begun_is_not_told_of_again(board, database, rung):
    board.write(rung, started_at=func.now())
    assert Claims(database).claim(rung, WORKER).job.event_seq == 1
    assert board.events(rung) == STARTED[:1]
