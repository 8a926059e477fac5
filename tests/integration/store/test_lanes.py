"""The lane is what a worker holds: what is due there, what is written under its lease, and how it is given back."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text

from fakes.job_rows import emptied
from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.lanes import GIVEN_UP_S, Failing, Health, url_lane
from reelqueue.domain.outgoing import BATCH, AttemptRecord, Try
from reelqueue.kit.ids import new_id
from reelqueue.kit.sealing import SealBroken
from reelqueue.store.deliveries import Deliveries
from reelqueue.store.new_messages import Wanted, enqueue
from reelqueue.store.tables import feed_events, webhook_endpoints, webhook_lanes
from reelqueue.store.tables import messages as table
from reelqueue.store.tenants import Tenants

URL = "https://example.com/hook?token=canary"
WORKER = new_id("worker")
FAILED = AttemptRecord(started_at=datetime(2026, 3, 1, tzinfo=UTC), elapsed_ms=15_000, status=None, error_class="wait")
ANSWERED = AttemptRecord(
    started_at=datetime(2026, 3, 2, tzinfo=UTC), elapsed_ms=12, status=200, error_class=None, excerpt="thanks"
)
GONE = AttemptRecord(started_at=datetime(2026, 3, 3, tzinfo=UTC), elapsed_ms=9, status=410, error_class="status")
WELL = Health()


@pytest.fixture
def database(module_database):
    return emptied(module_database)


@pytest.fixture
def tries(database, tenant):
    """What is kept of a message's tries: their numbers and records."""

    def read(message_id):
        return [(one.number, one.record) for one in Deliveries(database).attempts(tenant, message_id)]

    return read


def delivered(message_id):
    return Try(message_id=message_id, attempt=ANSWERED, delivered=True, retry_in_s=None)


def failed(message_id, retry_in_s=3600.0, attempt=FAILED):
    return Try(message_id=message_id, attempt=attempt, delivered=False, retry_in_s=retry_in_s)


def state(rows, message_id):
    row = rows.read(table, message_id)
    return row["state"], row["attempts"], row["round"]


def standing(rows, lane_id):
    row = rows.read(webhook_lanes, lane_id)
    return row["dispatch"], row["lease_owner"]


def due_in_s(database, lane_id):
    seconds = func.extract("epoch", webhook_lanes.c.due_at - func.now())
    with database.statement() as connection:
        found = connection.execute(select(seconds).where(webhook_lanes.c.id == lane_id)).scalar_one()
    return None if found is None else float(found)


# --- claimed ----------------------------------------------------------------------------------------------------------


def test_a_claim_has_all_that_a_drain_needs(lanes, endpoints, tenant, rows):
    endpoint, secret = endpoints.create(tenant, url=URL, event_types=["*"], description=None)
    message = rows.message(tenant, endpoint_id=endpoint.id, payload='{"type":"job.queued","data":{"é":"…"}}')
    row = rows.read(table, message)
    claim = lanes.claim(endpoint.id, WORKER)
    assert (claim.lane_id, claim.tenant_id, claim.endpoint_id) == (endpoint.id, tenant, endpoint.id)
    assert (claim.secrets, claim.epoch, claim.worker_id, claim.health) == ((secret,), 1, WORKER, WELL)
    [due] = claim.due
    assert (due.id, due.event_id, due.job_id) == (message, row["event_id"], row["job_id"])
    assert (due.url, due.type, due.attempts, due.round) == (URL, "job.queued", 0, 0)
    assert due.payload == '{"type":"job.queued","data":{"é":"…","delivery_seq":1}}'.encode()
    assert standing(rows, endpoint.id) == ("held", WORKER)
    assert "canary" not in repr(claim)
    assert secret not in repr(claim)


def test_a_jobs_own_url_has_a_lane_by_its_host_and_the_tenants_secret(lanes, database, sealer, tenant, rows):
    message = rows.message(tenant, url=URL, payload='{"data":{}}')
    other = rows.message(tenant, url="https://example.com/other")
    lane = url_lane(tenant, "example.com")
    assert [rows.lane(one) for one in (message, other)] == [lane, lane]
    claim = lanes.claim(lane, WORKER)
    assert [(one.id, one.url) for one in claim.due] == [(message, URL), (other, "https://example.com/other")]
    assert claim.due[0].payload == b'{"data":{}}'
    assert claim.secrets == (Tenants(database, sealer).webhook_secret(tenant),)


def test_of_many_claimers_of_one_lane_exactly_one_gets_it(lanes, message, endpoint, at_once):
    claims = at_once(8, lambda n: lanes.claim(endpoint.id, f"wrk_{n}"))
    assert sum(claim is not None for claim in claims) == 1
    assert claims.count(None) == 7


def test_only_a_rung_lane_can_be_claimed(lanes, tenant, endpoint, rows):
    rows.message(tenant, endpoint_id=endpoint.id, rung=False)
    assert lanes.claim(endpoint.id, WORKER) is None
    assert lanes.claim(new_id("webhook_endpoint"), WORKER) is None
    rows.ring(endpoint.id)
    assert lanes.claim(endpoint.id, WORKER) is not None
    assert lanes.claim(endpoint.id, WORKER) is None


@pytest.mark.parametrize("how", [{"deleted_at": text("now()")}, {"state": "disabled"}])
def test_what_waits_for_an_endpoint_that_is_gone_ends_at_the_claim(lanes, message, endpoint, rows, how):
    """The sequencer may make a message at the very moment its endpoint goes."""
    rows.write(webhook_endpoints, endpoint.id, **how)
    assert lanes.claim(endpoint.id, WORKER) is None
    assert state(rows, message) == ("dropped", 0, 0)
    assert standing(rows, endpoint.id) == ("idle", None)
    assert rows.read(webhook_lanes, endpoint.id)["due_at"] is None


def test_nothing_is_ever_sent_to_another_tenants_endpoint(lanes, other_tenant, endpoint, rows):
    crossed = rows.message(other_tenant, endpoint_id=endpoint.id)
    assert lanes.claim(endpoint.id, WORKER) is None
    assert state(rows, crossed)[0] == "dropped"


def test_a_secret_swapped_between_endpoints_does_not_open_and_the_lane_stays(
    lanes, endpoints, tenant, other_tenant, rows
):
    made = [
        endpoints.create(owner, url=URL, event_types=["*"], description=None)[0]
        for owner in (tenant, tenant, other_tenant)
    ]
    sealed = {endpoint.id: rows.read(webhook_endpoints, endpoint.id)["secret"] for endpoint in made}
    for into, origin in itertools.permutations(made, 2):
        rows.write(webhook_endpoints, into.id, secret=sealed[origin.id])
        rows.message(into.tenant_id, endpoint_id=into.id)
        with pytest.raises(SealBroken):
            lanes.claim(into.id, WORKER)
        assert standing(rows, into.id) == ("rung", None)
        rows.write(webhook_endpoints, into.id, secret=sealed[into.id])
        assert lanes.claim(into.id, WORKER) is not None


# --- what is due ------------------------------------------------------------------------------------------------------


def test_first_tries_come_in_the_order_of_their_events_whatever_the_clocks_said(lanes, tenant, endpoint, rows):
    ids = [rows.message(tenant, endpoint_id=endpoint.id) for _ in range(5)]
    for number, message_id in enumerate(ids):
        rows.write(table, message_id, due_at=func.now() - timedelta(hours=number))
    assert [one.id for one in lanes.claim(endpoint.id, WORKER).due] == ids


def test_what_is_to_be_tried_again_is_not_starved_by_what_is_new(lanes, tenant, endpoint, rows):
    again = rows.message(tenant, endpoint_id=endpoint.id)
    later = rows.message(tenant, endpoint_id=endpoint.id)
    claim = lanes.claim(endpoint.id, WORKER)
    lanes.finish(claim, [failed(again, 0.0), failed(later)], WELL)
    fresh = [rows.message(tenant, endpoint_id=endpoint.id) for _ in range(BATCH + 5)]
    due = lanes.claim(endpoint.id, WORKER).due
    assert [one.id for one in due] == [*fresh[:BATCH], again]
    assert (due[-1].attempts, due[-1].round) == (1, 1)


def test_a_receiver_that_is_left_alone_gets_one_message_to_see_whether_it_answers(lanes, tenant, endpoint, rows):
    ids = [rows.message(tenant, endpoint_id=endpoint.id) for _ in range(3)]
    resting = Health(open_until=datetime(2026, 1, 1, tzinfo=UTC), opened=1)
    lanes.finish(lanes.claim(endpoint.id, WORKER), [], resting)
    rows.ring(endpoint.id)
    claim = lanes.claim(endpoint.id, WORKER)
    assert claim.health == resting
    assert [one.id for one in claim.due] == ids[:1]


def test_more_is_what_was_not_recorded(lanes, tenant, endpoint, rows):
    ids = [rows.message(tenant, endpoint_id=endpoint.id) for _ in range(3)]
    claim = lanes.claim(endpoint.id, WORKER)
    lanes.record(claim, [delivered(ids[0]), failed(ids[1])], WELL)
    assert [one.id for one in lanes.more(claim)] == ids[2:]
    assert standing(rows, endpoint.id) == ("held", WORKER)


# --- recorded ---------------------------------------------------------------------------------------------------------


def test_each_message_stands_as_its_try_left_it(lanes, tenant, endpoint, rows, tries):
    one, two, three = (rows.message(tenant, endpoint_id=endpoint.id) for _ in range(3))
    lanes.finish(lanes.claim(endpoint.id, WORKER), [delivered(one), failed(two), failed(three, None)], WELL)
    assert [state(rows, message) for message in (one, two, three)] == [
        ("delivered", 1, 1),
        ("pending", 1, 1),
        ("exhausted", 1, 1),
    ]
    assert [rows.read(table, message)["finished_at"] is None for message in (one, two, three)] == [False, True, False]
    assert [tries(message) for message in (one, two, three)] == [[(1, ANSWERED)], [(1, FAILED)], [(1, FAILED)]]


def test_tries_are_counted_and_kept_in_order(lanes, endpoint, message, rows, tries):
    for number in (1, 2):
        claim = lanes.claim(endpoint.id, WORKER)
        assert (claim.epoch, claim.due[0].attempts) == (number, number - 1)
        lanes.finish(claim, [failed(message, 0.0)], WELL)
        rows.ring(endpoint.id)
    lanes.finish(lanes.claim(endpoint.id, WORKER), [delivered(message)], WELL)
    assert tries(message) == [(1, FAILED), (2, FAILED), (3, ANSWERED)]


def test_a_try_that_was_never_recorded_does_not_count(lanes, endpoint, message, rows):
    lanes.claim(endpoint.id, WORKER)
    rows.ring(endpoint.id)
    claim = lanes.claim(endpoint.id, WORKER)
    assert (claim.epoch, claim.due[0].attempts) == (2, 0)


@pytest.mark.parametrize(
    "write",
    [
        lambda lanes, claim, message: lanes.record(claim, [delivered(message)], WELL),
        lambda lanes, claim, message: lanes.finish(claim, [delivered(message)], WELL),
        lambda lanes, claim, message: lanes.disable(claim, [failed(message, None, GONE)], WELL, reason="status 410"),
    ],
    ids=["record", "finish", "disable"],
)
def test_a_stale_epoch_writes_nothing(lanes, endpoints, tenant, endpoint, message, rows, tries, write):
    """The same worker took the lane again after it was taken from it: only the epoch tells the two apart."""
    stale = lanes.claim(endpoint.id, WORKER)
    rows.ring(endpoint.id)
    lanes.claim(endpoint.id, WORKER)
    with pytest.raises(ClaimLost):
        write(lanes, stale, message)
    assert state(rows, message) == ("pending", 0, 0)
    assert standing(rows, endpoint.id) == ("held", WORKER)
    assert tries(message) == []
    assert endpoints.find(tenant, endpoint.id).state == "enabled"


def test_of_many_who_finish_one_claim_exactly_one_does(lanes, endpoint, message, tries, at_once):
    """The epoch is the same: that nobody holds the lane any more must be enough."""
    claim = lanes.claim(endpoint.id, WORKER)
    outcomes = at_once(6, lambda _: lanes.finish(claim, [failed(message)], WELL))
    assert outcomes.count(None) == 1
    assert sum(isinstance(outcome, ClaimLost) for outcome in outcomes) == 5
    assert len(tries(message)) == 1


def test_a_try_of_a_message_that_was_dropped_meanwhile_is_kept_and_changes_nothing(
    lanes, endpoints, tenant, endpoint, message, rows, database
):
    claim = lanes.claim(endpoint.id, WORKER)
    endpoints.delete(tenant, endpoint.id)
    lanes.finish(claim, [delivered(message)], WELL)
    assert state(rows, message) == ("dropped", 1, 1)
    assert len(Deliveries(database).attempts(tenant, message)) == 1


def test_whatever_a_receiver_says_can_be_recorded(lanes, endpoint, message, tries):
    hostile = AttemptRecord(
        started_at=FAILED.started_at, elapsed_ms=1, status=500, error_class="status", excerpt="a\0b\ud800c'; --\u202e"
    )
    lanes.finish(lanes.claim(endpoint.id, WORKER), [failed(message, None, hostile)], WELL)
    [(_, kept)] = tries(message)
    assert kept.excerpt == "a\ufffdb?c'; --\u202e"


# --- given back -------------------------------------------------------------------------------------------------------


def test_a_lane_is_due_when_its_next_message_is(lanes, tenant, endpoint, message, rows, database):
    lanes.finish(lanes.claim(endpoint.id, WORKER), [failed(message, 600.0)], WELL)
    assert 500 < due_in_s(database, endpoint.id) <= 600
    rows.message(tenant, endpoint_id=endpoint.id, rung=False)
    assert due_in_s(database, endpoint.id) <= 0


def test_a_lane_with_nothing_left_is_not_due(lanes, endpoint, message, database):
    lanes.finish(lanes.claim(endpoint.id, WORKER), [delivered(message)], WELL)
    assert due_in_s(database, endpoint.id) is None


def test_what_came_while_it_was_held_is_not_overlooked(lanes, tenant, endpoint, message, rows, database):
    claim = lanes.claim(endpoint.id, WORKER)
    rows.message(tenant, endpoint_id=endpoint.id, rung=False)
    lanes.finish(claim, [delivered(message)], WELL)
    assert due_in_s(database, endpoint.id) <= 0


def test_what_comes_at_the_very_moment_of_giving_back_is_not_overlooked(
    lanes, tenant, endpoint, message, rows, database, eventually
):
    """Whoever gives it back has looked for messages, and now waits for the lane, which the sequencer has."""
    claim, waits = lanes.claim(endpoint.id, WORKER), "SELECT count(*) FROM pg_locks WHERE NOT granted"
    event_id, position, job_id = rows.told(tenant)
    wanted = Wanted(
        event_id=event_id,
        tenant_id=tenant,
        position=position,
        endpoint_id=endpoint.id,
        url=URL,
        type="job.queued",
        job_id=job_id,
        seq=1,
    )
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            enqueue(connection, [wanted])
            finishing = pool.submit(lanes.finish, claim, [delivered(message)], WELL)
            eventually(lambda: connection.execute(text(waits)).scalar_one())
        finishing.result(20)
    assert due_in_s(database, endpoint.id) <= 0


def test_an_open_breaker_keeps_a_lane_from_being_due(lanes, tenant, endpoint, message, rows, database):
    soon = datetime.now(UTC) + timedelta(minutes=5)
    lanes.finish(lanes.claim(endpoint.id, WORKER), [failed(message, 0.0)], Health(open_until=soon, opened=1))
    assert 200 < due_in_s(database, endpoint.id) <= 300
    rows.message(tenant, endpoint_id=endpoint.id, rung=False)
    assert 200 < due_in_s(database, endpoint.id) <= 300
    assert rows.read(webhook_lanes, endpoint.id)["breaker"] == "open"


def test_a_receiver_with_a_rate_rests(lanes, endpoint, message, database):
    soon = datetime.now(UTC) + timedelta(minutes=2)
    lanes.finish(lanes.claim(endpoint.id, WORKER), [failed(message, 0.0)], WELL, not_before=soon)
    assert 60 < due_in_s(database, endpoint.id) <= 120


# --- a receiver that wants no more, or takes nothing ------------------------------------------------------------------


def told(database, tenant_id):
    found = select(feed_events.c.type, feed_events.c.payload).where(
        feed_events.c.tenant_id == tenant_id, feed_events.c.type.like("endpoint.%")
    )
    with database.statement() as connection:
        return [(row.type, json.loads(row.payload)["data"]) for row in connection.execute(found)]


def test_a_receiver_that_is_gone_gets_nothing_more_and_its_owner_is_told(
    lanes, endpoints, tenant, endpoint, message, rows, database
):
    other = endpoints.create(tenant, url=URL, event_types=["*"], description=None)[0]
    waiting = rows.message(tenant, endpoint_id=endpoint.id)
    elsewhere = rows.message(tenant, endpoint_id=other.id)
    claim = lanes.claim(endpoint.id, WORKER)
    lanes.disable(claim, [failed(message, None, GONE)], WELL, reason="status 410")
    disabled = endpoints.find(tenant, endpoint.id)
    assert (disabled.state, disabled.disabled_reason) == ("disabled", "status 410")
    assert [state(rows, one)[0] for one in (message, waiting, elsewhere)] == ["exhausted", "dropped", "pending"]
    assert endpoints.find(tenant, other.id).state == "enabled"
    assert standing(rows, endpoint.id) == ("idle", None)
    [(kind, data)] = told(database, tenant)
    assert kind == "endpoint.disabled"
    assert (data["endpoint"], data["reason"], data["failing_since"]) == (endpoint.id, "status 410", None)
    assert "canary" not in str(data)


def test_who_disables_what_is_disabled_tells_nobody(lanes, tenant, endpoint, message, rows, database):
    claim = lanes.claim(endpoint.id, WORKER)
    rows.write(webhook_endpoints, endpoint.id, state="disabled", disabled_reason="by hand")
    lanes.disable(claim, [failed(message, None, GONE)], WELL, reason="status 410")
    assert told(database, tenant) == []
    assert rows.read(webhook_endpoints, endpoint.id)["disabled_reason"] == "by hand"


def test_that_an_endpoint_takes_nothing_is_told_with_the_try_that_showed_it(
    lanes, tenant, endpoint, message, rows, database
):
    since = datetime(2026, 1, 1, tzinfo=UTC)
    health = Health(failing_since=since, alerted=50)
    news = Failing(50, since, since + timedelta(seconds=GIVEN_UP_S))
    lanes.finish(lanes.claim(endpoint.id, WORKER), [failed(message)], health, news=news)
    [(kind, data)] = told(database, tenant)
    assert (kind, data["endpoint"], data["percent"]) == ("endpoint.failing", endpoint.id, 50)
    assert (data["failing_since"], data["disabled_at"]) == ("2026-01-01T00:00:00.000Z", "2026-01-06T00:00:00.000Z")
    rows.ring(endpoint.id)
    assert lanes.claim(endpoint.id, WORKER).health == health
