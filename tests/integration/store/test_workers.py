from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from fakes.job_rows import counting, emptied
from reelqueue.domain.workers import Heartbeat
from reelqueue.kit.limits import LEASE_S
from reelqueue.store.tables import workers as table
from reelqueue.store.workers import Workers


@pytest.fixture
def database(module_database):
    return emptied(module_database)


@pytest.fixture
def workers(database):
    return Workers(database)


@pytest.fixture
def row(database):
    """The worker's row, and how long its lease has to run by the database's clock."""

    def read(worker_id):
        statement = select(table, (table.c.expires_at - func.now()).label("left")).where(table.c.id == worker_id)
        with database.statement() as connection:
            return connection.execute(statement).mappings().one()

    return read


def age(database, worker_id, seconds):
    with database.statement() as connection:
        mine = update(table).where(table.c.id == worker_id)
        connection.execute(mine.values(expires_at=table.c.expires_at - timedelta(seconds=seconds)))


def test_a_worker_is_known_from_its_start(workers, row):
    worker_id = workers.register(node="n@h", queues=["step", "webhook"], capacity=7)
    found = row(worker_id)
    assert (found["node"], found["queues"], found["capacity"], found["state"]) == (
        "n@h",
        ["step", "webhook"],
        7,
        "working",
    )
    assert timedelta(seconds=LEASE_S - 10) < found["left"] <= timedelta(seconds=LEASE_S)


def test_each_start_is_another_worker(workers):
    assert len({workers.register(node="n", queues=["step"], capacity=1) for _ in range(3)}) == 3


def test_a_heartbeat_renews(workers, row, database):
    worker_id = workers.register(node="n", queues=["step"], capacity=1)
    age(database, worker_id, 20)
    assert workers.heartbeat(worker_id) == Heartbeat()
    assert row(worker_id)["left"] > timedelta(seconds=LEASE_S - 10)


def test_a_heartbeat_counts_the_living_among_whom_a_rate_is_shared(workers, database):
    mine, other, gone, late = (workers.register(node="n", queues=["step"], capacity=1) for _ in range(4))
    assert workers.heartbeat(mine).alive == 4
    workers.leave(gone)
    age(database, late, LEASE_S + 1)
    assert workers.heartbeat(mine).alive == workers.heartbeat(other).alive == 2


def test_a_heartbeat_that_comes_too_late_renews_nothing(workers, row, database):
    worker_id = workers.register(node="n", queues=["step"], capacity=1)
    age(database, worker_id, LEASE_S + 1)
    assert workers.heartbeat(worker_id) is None
    assert workers.heartbeat(worker_id) is None
    assert row(worker_id)["left"] < timedelta(0)
    assert workers.heartbeat("wrk_never") is None


def test_a_heartbeat_is_one_statement_whatever_is_held(workers, board, tenant, database):
    worker_id = workers.register(node="n", queues=["stream"], capacity=100)
    for _ in range(30):
        board.held(tenant, worker_id)
    with counting(database) as statements:
        workers.heartbeat(worker_id)
    assert len(statements) == 1


def test_it_tells_of_held_jobs_whose_cancel_was_asked_for(workers, board, tenant):
    worker_id = workers.register(node="n", queues=["stream"], capacity=100)
    board.held(tenant, worker_id)
    wanted = {board.held(tenant, worker_id, cancel_requested_at=func.now()).job.id for _ in range(2)}
    board.held(tenant, "wrk_other", cancel_requested_at=func.now())
    released = board.held(tenant, worker_id, cancel_requested_at=func.now())
    board.steal(released)
    assert workers.heartbeat(worker_id).wanted == wanted


def test_draining_is_told_and_taken_back(workers, row):
    worker_id = workers.register(node="n", queues=["step"], capacity=1)
    workers.heartbeat(worker_id, draining=True)
    assert row(worker_id)["state"] == "draining"
    workers.heartbeat(worker_id)
    assert row(worker_id)["state"] == "working"


def test_goodbye_ends_the_lease_at_once(workers, row):
    worker_id = workers.register(node="n", queues=["step"], capacity=1)
    workers.leave(worker_id)
    found = row(worker_id)
    assert found["state"] == "gone"
    assert found["left"] <= timedelta(0)
    assert workers.heartbeat(worker_id) is None


def test_the_long_gone_are_forgotten(workers, database):
    fresh, old = (workers.register(node="n", queues=["step"], capacity=1) for _ in range(2))
    for worker_id in (fresh, old):
        workers.leave(worker_id)
    age(database, old, 3700)
    assert workers.forget_gone() == 1
    with database.statement() as connection:
        assert list(connection.execute(select(table.c.id)).scalars()) == [fresh]
