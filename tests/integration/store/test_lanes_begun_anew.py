"""The owner mends or moves an endpoint while a worker holds its lane: what the worker found out does not count."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text

from fakes.job_rows import emptied
from reelqueue.domain.lanes import Failing, Health
from reelqueue.domain.outgoing import AttemptRecord, Try
from reelqueue.kit.ids import new_id
from reelqueue.store.deliveries import Deliveries
from reelqueue.store.endpoints import Endpoints
from reelqueue.store.tables import feed_events, messages, webhook_lanes

URL = "https://example.com/hook?token=canary"
MOVED = "https://moved.example/hook"
WORKER = new_id("worker")
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
BAD = Health(open_until=datetime(2100, 1, 1, tzinfo=UTC), opened=3, failing_since=SINCE, alerted=50, latency_ms=9_000)
REFUSED = AttemptRecord(started_at=SINCE, elapsed_ms=9, status=410, error_class="status")
ANEW = pytest.mark.parametrize("change", [{"state": "enabled"}, {"url": MOVED}], ids=["mended", "moved"])
WRITES = pytest.mark.parametrize("write", ["record", "finish"])


@pytest.fixture
def database(module_database):
    return emptied(module_database)


@pytest.fixture
def failed(message):
    return Try(message_id=message, attempt=REFUSED, delivered=False, retry_in_s=3600.0)


def told(database):
    with database.statement() as connection:
        found = select(feed_events.c.type).where(feed_events.c.type.like("endpoint.%"))
        return list(connection.execute(found).scalars())


@ANEW
@WRITES
def test_what_the_owner_began_anew_is_not_made_old_by_who_held_it(
    lanes, endpoints, tenant, endpoint, failed, rows, database, change, write
):
    claim = lanes.claim(endpoint.id, WORKER)
    endpoints.change(tenant, endpoint.id, change)
    getattr(lanes, write)(claim, [failed], BAD, news=Failing(50, SINCE, SINCE + timedelta(days=5)))
    assert len(Deliveries(database).attempts(tenant, failed.message_id)) == 1
    assert told(database) == []
    rows.ring(endpoint.id)
    assert lanes.claim(endpoint.id, WORKER).health == Health()
    assert rows.read(webhook_lanes, endpoint.id)["breaker"] == "closed"


@ANEW
def test_who_records_hears_that_the_owner_began_anew(lanes, endpoints, tenant, endpoint, failed, change):
    claim = lanes.claim(endpoint.id, WORKER)
    assert lanes.record(claim, [], BAD)
    endpoints.change(tenant, endpoint.id, change)
    assert not lanes.record(claim, [failed], BAD)


def test_what_else_is_changed_leaves_the_history_to_who_holds_it(lanes, endpoints, tenant, endpoint, failed):
    claim = lanes.claim(endpoint.id, WORKER)
    endpoints.change(tenant, endpoint.id, {"description": "x", "event_types": ["job.*"]})
    assert lanes.record(claim, [failed], BAD)


@ANEW
def test_what_waits_is_sent_to_the_new_place_at_once(
    lanes, endpoints, tenant, endpoint, message, rows, database, change
):
    """Not when the old one's rest is over, which whoever held the lane had written."""
    claim = lanes.claim(endpoint.id, WORKER)
    endpoints.change(tenant, endpoint.id, change)
    lanes.finish(claim, [], BAD)
    with database.statement() as connection:
        due = select(webhook_lanes.c.due_at <= func.clock_timestamp()).where(webhook_lanes.c.id == endpoint.id)
        assert connection.execute(due).scalar_one()
    rows.ring(endpoint.id)
    assert [(one.id, one.url) for one in lanes.claim(endpoint.id, WORKER).due] == [(message, change.get("url", URL))]


@ANEW
def test_an_answer_of_before_disables_nothing(lanes, endpoints, tenant, endpoint, failed, rows, database, change):
    """The old place said 410, or took nothing for five days: the new one has said nothing yet."""
    claim = lanes.claim(endpoint.id, WORKER)
    endpoints.change(tenant, endpoint.id, change)
    assert not lanes.disable(claim, [failed], BAD, reason="status 410")
    assert endpoints.find(tenant, endpoint.id).state == "enabled"
    assert rows.read(messages, failed.message_id)["state"] == "pending"
    assert Deliveries(database).attempts(tenant, failed.message_id) == []
    assert told(database) == []
    lanes.finish(claim, [failed], BAD)


@pytest.mark.parametrize("how", [{"state": "disabled"}, "delete"])
def test_no_record_turns_on_what_its_owner_turned_off(lanes, endpoints, tenant, endpoint, message, rows, how):
    claim = lanes.claim(endpoint.id, WORKER)
    if how == "delete":
        endpoints.delete(tenant, endpoint.id)
    else:
        endpoints.change(tenant, endpoint.id, how)
    taken = AttemptRecord(started_at=SINCE, elapsed_ms=9, status=200, error_class=None)
    lanes.record(claim, [Try(message_id=message, attempt=taken, delivered=True, retry_in_s=None)], Health())
    lanes.finish(claim, [], Health())
    assert rows.read(messages, message)["state"] == "dropped"
    rows.message(tenant, endpoint_id=endpoint.id)
    assert lanes.claim(endpoint.id, WORKER) is None


def test_one_that_was_gone_and_is_enabled_again_has_no_past(lanes, endpoints, tenant, endpoint, failed, rows):
    gone = Try(message_id=failed.message_id, attempt=REFUSED, delivered=False, retry_in_s=None)
    assert lanes.disable(lanes.claim(endpoint.id, WORKER), [gone], BAD, reason="status 410")
    assert endpoints.find(tenant, endpoint.id).state == "disabled"
    endpoints.change(tenant, endpoint.id, {"state": "enabled"})
    rows.message(tenant, endpoint_id=endpoint.id)
    assert lanes.claim(endpoint.id, WORKER).health == Health()


def test_who_waits_for_the_owners_commit_sends_to_the_new_place(
    lanes, endpoints, tenant, endpoint, message, database, sealer, eventually
):
    """It must not have the new history and the old place: failures there would count against the new one."""
    waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with ThreadPoolExecutor(1) as pool, database.statement() as connection:
        with Held(database) as held:
            Endpoints(held, sealer).change(tenant, endpoint.id, {"url": MOVED})
            claiming = pool.submit(lanes.claim, endpoint.id, WORKER)
            eventually(lambda: connection.execute(waits).scalar_one())
        assert claiming.result(20).due[0].url == MOVED


class Held:
    """A database whose one transaction ends with the block, and not with the call that was made in it."""

    def __init__(self, database):
        self._context = database.transaction()

    def __enter__(self):
        self._connection = self._context.__enter__()
        return self

    def __exit__(self, *error):
        return self._context.__exit__(*error)

    def transaction(self):
        return _Lent(self._connection)


class _Lent:
    def __init__(self, connection):
        self._connection = connection

    def __enter__(self):
        return self._connection

    def __exit__(self, *_):
        return None
