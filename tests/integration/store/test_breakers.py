"""Breakers' rows, changed by many processes at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from fakes.job_rows import emptied
from reelqueue.domain.breakers import BreakerPolicy, Failure, Phase
from reelqueue.domain.jobs import Status
from reelqueue.store.breakers import Breakers
from reelqueue.store.endpoints import Endpoints
from reelqueue.store.engine import Database, make_engine
from reelqueue.store.sequencer import Sequencer
from reelqueue.store.tables import breakers, feed_events, messages

POLICY = BreakerPolicy(probe_base_s=0.001, probe_cap_s=0.001)
ONE = Phase.SESSION


@pytest.fixture
def database(module_database):
    return emptied(module_database)


@pytest.fixture
def store(database):
    return Breakers(database, POLICY)


@pytest.fixture
def processes(database):
    made = [Database(make_engine(database.engine.url.render_as_string(hide_password=False))) for _ in range(8)]
    yield [Breakers(one, POLICY) for one in made]
    for one in made:
        one.dispose()


def fail(store, count=6, phase=ONE):
    for number in range(count):
        store.failed(phase, Failure(job_id=f"job_{number % 3}", call="create_session", reason="upstream_unavailable"))


def set_row(database, **values):
    with database.statement() as connection:
        connection.execute(update(breakers).where(breakers.c.phase == ONE).values(**values))


def events(database):
    with database.statement() as connection:
        return connection.execute(select(feed_events.c.type).order_by(feed_events.c.position)).scalars().all()


AGO = func.now() - timedelta(seconds=1)


def test_a_phase_that_nothing_is_known_of_is_closed(store):
    view = store.view()
    assert set(view.breakers) == set(Phase)
    assert {one.state for one in view.breakers.values()} == {"closed"}


def test_of_many_failures_at_once_one_opens_and_one_event_is_told(processes, database, at_once, tenant):
    outcomes = at_once(8, lambda number: [_fail(processes[number], number) for _ in range(4)])
    opened = [by_me for one in outcomes for _, by_me in one]
    assert opened.count(True) == 1
    assert processes[0].view().breakers[ONE].opened_total == 1
    assert events(database) == ["upstream.degraded"]


def _fail(store, number):
    return store.failed(ONE, Failure(job_id=f"job_{number}", call="state", reason="upstream_unreachable"))


def test_of_many_processes_one_gets_the_probe(processes, database, at_once):
    fail(processes[0])
    set_row(database, next_probe_at=AGO)
    taken = at_once(8, lambda number: processes[number].take_probe(ONE, f"probe {number}"))
    assert sorted(taken) == [False] * 7 + [True]
    assert processes[0].view().breakers[ONE].state == "half_open"


def test_no_probe_before_its_time(database):
    slow = Breakers(database, BreakerPolicy())
    fail(slow)
    assert not slow.take_probe(ONE, "early")


def test_a_probe_that_says_nothing_is_given_up_in_time(store, database):
    fail(store)
    set_row(database, next_probe_at=AGO)
    assert store.take_probe(ONE, "dead")
    assert not store.take_probe(ONE, "next")
    set_row(database, probe_until=AGO)
    assert store.take_probe(ONE, "next")
    assert store.probed(ONE, "dead", "failed").probe == "next"
    assert store.probed(ONE, "dead", "answered").state == "closed"


def test_what_a_hand_has_opened_only_a_hand_closes(store, database, tenant):
    store.hold(ONE, "maintenance")
    assert not store.take_probe(ONE, "x")
    assert store.probed(ONE, "x", "answered").state == "open"
    fail(store)
    assert store.view().breakers[ONE].reason == "maintenance"
    assert store.release(ONE).state == "closed"
    assert events(database) == ["upstream.degraded", "upstream.recovered"]


def test_a_breaker_that_flaps_is_told_of_once_and_again_after_a_while(store, database, tenant):
    for _ in range(5):
        fail(store)
        store.probed(ONE, "x", "answered")
    assert events(database) == ["upstream.degraded", "upstream.recovered"]
    fail(store)
    assert store.tell_late() == 0
    set_row(database, told_at=func.now() - timedelta(seconds=POLICY.quiet_s + 1))
    assert [store.tell_late(), store.tell_late()] == [1, 0]
    assert events(database) == ["upstream.degraded", "upstream.recovered", "upstream.degraded"]


def test_every_tenant_is_told_and_whoever_listens_gets_a_message(store, database, sealer, board):
    endpoints = Endpoints(database, sealer)
    tenants = [board.tenant(name) for name in ("one", "two", "three")]
    wanted = {"url": "https://x.example/", "event_types": ("upstream.*",), "description": None}
    ids = {endpoints.create(one, **wanted)[0].id for one in tenants[:2]}
    fail(store)
    with database.statement() as connection:
        told = connection.execute(select(feed_events)).mappings().all()
    assert {(row["tenant_id"], row["type"], row["job_id"]) for row in told} == {
        (one, "upstream.degraded", None) for one in tenants
    }
    assert len({row["id"] for row in told}) == 3
    Sequencer(database).run_once()
    with database.statement() as connection:
        rows = connection.execute(select(messages)).mappings().all()
    assert {(row["tenant_id"], row["type"], row["delivery_seq"]) for row in rows} == {
        (one, "upstream.degraded", 1) for one in tenants[:2]
    }
    assert {row["endpoint_id"] for row in rows} == ids


def test_how_many_jobs_may_begin(store, board):
    assert store.admission() is None
    fail(store, phase=Phase.RENDER)
    assert store.admission() is None
    fail(store)
    assert store.admission() == 1
    tenant = board.tenant("one")
    board.job(tenant, Status.UPLOADING, waiting={"reason": "credits", "since": None, "until": None, "detail": None})
    assert store.admission() == 1
    board.job(tenant, Status.UPLOADING)
    assert store.admission() == 0


def test_while_a_hand_holds_it_nothing_begins(store):
    store.hold(Phase.INSTRUCT, "x")
    assert store.admission() == 0
