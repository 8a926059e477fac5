"""The feed's numbers: none is given before its event has committed, none is skipped, none moves."""

from __future__ import annotations

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from sqlalchemy import insert, select, text

from fakes.job_rows import emptied
from reelqueue.domain.event_types import EndpointEventType
from reelqueue.kit.ids import new_id
from reelqueue.store.endpoints import Endpoints
from reelqueue.store.new_messages import Wanted, enqueue
from reelqueue.store.outbox import tell
from reelqueue.store.sequencer import Sequencer
from reelqueue.store.tables import feed_events, messages, webhook_endpoints, webhook_lanes

URL = "https://example.com/hook"


@pytest.fixture
def database(module_database):
    return emptied(module_database)


@pytest.fixture
def sequencer(database):
    return Sequencer(database)


@pytest.fixture
def listen(database, sealer):
    def make(tenant, *patterns, **values):
        made = Endpoints(database, sealer).create(tenant, url=URL, event_types=patterns, description=None)[0]
        if values:
            with database.statement() as connection:
                connection.execute(webhook_endpoints.update().where(webhook_endpoints.c.id == made.id).values(**values))
        return made.id

    return make


def write(connection, tenant, kind="job.queued", **values):
    row = {"id": new_id("event"), "tenant_id": tenant, "type": kind, "payload": '{"data":{}}', **values}
    connection.execute(insert(feed_events).values(row))
    return row["id"]


def feed(database, tenant, after=0):
    found = (
        select(feed_events.c.seq, feed_events.c.id)
        .where(feed_events.c.tenant_id == tenant, feed_events.c.seq > after)
        .order_by(feed_events.c.seq)
    )
    with database.statement() as connection:
        return [tuple(row) for row in connection.execute(found)]


def sent(database, endpoint_id):
    found = (
        select(messages.c.delivery_seq, messages.c.event_id)
        .where(messages.c.endpoint_id == endpoint_id)
        .order_by(messages.c.delivery_seq)
    )
    with database.statement() as connection:
        return [tuple(row) for row in connection.execute(found)]


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_each_tenant_has_numbers_of_its_own_from_one(database, sequencer, board):
    one, two = board.tenant("one"), board.tenant("two")
    with database.transaction() as connection:
        ids = [write(connection, tenant) for tenant in (one, two, one, one)]
    assert (sequencer.run_once(), sequencer.run_once()) == (4, 0)
    assert feed(database, one) == [(1, ids[0]), (2, ids[2]), (3, ids[3])]
    assert feed(database, two) == [(1, ids[1])]
    with database.transaction() as connection:
        later = write(connection, one)
    sequencer.run_once()
    assert feed(database, one, after=3) == [(4, later)]


def test_an_event_that_commits_late_comes_behind_what_was_read(database, sequencer, board):
    tenant = board.tenant("one")
    with database.transaction() as slow:
        late = write(slow, tenant)
        with database.transaction() as connection:
            early = write(connection, tenant)
        sequencer.run_once()
        assert feed(database, tenant) == [(1, early)]
    sequencer.run_once()
    assert feed(database, tenant) == [(1, early), (2, late)]


def test_what_was_rolled_back_leaves_no_gap(database, sequencer, board):
    tenant = board.tenant("one")
    for fails in (False, True, True, False):
        with suppress(ZeroDivisionError), database.transaction() as connection:
            write(connection, tenant)
            assert 1 / (not fails)
    sequencer.run_once()
    assert [seq for seq, _ in feed(database, tenant)] == [1, 2]


def test_a_batch_that_is_too_small_is_numbered_in_its_order(database, sequencer, board):
    tenant = board.tenant("one")
    with database.transaction() as connection:
        ids = [write(connection, tenant) for _ in range(7)]
    assert [sequencer.run_once(3) for _ in range(4)] == [3, 3, 1, 0]
    assert feed(database, tenant) == list(enumerate(ids, 1))


def test_samples_are_not_in_the_feed(database, sequencer, board):
    with database.transaction() as connection:
        write(connection, board.tenant("one"), sample=True)
    assert sequencer.run_once() == 0


def test_no_reader_ever_skips_or_reorders_however_they_commit(database, sequencer, board, more_databases):
    """Many write, commit late or roll back; some number; one reads on from the last that it saw, all the time."""
    tenant, writers, each = board.tenant("one"), 8, 40
    job_of = {writer: board.job(tenant) for writer in range(writers)}
    done, seen, by_position = threading.Event(), [], []

    def work(writer):
        chance, database_of = random.Random(writer), more_databases(database)
        kept, seq = [], 1
        while len(kept) < each:
            with suppress(ZeroDivisionError):
                with database_of.transaction() as connection:
                    made = [write(connection, tenant, job_id=job_of[writer], job_seq=seq + n) for n in range(2)]
                    connection.execute(text("SELECT pg_sleep(:s)"), {"s": chance.random() * 0.02})
                    assert 1 / (chance.random() >= 0.2)
                kept += made
                seq += 2
        return kept

    def number():
        numbering = Sequencer(more_databases(database))
        while not done.is_set():
            numbering.run_once(5)

    def read():
        while not (done.is_set() and not feed(database, tenant, after=len(seen))):
            seen.extend(feed(database, tenant, after=seen[-1][0] if seen else 0))
            by_position.extend(naive(database, tenant, after=by_position[-1][0] if by_position else 0))

    with ThreadPoolExecutor(writers + 3) as pool:
        others = [pool.submit(number), pool.submit(number), pool.submit(read)]
        written = [one.result(120) for one in [pool.submit(work, writer) for writer in range(writers)]]
        while sequencer.run_once():
            pass
        done.set()
        for one in others:
            one.result(60)
    every = {event_id for kept in written for event_id in kept}
    assert [seq for seq, _ in seen] == list(range(1, len(every) + 1))
    assert {event_id for _, event_id in seen} == every
    place = {event_id: seq for seq, event_id in seen}
    for kept in written:
        assert [place[event_id] for event_id in kept] == sorted(place[event_id] for event_id in kept)
    # The same reader, by the order of writing: it passes by what commits behind it. So the test can tell.
    assert len({event_id for _, event_id in by_position}) < len(every)


def naive(database, tenant, after):
    found = (
        select(feed_events.c.position, feed_events.c.id)
        .where(feed_events.c.tenant_id == tenant, feed_events.c.position > after)
        .order_by(feed_events.c.position)
    )
    with database.statement() as connection:
        return [tuple(row) for row in connection.execute(found)]


# --- who is sent what -------------------------------------------------------------------------------------------------


def test_an_endpoint_gets_what_it_asked_for_under_numbers_without_gaps(database, sequencer, board, listen):
    tenant, other = board.tenant("one"), board.tenant("two")
    everything, ends, families = listen(tenant, "*"), listen(tenant, "job.failed"), listen(tenant, "batch.*", "job.*")
    elsewhere = listen(other, "*")
    with database.transaction() as connection:
        kinds = ("job.queued", "job.failed", "upstream.degraded", "batch.completed", "job.failed")
        ids = [write(connection, tenant, kind) for kind in kinds]
    assert sequencer.run_once() == 5
    assert sent(database, everything) == list(enumerate(ids, 1))
    assert sent(database, ends) == [(1, ids[1]), (2, ids[4])]
    assert sent(database, families) == [(1, ids[0]), (2, ids[1]), (3, ids[3]), (4, ids[4])]
    assert sent(database, elsewhere) == []


@pytest.mark.parametrize("values", [{"state": "disabled"}, {"deleted_at": text("now()")}])
def test_who_is_gone_gets_nothing(database, sequencer, board, listen, values):
    tenant = board.tenant("one")
    gone = listen(tenant, "*", **values)
    with database.transaction() as connection:
        write(connection, tenant)
    sequencer.run_once()
    assert sent(database, gone) == []


def test_a_filter_looks_at_the_metadata(database, sequencer, board, listen):
    tenant = board.tenant("one")
    shop, empty = listen(tenant, "*", filter={"shop": "7"}), listen(tenant, "*", filter={})
    with database.transaction() as connection:
        wanted = write(connection, tenant, metadata={"shop": "7", "more": "x"})
        others = [write(connection, tenant, metadata=one) for one in ({"shop": "8"}, {})]
        of_no_job = write(connection, tenant, "upstream.degraded", metadata=None)
    sequencer.run_once()
    assert sent(database, shop) == [(1, wanted), (2, of_no_job)]
    assert [event_id for _, event_id in sent(database, empty)] == [wanted, *others, of_no_job]


def test_a_url_of_its_own_gets_it_too(database, sequencer, board, listen):
    tenant = board.tenant("one")
    endpoint = listen(tenant, "*")
    with database.transaction() as connection:
        event_id = write(connection, tenant, url="https://own.example/a")
    sequencer.run_once()
    with database.statement() as connection:
        found = connection.execute(select(messages).order_by(messages.c.url.nulls_first())).mappings().all()
        hosts = connection.execute(select(webhook_lanes.c.host).order_by(webhook_lanes.c.host)).scalars().all()
    assert [(row["endpoint_id"], row["url"], row["event_id"], row["delivery_seq"]) for row in found] == [
        (endpoint, None, event_id, 1),
        (None, "https://own.example/a", event_id, None),
    ]
    assert hosts == ["example.com", "own.example"]


def test_events_of_no_job_are_told_to_each_tenant(database, sequencer, board, listen):
    one, two = board.tenant("one"), board.tenant("two")
    endpoint = listen(two, "endpoint.*")
    with database.transaction() as connection:
        now = connection.execute(text("SELECT now()")).scalar_one()
        tell(connection, [one, two], EndpointEventType.DISABLED, now, {"reason": "x"})
    assert sequencer.run_once() == 2
    [(_, event_id)] = feed(database, two)
    assert sent(database, endpoint) == [(1, event_id)]
    with database.statement() as connection:
        payload = connection.execute(select(feed_events.c.payload).where(feed_events.c.id == event_id)).scalar_one()
    assert json.loads(payload)["data"] == {"reason": "x"}


# --- sent again -------------------------------------------------------------------------------------------------------


def wanted(database, event_id, endpoint_id):
    with database.statement() as connection:
        row = connection.execute(select(feed_events).where(feed_events.c.id == event_id)).mappings().one()
    return Wanted(
        event_id=event_id,
        tenant_id=row["tenant_id"],
        position=row["position"],
        endpoint_id=endpoint_id,
        url=URL,
        type=row["type"],
        job_id=row["job_id"],
        seq=row["job_seq"],
    )


def test_what_was_sent_before_keeps_its_number_and_has_a_whole_schedule_before_it(database, sequencer, board, listen):
    tenant = board.tenant("one")
    endpoint = listen(tenant, "job.failed")
    with database.transaction() as connection:
        skipped, event_id = write(connection, tenant), write(connection, tenant, "job.failed")
    sequencer.run_once()
    with database.transaction() as connection:
        ended = {"state": "exhausted", "attempts": 10, "round": 10, "due_at": None, "finished_at": text("now()")}
        connection.execute(messages.update().values(**ended))
        connection.execute(webhook_lanes.update().values(due_at=None))
        enqueue(connection, [wanted(database, one, endpoint) for one in (skipped, event_id)])
    assert sent(database, endpoint) == [(1, event_id), (2, skipped)]
    with database.statement() as connection:
        rows = connection.execute(select(messages).order_by(messages.c.delivery_seq)).mappings().all()
        due = connection.execute(select(webhook_lanes.c.due_at <= text("now()"))).scalar_one()
    assert [(row["state"], row["attempts"], row["round"]) for row in rows] == [("pending", 10, 0), ("pending", 0, 0)]
    assert due


def test_who_enqueue_for_one_endpoint_at_once_give_no_number_twice(database, sequencer, board, listen, at_once):
    tenant = board.tenant("one")
    endpoint = listen(tenant, "batch.*")
    with database.transaction() as connection:
        ids = [write(connection, tenant) for _ in range(6)]
    sequencer.run_once()

    def again(_):
        with database.transaction() as connection:
            return enqueue(connection, [wanted(database, one, endpoint) for one in ids])

    outcomes = at_once(6, again)
    assert [len(one) for one in outcomes] == [6] * 6
    assert sent(database, endpoint) == list(enumerate(ids, 1))
