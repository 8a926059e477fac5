from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from fakes.refusals import refusal
from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.outgoing import AttemptRecord
from reelqueue.errors import NotFound
from reelqueue.kit.ids import new_id
from reelqueue.kit.sealing import SealBroken
from reelqueue.store.deliveries import Deliveries
from reelqueue.store.endpoints import Endpoints
from reelqueue.store.tables import messages as table
from reelqueue.store.tables import webhook_endpoints
from reelqueue.store.tenants import Tenants

URL = "https://example.com/hook?token=canary"
WORKER = new_id("worker")
FAILED = AttemptRecord(
    started_at=datetime(2026, 3, 1, tzinfo=UTC), elapsed_ms=15_000, status=None, error_class="timeout"
)
ANSWERED = AttemptRecord(
    started_at=datetime(2026, 3, 2, tzinfo=UTC), elapsed_ms=12, status=200, error_class=None, excerpt="thanks"
)
GONE = AttemptRecord(started_at=datetime(2026, 3, 3, tzinfo=UTC), elapsed_ms=9, status=410, error_class="status")


@pytest.fixture
def deliveries(database, sealer):
    return Deliveries(database, sealer)


@pytest.fixture
def endpoints(database, sealer):
    return Endpoints(database, sealer)


@pytest.fixture
def endpoint(endpoints, tenant):
    return endpoints.create(tenant, url=URL, event_types=["*"], description=None)[0]


@pytest.fixture
def message(rows, tenant, endpoint):
    return rows.message(tenant, endpoint_id=endpoint.id)


def state(rows, message_id):
    row = rows.read(table, message_id)
    return row["state"], row["dispatch"], row["lease_owner"], row["attempts"]


def records(deliveries, tenant, message_id):
    return [(attempt.number, attempt.record) for attempt in deliveries.attempts(tenant, message_id)]


# --- claimed ----------------------------------------------------------------------------------------------------------


def test_a_claim_has_all_that_a_try_needs(deliveries, endpoints, tenant, rows):
    endpoint, secret = endpoints.create(tenant, url=URL, event_types=["*"], description=None)
    message = rows.message(tenant, endpoint_id=endpoint.id, payload='{"type":"job.queued","é":"…"}')
    claim = deliveries.claim(message, WORKER)
    assert (claim.message_id, claim.tenant_id, claim.endpoint_id) == (message, tenant, endpoint.id)
    assert (claim.url, claim.secrets) == (URL, (secret,))
    assert claim.payload == '{"type":"job.queued","é":"…"}'.encode()
    assert (claim.attempt, claim.epoch, claim.type, claim.worker_id) == (1, 1, "job.queued", WORKER)
    assert claim.job_id == rows.read(table, message)["job_id"]
    assert state(rows, message) == ("pending", "held", WORKER, 0)
    assert "canary" not in repr(claim)
    assert secret not in repr(claim)


def test_a_jobs_own_url_is_signed_with_the_tenants_secret(deliveries, database, sealer, tenant, rows):
    claim = deliveries.claim(rows.message(tenant, url=URL), WORKER)
    assert (claim.endpoint_id, claim.url) == (None, URL)
    assert claim.secrets == (Tenants(database, sealer).webhook_secret(tenant),)


def test_of_many_claimers_of_one_message_exactly_one_gets_it(deliveries, message, at_once):
    claims = at_once(8, lambda n: deliveries.claim(message, f"wrk_{n}"))
    assert sum(claim is not None for claim in claims) == 1
    assert claims.count(None) == 7


def test_only_a_rung_message_can_be_claimed(deliveries, tenant, endpoint, rows):
    idle = rows.message(tenant, endpoint_id=endpoint.id, dispatch="idle")
    assert deliveries.claim(idle, WORKER) is None
    assert deliveries.claim(new_id("message"), WORKER) is None
    done = rows.message(tenant, endpoint_id=endpoint.id)
    deliveries.record(deliveries.claim(done, WORKER), ANSWERED, delivered=True, retry_in_s=None)
    assert deliveries.claim(done, WORKER) is None
    assert state(rows, idle) == ("pending", "idle", None, 0)


@pytest.mark.parametrize("how", [{"deleted_at": text("now()")}, {"state": "disabled"}])
def test_a_message_whose_endpoint_is_gone_ends_at_the_claim(deliveries, message, endpoint, rows, how):
    """An event may write a message at the very moment its endpoint goes."""
    rows.write(webhook_endpoints, endpoint.id, **how)
    assert deliveries.claim(message, WORKER) is None
    assert state(rows, message) == ("dropped", "done", None, 0)


def test_a_message_is_never_sent_to_another_tenants_endpoint(deliveries, other_tenant, endpoint, rows):
    crossed = rows.message(other_tenant, endpoint_id=endpoint.id)
    assert deliveries.claim(crossed, WORKER) is None
    assert state(rows, crossed)[0] == "dropped"


def test_a_secret_swapped_between_endpoints_does_not_open_and_the_message_stays(
    deliveries, endpoints, tenant, other_tenant, rows
):
    made = [
        endpoints.create(owner, url=URL, event_types=["*"], description=None)[0]
        for owner in (tenant, tenant, other_tenant)
    ]
    sealed = {endpoint.id: rows.read(webhook_endpoints, endpoint.id)["secret"] for endpoint in made}
    for into, origin in itertools.permutations(made, 2):
        rows.write(webhook_endpoints, into.id, secret=sealed[origin.id])
        message = rows.message(into.tenant_id, endpoint_id=into.id)
        with pytest.raises(SealBroken):
            deliveries.claim(message, WORKER)
        assert state(rows, message) == ("pending", "rung", None, 0)
        rows.write(webhook_endpoints, into.id, secret=sealed[into.id])
        assert deliveries.claim(message, WORKER) is not None


# --- recorded ---------------------------------------------------------------------------------------------------------


def test_a_delivered_message_is_done(deliveries, tenant, message, rows):
    deliveries.record(deliveries.claim(message, WORKER), ANSWERED, delivered=True, retry_in_s=None)
    assert state(rows, message) == ("delivered", "done", None, 1)
    assert rows.read(table, message)["finished_at"] is not None
    assert records(deliveries, tenant, message) == [(1, ANSWERED)]


def test_a_failed_try_is_due_again_by_the_databases_clock(deliveries, tenant, message, rows, database):
    deliveries.record(deliveries.claim(message, WORKER), FAILED, delivered=False, retry_in_s=3600)
    assert state(rows, message) == ("pending", "idle", None, 1)
    with database.statement() as connection:
        now = connection.execute(text("SELECT now()")).scalar_one()
    hour = timedelta(hours=1)
    assert now < rows.read(table, message)["due_at"] <= now + hour


def test_without_a_further_try_a_message_is_exhausted(deliveries, tenant, message, rows):
    deliveries.record(deliveries.claim(message, WORKER), FAILED, delivered=False, retry_in_s=None)
    assert state(rows, message) == ("exhausted", "done", None, 1)
    assert rows.read(table, message)["finished_at"] is not None
    assert records(deliveries, tenant, message) == [(1, FAILED)]


def test_tries_are_counted_and_kept_in_order(deliveries, tenant, message, rows):
    for number in (1, 2):
        claim = deliveries.claim(message, WORKER)
        assert (claim.attempt, claim.epoch) == (number, number)
        deliveries.record(claim, FAILED, delivered=False, retry_in_s=0)
        rows.ring(message)
    claim = deliveries.claim(message, WORKER)
    deliveries.record(claim, ANSWERED, delivered=True, retry_in_s=None)
    assert records(deliveries, tenant, message) == [(1, FAILED), (2, FAILED), (3, ANSWERED)]


def test_a_try_that_was_never_recorded_does_not_count(deliveries, tenant, message, rows):
    deliveries.claim(message, WORKER)
    rows.ring(message)
    claim = deliveries.claim(message, WORKER)
    assert (claim.attempt, claim.epoch) == (1, 2)


def test_a_stale_epoch_writes_nothing(deliveries, tenant, message, rows):
    """The same worker claimed the message again after it was taken from it: only the epoch tells the two apart."""
    stale = deliveries.claim(message, WORKER)
    rows.ring(message)
    current = deliveries.claim(message, WORKER)
    with pytest.raises(ClaimLost):
        deliveries.record(stale, ANSWERED, delivered=True, retry_in_s=None)
    assert state(rows, message) == ("pending", "held", WORKER, 0)
    assert records(deliveries, tenant, message) == []
    deliveries.record(current, FAILED, delivered=False, retry_in_s=None)
    assert records(deliveries, tenant, message) == [(1, FAILED)]


def test_a_try_is_recorded_once(deliveries, tenant, message, rows):
    """The epoch is the same: that nobody holds the message any more must be enough."""
    claim = deliveries.claim(message, WORKER)
    deliveries.record(claim, FAILED, delivered=False, retry_in_s=3600)
    with pytest.raises(ClaimLost):
        deliveries.record(claim, FAILED, delivered=False, retry_in_s=None)
    assert state(rows, message) == ("pending", "idle", None, 1)
    assert records(deliveries, tenant, message) == [(1, FAILED)]


def test_of_many_records_of_one_claim_exactly_one_is_written(deliveries, tenant, message, at_once):
    claim = deliveries.claim(message, WORKER)
    outcomes = at_once(
        6, lambda n: deliveries.record(claim, FAILED, delivered=False, retry_in_s=3600, disable_endpoint=n % 2 == 0)
    )
    assert outcomes.count(None) == 1
    assert sum(isinstance(outcome, ClaimLost) for outcome in outcomes) == 5
    assert len(records(deliveries, tenant, message)) == 1


def test_a_claim_on_a_dropped_message_is_lost(deliveries, endpoints, tenant, endpoint, message, rows):
    claim = deliveries.claim(message, WORKER)
    endpoints.delete(tenant, endpoint.id)
    with pytest.raises(ClaimLost):
        deliveries.record(claim, ANSWERED, delivered=True, retry_in_s=None)
    assert state(rows, message) == ("dropped", "done", None, 0)


def test_whatever_a_receiver_says_can_be_recorded(deliveries, tenant, message):
    hostile = AttemptRecord(
        started_at=FAILED.started_at, elapsed_ms=1, status=500, error_class="status", excerpt="a\0b\ud800c'; --\u202e"
    )
    deliveries.record(deliveries.claim(message, WORKER), hostile, delivered=False, retry_in_s=None)
    [(_, kept)] = records(deliveries, tenant, message)
    assert kept.excerpt == "a\ufffdb?c'; --\u202e"


# --- a receiver that wants no more ------------------------------------------------------------------------------------


def test_a_receiver_that_is_gone_gets_nothing_more(deliveries, endpoints, tenant, endpoint, message, rows):
    other = endpoints.create(tenant, url=URL, event_types=["*"], description=None)[0]
    delivered = rows.message(tenant, endpoint_id=endpoint.id)
    deliveries.record(deliveries.claim(delivered, WORKER), ANSWERED, delivered=True, retry_in_s=None)
    waiting = rows.message(tenant, endpoint_id=endpoint.id, dispatch="idle")
    elsewhere = rows.message(tenant, endpoint_id=other.id)
    deliveries.record(deliveries.claim(message, WORKER), GONE, delivered=False, retry_in_s=5.0, disable_endpoint=True)
    disabled = endpoints.find(tenant, endpoint.id)
    assert (disabled.state, disabled.disabled_reason) == ("disabled", "status 410")
    assert state(rows, message) == ("exhausted", "done", None, 1)
    assert state(rows, waiting)[0] == "dropped"
    assert state(rows, delivered)[0] == "delivered"
    assert state(rows, elsewhere)[0] == "pending"
    assert endpoints.find(tenant, other.id).state == "enabled"


def test_a_stale_epoch_disables_nothing(deliveries, endpoints, tenant, endpoint, message, rows):
    stale = deliveries.claim(message, WORKER)
    rows.ring(message)
    deliveries.claim(message, WORKER)
    with pytest.raises(ClaimLost):
        deliveries.record(stale, GONE, delivered=False, retry_in_s=None, disable_endpoint=True)
    assert endpoints.find(tenant, endpoint.id).state == "enabled"
    assert state(rows, message) == ("pending", "held", WORKER, 0)


def test_a_jobs_own_url_has_no_endpoint_to_disable(deliveries, tenant, rows):
    message = rows.message(tenant, url=URL)
    claim = deliveries.claim(message, WORKER)
    deliveries.record(claim, GONE, delivered=False, retry_in_s=60, disable_endpoint=True)
    assert state(rows, message) == ("exhausted", "done", None, 1)


# --- looked at --------------------------------------------------------------------------------------------------------


def test_messages_of_an_endpoint_are_listed_newest_first(deliveries, endpoints, tenant, endpoint, rows):
    other = endpoints.create(tenant, url=URL, event_types=["*"], description=None)[0]
    rows.message(tenant, endpoint_id=other.id)
    ids = sorted((rows.message(tenant, endpoint_id=endpoint.id) for _ in range(4)), reverse=True)
    first = deliveries.list(tenant, endpoint.id, before=None, limit=3)
    assert [message.id for message in first] == ids[:3]
    rest = deliveries.list(tenant, endpoint.id, before=ids[2], limit=3)
    assert [message.id for message in rest] == ids[3:]
    assert (first[0].state, first[0].attempts, first[0].seq, first[0].type) == ("pending", 0, 1, "job.queued")


def test_anothers_messages_cannot_be_told_from_ones_that_never_were(deliveries, other_tenant, endpoint, message, rows):
    deliveries.record(deliveries.claim(message, WORKER), FAILED, delivered=False, retry_in_s=60)
    never = refusal(lambda: deliveries.attempts(other_tenant, new_id("message")))
    assert never["class"] is NotFound
    assert refusal(lambda: deliveries.attempts(other_tenant, message)) == never
    no_list = refusal(lambda: deliveries.list(other_tenant, new_id("webhook_endpoint"), before=None, limit=9))
    assert refusal(lambda: deliveries.list(other_tenant, endpoint.id, before=None, limit=9)) == no_list == never


def test_a_deleted_endpoints_messages_are_not_listed(deliveries, endpoints, tenant, endpoint, message):
    endpoints.delete(tenant, endpoint.id)
    with pytest.raises(NotFound):
        deliveries.list(tenant, endpoint.id, before=None, limit=9)
