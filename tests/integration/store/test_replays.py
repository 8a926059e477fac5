from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, func, select, text

from fakes.job_rows import analyzed
from fakes.refusals import refusal
from fakes.told import Told
from reelqueue.domain.replays import ReplayWish
from reelqueue.errors import EndpointNotListening, IdempotencyKeyReused, NotFound, ReplayTooLarge
from reelqueue.kit.acting import acting_for
from reelqueue.kit.ids import new_id
from reelqueue.store import replays as replaying
from reelqueue.store.endpoints import Endpoints
from reelqueue.store.replays import Replays
from reelqueue.store.tables import webhook_endpoints, webhook_replays

URL = "https://example.com/hook"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALL_DAY = ReplayWish(since=NOON - 12 * HOUR, until=NOON + 12 * HOUR)


@pytest.fixture
def replays(database):
    return Replays(database)


@pytest.fixture
def endpoints(database, sealer):
    return Endpoints(database, sealer)


@pytest.fixture
def endpoint(endpoints, tenant):
    return endpoints.create(tenant, url=URL, event_types=["job.failed", "upstream.*"], description=None)[0].id


@pytest.fixture
def told(database, sealer, tenant):
    return Told(database, sealer, tenant)


@pytest.fixture
def delivered(told, endpoint):
    """`delivered(*kinds, at=…)`: events that happened then, and were delivered if the endpoint got them."""

    def tell(*kinds, at=NOON, **values):
        events = told.events(*kinds, created_at=at, **values)
        told.answered(endpoint)
        return events

    return tell


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(replaying, "BATCH", 2)


def pending(told, endpoint):
    return {event for event, state in told.states(endpoint).items() if state == "pending"}


def test_what_happened_in_the_span_is_sent_again(replays, tenant, endpoint, told, delivered):
    delivered("job.failed", at=NOON - timedelta(microseconds=1))
    inside = delivered("job.failed", at=NOON) + delivered("job.failed", at=NOON + HOUR - timedelta(microseconds=1))
    delivered("job.failed", at=NOON + HOUR)
    wish = ReplayWish(since=NOON, until=NOON + HOUR)
    numbers = {event: told.message(event, endpoint)["delivery_seq"] for event in inside}
    counted = replays.count(tenant, endpoint, wish)
    assert (counted.events, counted.pending, counted.more) == (2, 0, False)
    assert pending(told, endpoint) == set()
    replay = replays.run(tenant, endpoint, wish, key=None)
    assert (replay.count, replay.queued, replay.replayed) == (counted, 2, False)
    assert pending(told, endpoint) == set(inside)
    assert {event: told.message(event, endpoint)["delivery_seq"] for event in inside} == numbers


def test_without_an_end_it_goes_up_to_now(replays, tenant, endpoint, told, delivered):
    [event] = delivered("job.failed", at=func.now())
    replay = replays.run(tenant, endpoint, ReplayWish(since=NOON), key=None)
    assert pending(told, endpoint) == {event}
    assert replay.count.until > told.message(event, endpoint)["created_at"]


def test_only_what_the_endpoint_is_subscribed_to_unless_types_are_named(replays, tenant, endpoint, told, delivered):
    queued, failed, down = delivered("job.queued", "job.failed", "upstream.degraded")
    replays.run(tenant, endpoint, ALL_DAY, key=None)
    assert pending(told, endpoint) == {failed, down}
    told.answered(endpoint)
    named = ReplayWish(since=ALL_DAY.since, until=ALL_DAY.until, types=frozenset({"job.queued"}))
    assert replays.run(tenant, endpoint, named, key=None).queued == 1
    assert pending(told, endpoint) == {queued}
    # What it never had comes behind all that it had.
    assert told.message(queued, endpoint)["delivery_seq"] == 3


def test_the_endpoints_filter_holds_for_named_types_too(replays, tenant, endpoint, told, delivered, rows):
    rows.write(webhook_endpoints, endpoint, filter={"team": "a"})
    theirs, _, of_no_job = (
        delivered("job.failed", metadata=metadata)[0] for metadata in ({"team": "a", "n": "1"}, {"team": "b"}, None)
    )
    for types in (None, frozenset({"job.failed"})):
        wish = ReplayWish(since=ALL_DAY.since, until=ALL_DAY.until, types=types)
        assert replays.run(tenant, endpoint, wish, key=None).queued == 2
        assert pending(told, endpoint) == {theirs, of_no_job}
        told.answered(endpoint)


def test_samples_and_other_tenants_events_are_not_replayed(
    replays, tenant, other_tenant, endpoint, told, delivered, database, sealer
):
    told.events("job.failed", created_at=NOON, sample=True)
    Told(database, sealer, other_tenant).events("job.failed", created_at=NOON)
    [own] = delivered("job.failed")
    assert replays.run(tenant, endpoint, ALL_DAY, key=None).queued == 1
    assert pending(told, endpoint) == {own}


def test_what_is_on_its_way_anyway_is_counted_and_left_alone(replays, tenant, endpoint, told, delivered, rows):
    delivered("job.failed")
    [waiting] = told.events("job.failed", created_at=NOON)
    before = told.message(waiting, endpoint)
    counted = replays.count(tenant, endpoint, ALL_DAY)
    assert (counted.events, counted.pending) == (2, 1)
    assert replays.run(tenant, endpoint, ALL_DAY, key=None).queued == 1
    assert told.message(waiting, endpoint) == before
    assert replays.run(tenant, endpoint, ALL_DAY, key=None).queued == 0


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("number", [0, 1, 2, 5])
def test_batches_leave_nothing_out(replays, tenant, endpoint, told, delivered, number):
    events = delivered(*["job.failed"] * number)
    assert replays.run(tenant, endpoint, ALL_DAY, key=None).queued == number
    assert pending(told, endpoint) == set(events)


# --- repeated ---------------------------------------------------------------------------------------------------------


def test_a_repeat_with_the_key_sends_nothing_twice(replays, tenant, endpoint, told, delivered):
    delivered("job.failed", "job.failed")
    first = replays.run(tenant, endpoint, ALL_DAY, key="k")
    told.answered(endpoint)
    delivered("job.failed")
    again = replays.run(tenant, endpoint, ALL_DAY, key="k")
    assert (again.count, again.queued, again.replayed) == (first.count, 2, True)
    assert pending(told, endpoint) == set()
    assert replays.run(tenant, endpoint, ALL_DAY, key="other").queued == 3


@pytest.mark.usefixtures("small_batches")
def test_a_replay_that_broke_off_is_gone_on_with(replays, tenant, endpoint, told, delivered, monkeypatch):
    events = delivered(*["job.failed"] * 5)
    real, calls = replaying.enqueue, []

    def breaks(connection, wanted):
        calls.append(wanted)
        if len(calls) == 2:
            raise ConnectionError
        return real(connection, wanted)

    monkeypatch.setattr(replaying, "enqueue", breaks)
    with pytest.raises(ConnectionError):
        replays.run(tenant, endpoint, ALL_DAY, key="k")
    assert pending(told, endpoint) == set(events[:2])
    told.answered(endpoint)
    replay = replays.run(tenant, endpoint, ALL_DAY, key="k")
    assert (replay.queued, replay.replayed) == (5, True)
    assert pending(told, endpoint) == set(events[2:])


@pytest.mark.usefixtures("small_batches")
def test_of_many_with_one_key_each_event_is_queued_by_one(replays, tenant, endpoint, told, delivered, at_once):
    events = delivered(*["job.failed"] * 9)
    outcomes = at_once(5, lambda _: replays.run(tenant, endpoint, ALL_DAY, key="k"))
    assert {(one.queued, one.count.events) for one in outcomes} == {(9, 9)}
    assert sorted(one.replayed for one in outcomes) == [False, True, True, True, True]
    assert pending(told, endpoint) == set(events)


def test_a_key_is_of_one_wish(replays, tenant, endpoint, delivered):
    delivered("job.failed")
    replays.run(tenant, endpoint, ALL_DAY, key="k")
    with pytest.raises(IdempotencyKeyReused):
        replays.run(tenant, endpoint, ReplayWish(since=NOON), key="k")


def test_a_key_is_free_again_after_a_day(replays, tenant, endpoint, told, delivered, database, rows):
    delivered("job.failed")
    replays.run(tenant, endpoint, ALL_DAY, key="k")
    told.answered(endpoint)
    with database.statement() as connection:
        [replay_id] = connection.execute(select(webhook_replays.c.id)).scalars()
    rows.write(webhook_replays, replay_id, created_at=func.now() - 25 * HOUR)
    assert replays.run(tenant, endpoint, ALL_DAY, key="k").replayed is False
    assert len(pending(told, endpoint)) == 1


# --- refused ----------------------------------------------------------------------------------------------------------


def test_more_than_may_be_is_counted_and_not_sent(replays, tenant, endpoint, told, delivered, monkeypatch):
    monkeypatch.setattr(replaying, "MOST_EVENTS", 2)
    delivered(*["job.failed"] * 3)
    assert replays.count(tenant, endpoint, ALL_DAY).events == 3
    with pytest.raises(ReplayTooLarge) as refused:
        replays.run(tenant, endpoint, ALL_DAY, key="k")
    assert refused.value.detail == {"most": 2}
    assert pending(told, endpoint) == set()
    monkeypatch.setattr(replaying, "COUNTED", 2)
    counted = replays.count(tenant, endpoint, ALL_DAY)
    assert (counted.events, counted.more) == (2, True)


def test_a_disabled_endpoint_is_counted_for_and_sent_nothing(replays, tenant, endpoint, told, delivered, rows):
    delivered("job.failed")
    rows.write(webhook_endpoints, endpoint, state="disabled")
    assert replays.count(tenant, endpoint, ALL_DAY).events == 1
    with pytest.raises(EndpointNotListening):
        replays.run(tenant, endpoint, ALL_DAY, key=None)
    assert pending(told, endpoint) == set()


@pytest.mark.usefixtures("small_batches")
def test_an_endpoint_that_is_disabled_meanwhile_ends_it(replays, tenant, endpoint, told, delivered, rows, monkeypatch):
    delivered(*["job.failed"] * 5)
    real = replaying.enqueue

    def disables_after(connection, wanted):
        made = real(connection, wanted)
        connection.execute(webhook_endpoints.update().values(state="disabled"))
        return made

    monkeypatch.setattr(replaying, "enqueue", disables_after)
    with pytest.raises(EndpointNotListening):
        replays.run(tenant, endpoint, ALL_DAY, key=None)
    assert len(pending(told, endpoint)) == 2


def test_a_span_is_found_by_its_index_among_much_else(replays, database, tenant, other_tenant, endpoint):
    """A week of the tenant's own, and another's, which is busier. The policy must not be in the index's way."""
    made = text(
        "INSERT INTO feed_events (id, tenant_id, seq, type, payload, created_at)"
        " SELECT 'evt_' || md5(:tenant || n), :tenant, n, 'upstream.degraded', '{}',"
        " :last - make_interval(secs => n * :every_s) FROM generate_series(1, 10000) n"
    )
    with database.statement() as connection:
        connection.execute(made, {"tenant": tenant, "last": NOON, "every_s": 60.0})
        connection.execute(made, {"tenant": other_tenant, "last": NOON, "every_s": 18.0})
    analyzed(database)
    wish = ReplayWish(since=NOON - HOUR, until=NOON)
    with acting_for(tenant), noting(database) as asked:
        assert replays.count(tenant, endpoint, wish).events == 60
    [(statement, parameters)] = [one for one in asked if "AS last_seq" in one[0]]
    with acting_for(tenant), database.statement() as connection:
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())
    [condition] = [line for line in plan.splitlines() if "Index Cond" in line and "created_at" in line]
    assert "ix_feed_events_tenant_id_created_at" in plan
    assert condition.count("created_at") == 2


@contextmanager
def noting(database):
    """What is sent to the database inside the block, with its parameters."""
    sent = []

    def note(_connection, _cursor, statement, parameters, *_):
        sent.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def test_anothers_endpoint_cannot_be_told_from_one_that_never_was(replays, tenant, other_tenant, endpoint, delivered):
    delivered("job.failed")
    never = refusal(lambda: replays.count(other_tenant, new_id("webhook_endpoint"), ALL_DAY))
    assert never["class"] is NotFound
    for refused in (
        lambda: replays.count(other_tenant, endpoint, ALL_DAY),
        lambda: replays.run(other_tenant, endpoint, ALL_DAY, key=None),
        lambda: replays.run(tenant, new_id("webhook_endpoint"), ALL_DAY, key="k"),
    ):
        assert refusal(refused) == never
