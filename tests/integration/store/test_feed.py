"""A reader of the feed never misses an event and never sees two in another order, whoever commits when."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, text, update

from reelqueue.domain.breakers import UpstreamEventType
from reelqueue.domain.event_types import EndpointEventType
from reelqueue.kit.ids import new_id
from reelqueue.store import feed as feed_module
from reelqueue.store.engine import Database
from reelqueue.store.feed import Feed
from reelqueue.store.feed_keeping import FeedKeeping
from reelqueue.store.outbox import tell
from reelqueue.store.sequencer import Sequencer
from reelqueue.store.tables import feed_events, messages, webhook_attempts, webhook_endpoints, webhook_lanes

pytestmark = pytest.mark.integration

DEGRADED, DISABLED = UpstreamEventType.DEGRADED, EndpointEventType.DISABLED
KEEP = timedelta(days=30)


def say(connection: Connection, tenant: str, word: str = "x", kind: Any = DEGRADED) -> None:
    tell(connection, [tenant], kind, datetime.now(UTC), {"word": word})


def told(database: Database, tenant: str, *kinds: Any) -> None:
    """Numbered, in this order."""
    with database.transaction() as connection:
        for kind in kinds:
            say(connection, tenant, kind=kind)
    while Sequencer(database).run_once():
        pass


def numbers(database: Database, tenant: str) -> list[int]:
    return [event.seq for event in Feed(database).after(tenant, None, limit=1000).events]


def naive(database: Database, tenant: str, position: int) -> list[tuple[int, str]]:
    """What a reader does who goes by the order of writing."""
    with database.statement() as connection:
        found = connection.execute(
            select(feed_events.c.position, feed_events.c.payload)
            .where(feed_events.c.tenant_id == tenant, feed_events.c.position > position)
            .order_by(feed_events.c.position)
        )
        return [(row.position, row.payload) for row in found]


def test_who_commits_late_comes_late_and_is_not_skipped(database: Database, tenant: str) -> None:
    sequencer, feed = Sequencer(database), Feed(database)
    with ExitStack() as slow:
        connection = slow.enter_context(database.transaction())
        say(connection, tenant, "written first")
        with database.transaction() as quick:
            say(quick, tenant, "committed first")
        sequencer.run_once()
        seen = feed.after(tenant, None)
        skipping = naive(database, tenant, 0)
    sequencer.run_once()
    rest = feed.after(tenant, seen.reached)
    assert [(e.seq, "committed first" in e.payload) for e in seen.events] == [(1, True)]
    assert [(e.seq, "written first" in e.payload) for e in rest.events] == [(2, True)]
    # The same two looks by the order of writing: the first event lies behind this reader for ever.
    assert len(skipping) == 1
    assert naive(database, tenant, skipping[-1][0]) == []


def test_readers_miss_nothing_whoever_commits_when(
    database: Database, tenant: str, other_tenant: str, make_database: Callable[[], Database]
) -> None:
    written, numbered = threading.Event(), threading.Event()
    kept: dict[str, list[str]] = {tenant: [], other_tenant: []}
    read: dict[str, list[tuple[int, str]]] = {tenant: [], other_tenant: []}

    def write(number: int) -> None:
        chance = random.Random(number)
        for turn in range(25):
            mine = chance.choice((tenant, other_tenant))
            words = [f"{number}-{turn}-{part}" for part in range(chance.randint(1, 3))]
            with database.engine.connect() as connection, connection.begin() as transaction:
                for word in words:
                    say(connection, mine, word)
                    connection.execute(text("SELECT pg_sleep(:s)"), {"s": chance.choice((0, 0, 0.002, 0.02))})
                if chance.random() < 0.2:
                    transaction.rollback()
                    continue
            kept[mine].extend(words)

    def number_them(database: Database) -> None:
        while not written.is_set() or Sequencer(database).run_once(most=7):
            Sequencer(database).run_once(most=7)

    def read_them(whose: str) -> None:
        feed, place = Feed(make_database()), 0
        while not numbered.is_set() or place < feed.after(whose, None, limit=1).last:
            page = feed.after(whose, place, limit=5)
            read[whose].extend((event.seq, event.payload) for event in page.events)
            place = page.reached

    with ThreadPoolExecutor(16) as pool:
        numbering = [pool.submit(number_them, make_database()) for _ in range(2)]
        writing = [pool.submit(write, number) for number in range(8)]
        reading = [pool.submit(read_them, whose) for whose in read]
        for one in writing:
            one.result()
        written.set()
        for one in numbering:
            one.result()
        numbered.set()
        for one in reading:
            one.result()
    for whose, events in read.items():
        assert [seq for seq, _ in events] == list(range(1, len(kept[whose]) + 1))
        words = [payload.split('"word":"')[1].split('"')[0] for _, payload in events]
        assert sorted(words) == sorted(kept[whose])
        for number in range(8):
            # One thread's events in the order in which it wrote them.
            mine = [tuple(map(int, word.split("-"))) for word in words if word.startswith(f"{number}-")]
            assert mine == sorted(mine)


def test_pages_and_places(database: Database, tenant: str, other_tenant: str) -> None:
    feed = Feed(database)
    empty = feed.after(tenant, None)
    assert (empty.events, empty.reached, empty.oldest, empty.last, empty.is_whole) == ((), 0, 1, 0, True)
    told(database, other_tenant, DEGRADED)
    told(database, tenant, *[DEGRADED] * 5)
    with database.transaction() as connection:
        say(connection, tenant, "not numbered yet")
    first = feed.after(tenant, None, limit=2)
    assert ([e.seq for e in first.events], first.reached, first.last, first.is_whole) == ([1, 2], 2, 5, False)
    rest = feed.after(tenant, 2)
    assert ([e.seq for e in rest.events], rest.reached, rest.is_whole) == ([3, 4, 5], 5, True)
    ahead = feed.after(tenant, 900)
    assert (ahead.events, ahead.reached, ahead.is_whole) == ((), 900, True)


def test_types_are_found_behind_others_by_bounded_looks(
    database: Database, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "LOOKED_THROUGH", 3)
    told(database, tenant, *[DEGRADED] * 7, DISABLED, DEGRADED, DISABLED)
    feed, looks, place = Feed(database), [], 0
    while place < 10:
        page = feed.after(tenant, place, types={"endpoint.disabled"}, limit=1)
        looks.append(([event.seq for event in page.events], page.reached))
        place = page.reached
    assert looks == [([], 3), ([], 6), ([8], 8), ([10], 10)]


# --- what is old ---


def grown_old(database: Database, tenant: str, *seqs: int) -> None:
    with database.transaction() as connection:
        mine = (feed_events.c.tenant_id == tenant, feed_events.c.seq.in_(seqs))
        then = datetime.now(UTC) - KEEP - timedelta(hours=1)
        connection.execute(update(feed_events).where(*mine).values(created_at=then))


def sent(database: Database, tenant: str, seq: int, *, state: str) -> str:
    """A message of the event, in this state, and an attempt of it."""
    message, endpoint = new_id("message"), new_id("webhook_endpoint")
    finished = None if state == "pending" else datetime.now(UTC)
    with database.transaction() as connection:
        event = connection.execute(
            select(feed_events).where(feed_events.c.tenant_id == tenant, feed_events.c.seq == seq)
        ).one()
        whose = {"tenant_id": tenant}
        connection.execute(
            insert(webhook_endpoints).values(
                id=endpoint, url="https://a.example/", event_types=["*"], secret=b"", **whose
            )
        )
        connection.execute(insert(webhook_lanes).values(id=endpoint, endpoint_id=endpoint, host="a.example", **whose))
        connection.execute(
            insert(messages).values(
                id=message,
                event_id=event.id,
                position=event.position,
                endpoint_id=endpoint,
                lane_id=endpoint,
                delivery_seq=1,
                type=event.type,
                state=state,
                due_at=datetime.now(UTC) if finished is None else None,
                finished_at=finished,
                **whose,
            )
        )
        connection.execute(
            insert(webhook_attempts).values(
                message_id=message, attempt=1, started_at=datetime.now(UTC), elapsed_ms=1, **whose
            )
        )
    return message


def count(database: Database, table: Any) -> int:
    with database.statement() as connection:
        return len(connection.execute(select(table)).all())


def test_what_is_old_goes_with_what_was_sent_of_it(database: Database, tenant: str, other_tenant: str) -> None:
    told(database, tenant, *[DEGRADED] * 5)
    told(database, other_tenant, DEGRADED)
    sent(database, tenant, 1, state="delivered")
    sent(database, tenant, 5, state="delivered")
    grown_old(database, tenant, 1, 2, 3)
    assert FeedKeeping(database, keep=KEEP, batch=2).run() == 3
    assert FeedKeeping(database, keep=KEEP, batch=2).run() == 0
    assert numbers(database, tenant) == [4, 5]
    assert numbers(database, other_tenant) == [1]
    assert (count(database, messages), count(database, webhook_attempts)) == (1, 1)
    page = Feed(database).after(tenant, 2)
    assert (page.oldest, page.lost(2), page.lost(3)) == (4, True, False)


def test_a_feed_of_which_nothing_is_kept_goes_on_counting(database: Database, tenant: str) -> None:
    told(database, tenant, DEGRADED, DEGRADED)
    grown_old(database, tenant, 1, 2)
    assert FeedKeeping(database, keep=KEEP).run() == 2
    page = Feed(database).after(tenant, None)
    assert (page.events, page.reached, page.oldest, page.last) == ((), 2, 3, 2)
    told(database, tenant, DEGRADED)
    assert numbers(database, tenant) == [3]


def test_it_goes_from_the_front_and_leaves_what_waits_to_be_sent(database: Database, tenant: str) -> None:
    told(database, tenant, *[DEGRADED] * 4)
    waiting = sent(database, tenant, 2, state="pending")
    grown_old(database, tenant, 1, 2, 4)  # the third committed late, and was numbered before one that is older
    assert FeedKeeping(database, keep=KEEP).run() == 1
    assert numbers(database, tenant) == [2, 3, 4]
    with database.transaction() as connection:
        done = {"state": "delivered", "due_at": None, "finished_at": datetime.now(UTC)}
        connection.execute(update(messages).where(messages.c.id == waiting).values(**done))
    assert FeedKeeping(database, keep=KEEP).run() == 1
    assert numbers(database, tenant) == [3, 4]


def test_one_run_is_bounded_and_samples_go_too(database: Database, tenant: str) -> None:
    told(database, tenant, *[DEGRADED] * 5)
    grown_old(database, tenant, 1, 2, 3, 4, 5)
    with database.transaction() as connection:
        old = datetime.now(UTC) - KEEP - timedelta(hours=1)
        sample = {"tenant_id": tenant, "type": "job.queued", "payload": "{}", "sample": True}
        for created_at in (old, datetime.now(UTC)):
            connection.execute(insert(feed_events).values(id=new_id("event"), created_at=created_at, **sample))
    assert FeedKeeping(database, keep=KEEP, batch=2, batches=1).run() == 3
    assert numbers(database, tenant) == [3, 4, 5]
    assert count(database, feed_events) == 4
