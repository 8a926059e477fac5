from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from sqlalchemy import func

from fakes.refusals import refusal
from reelqueue.domain.endpoints import MOST_ENDPOINTS, EndpointOptions
from reelqueue.domain.signing_keys import public_key
from reelqueue.errors import NotFound, TooManyEndpoints, ValidationFailed
from reelqueue.kit.ids import new_id
from reelqueue.store.endpoints import Endpoints
from reelqueue.store.lanes import Lanes
from reelqueue.store.tables import messages as messages_table
from reelqueue.store.tables import webhook_endpoints as table
from reelqueue.store.tables import webhook_lanes

URL = "https://example.com/hook?token=canary"


@pytest.fixture
def endpoints(database, sealer):
    return Endpoints(database, sealer)


@pytest.fixture
def make(endpoints):
    def make(tenant_id, url=URL, event_types=("job.succeeded",)):
        return endpoints.create(tenant_id, url=url, event_types=event_types, description=None)[0]

    return make


@pytest.fixture
def lane(database, sealer, rows):
    """The lane of an endpoint, taken by a worker after its bell was rung."""

    def take(endpoint_id):
        rows.ring(endpoint_id)
        return Lanes(database, sealer).claim(endpoint_id, new_id("worker"))

    return take


def test_a_tenant_has_so_many_and_no_more_also_at_once(endpoints, make, tenant, other_tenant, at_once, database):
    deleted = make(tenant)
    endpoints.delete(tenant, deleted.id)
    for _ in range(MOST_ENDPOINTS - 2):
        make(tenant)
    outcomes = at_once(6, lambda _: make(tenant))
    assert sum(isinstance(one, TooManyEndpoints) for one in outcomes) == 4
    assert len(endpoints.list(tenant, before=None, limit=MOST_ENDPOINTS + 9)) == MOST_ENDPOINTS
    assert make(other_tenant).tenant_id == other_tenant


def test_an_endpoint_is_kept_with_a_secret_that_is_shown_once(endpoints, tenant, rows):
    made, secret = endpoints.create(tenant, url=URL, event_types=["job.*", "job.*"], description="ours")
    assert (made.url, made.event_types, made.description, made.state) == (URL, ("job.*",), "ours", "enabled")
    assert endpoints.find(tenant, made.id) == made
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert secret.encode() not in rows.read(table, made.id)["secret"]
    assert secret not in repr(made)
    assert "canary" not in repr(made)


def test_each_has_a_secret_of_its_own(endpoints, tenant):
    secrets = {endpoints.create(tenant, url=URL, event_types=["*"], description=None)[1] for _ in range(3)}
    assert len(secrets) == 3


def test_unknown_events_make_no_endpoint(endpoints, tenant):
    for wrong in ([], ["job.exploded"]):
        with pytest.raises(ValidationFailed):
            endpoints.create(tenant, url=URL, event_types=wrong, description=None)
    assert endpoints.list(tenant, before=None, limit=10) == []


def test_no_tenant_has_no_endpoint(endpoints):
    with pytest.raises(NotFound):
        endpoints.create(new_id("tenant"), url=URL, event_types=["*"], description=None)


@pytest.mark.parametrize("use", ["find", "delete"])
def test_anothers_endpoint_cannot_be_told_from_one_that_never_was(endpoints, tenant, other_tenant, rows, make, use):
    theirs = make(other_tenant)
    message = rows.message(other_tenant, endpoint_id=theirs.id)
    call = getattr(endpoints, use)
    never = refusal(lambda: call(tenant, new_id("webhook_endpoint")))
    assert never["class"] is NotFound
    assert refusal(lambda: call(tenant, theirs.id)) == never
    assert endpoints.find(other_tenant, theirs.id) == theirs
    assert rows.read(messages_table, message)["state"] == "pending"


def test_a_deleted_endpoint_is_gone_from_every_view(endpoints, tenant, make):
    gone, stays = make(tenant), make(tenant)
    endpoints.delete(tenant, gone.id)
    never = refusal(lambda: endpoints.find(tenant, new_id("webhook_endpoint")))
    assert refusal(lambda: endpoints.find(tenant, gone.id)) == never
    assert refusal(lambda: endpoints.delete(tenant, gone.id)) == never
    assert endpoints.list(tenant, before=None, limit=10) == [stays]


def test_a_delete_drops_what_is_pending_there_and_nothing_else(endpoints, tenant, other_tenant, rows, make, lane):
    gone, stays, theirs = make(tenant), make(tenant), make(other_tenant)
    rung = rows.message(tenant, endpoint_id=gone.id)
    idle = rows.message(tenant, endpoint_id=gone.id, rung=False)
    held = rows.message(tenant, endpoint_id=gone.id)
    assert lane(gone.id) is not None
    others = [
        rows.message(tenant, endpoint_id=stays.id),
        rows.message(tenant, url=URL),
        rows.message(other_tenant, endpoint_id=theirs.id),
    ]
    endpoints.delete(tenant, gone.id)
    for message in (rung, idle, held):
        row = rows.read(messages_table, message)
        assert (row["state"], row["due_at"]) == ("dropped", None)
        assert row["finished_at"] is not None
    assert {rows.read(messages_table, message)["state"] for message in others} == {"pending"}


def test_pages_run_from_the_newest_to_the_oldest_within_the_tenant(endpoints, tenant, other_tenant, make):
    ids = sorted((make(tenant).id for _ in range(5)), reverse=True)
    make(other_tenant)
    first = endpoints.list(tenant, before=None, limit=2)
    assert [endpoint.id for endpoint in first] == ids[:2]
    rest = endpoints.list(tenant, before=first[-1].id, limit=10)
    assert [endpoint.id for endpoint in rest] == ids[2:]


# --- changed ----------------------------------------------------------------------------------------------------------

HEADERS = {"Authorization": "Bearer canary-7", "X-Team": "video"}


def test_a_change_reaches_what_is_sent_from_then_on(endpoints, tenant, rows, make, lane):
    endpoint = make(tenant)
    rows.message(tenant, endpoint_id=endpoint.id)
    before = lane(endpoint.id)
    assert (before.url, dict(before.headers), before.max_in_flight, before.rate_per_minute) == (URL, {}, None, None)
    changes = {"url": "https://other.example/", "headers": HEADERS, "max_in_flight": 2, "rate_per_minute": 60}
    endpoints.change(tenant, endpoint.id, changes)
    after = lane(endpoint.id)
    assert (after.url, after.max_in_flight, after.rate_per_minute) == ("https://other.example/", 2, 60)
    assert dict(after.headers) == HEADERS
    assert after.secrets == before.secrets
    assert rows.read(webhook_lanes, endpoint.id)["host"] == "other.example"
    assert "canary" not in repr(after)


def test_headers_are_sealed_and_shown_by_name_only(endpoints, tenant, rows, make):
    endpoint = endpoints.change(tenant, make(tenant).id, {"headers": HEADERS})
    assert endpoint.header_names == ("Authorization", "X-Team")
    assert "canary" not in repr(endpoint)
    assert b"canary" not in rows.read(table, endpoint.id)["headers"]
    assert endpoints.change(tenant, endpoint.id, {"headers": {}}).header_names == ()
    assert rows.read(table, endpoint.id)["headers"] is None


def test_an_endpoint_is_made_with_all_that_can_be_changed(endpoints, tenant, rows, lane):
    options = EndpointOptions(
        filter={"env": "live"}, headers=HEADERS, rate_per_minute=60, max_in_flight=2, asymmetric=True
    )
    made, secret = endpoints.create(tenant, url=URL, event_types=["*"], description=None, options=options)
    assert endpoints.find(tenant, made.id) == made
    assert (made.filter, made.rate_per_minute, made.max_in_flight) == ({"env": "live"}, 60, 2)
    assert made.signing == ("v1", "v1a")
    assert "canary" not in repr(options)
    rows.message(tenant, endpoint_id=made.id)
    claim = lane(made.id)
    assert (claim.secrets[0], public_key(claim.secrets[1]), dict(claim.headers)) == (secret, made.public_key, HEADERS)


def test_one_that_is_turned_off_drops_what_waits_and_keeps_its_first_reason(endpoints, tenant, rows, make):
    endpoint, stays = make(tenant), make(tenant)
    messages = [rows.message(tenant, endpoint_id=one.id) for one in (endpoint, stays)]
    off = endpoints.change(tenant, endpoint.id, {"state": "disabled"})
    assert (off.state, off.disabled_reason) == ("disabled", "owner")
    assert [rows.read(messages_table, one)["state"] for one in messages] == ["dropped", "pending"]
    rows.write(table, endpoint.id, disabled_reason="status 410")
    assert endpoints.change(tenant, endpoint.id, {"state": "disabled"}).disabled_reason == "status 410"
    on = endpoints.change(tenant, endpoint.id, {"state": "enabled"})
    assert (on.state, on.disabled_reason) == ("enabled", None)


@pytest.mark.parametrize(
    ("change", "forgotten"),
    [({"state": "enabled"}, True), ({"url": "https://other.example/"}, True), ({"description": "x"}, False)],
)
def test_one_that_was_mended_or_moved_starts_anew(endpoints, tenant, rows, make, change, forgotten):
    endpoint = make(tenant)
    message = rows.message(tenant, endpoint_id=endpoint.id, rung=False)
    resting = datetime(2100, 1, 1, tzinfo=UTC)
    bad = {"breaker": "open", "open_until": resting, "opened": 3, "failing_since": func.now(), "alerted": 50}
    rows.write(webhook_lanes, endpoint.id, **bad, due_at=resting)
    endpoints.change(tenant, endpoint.id, change)
    lane = rows.read(webhook_lanes, endpoint.id)
    fresh = (lane["breaker"], lane["open_until"], lane["opened"], lane["failing_since"], lane["alerted"])
    assert (fresh == ("closed", None, 0, None, 0)) is forgotten
    assert (lane["due_at"] < resting) is forgotten
    assert rows.read(messages_table, message)["state"] == "pending"


def test_anothers_endpoint_is_not_changed(endpoints, tenant, other_tenant, make):
    theirs, changes = make(other_tenant), {"url": "https://other.example/", "state": "disabled", "asymmetric": True}
    never = refusal(lambda: endpoints.change(tenant, new_id("webhook_endpoint"), changes))
    assert never["class"] is NotFound
    assert refusal(lambda: endpoints.change(tenant, theirs.id, changes)) == never
    assert endpoints.find(other_tenant, theirs.id) == theirs
    endpoints.delete(other_tenant, theirs.id)
    assert refusal(lambda: endpoints.change(other_tenant, theirs.id, changes)) == never


def test_unknown_events_change_nothing(endpoints, tenant, make):
    endpoint = make(tenant)
    for wrong in ([], ["job.exploded"]):
        with pytest.raises(ValidationFailed):
            endpoints.change(tenant, endpoint.id, {"description": "new", "event_types": wrong})
    assert endpoints.find(tenant, endpoint.id) == endpoint
