from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fakes.refusals import refusal
from fakes.told import Told
from reelqueue.domain.outgoing import AttemptRecord, MessageFilter
from reelqueue.errors import EndpointNotListening, NotFound
from reelqueue.kit.ids import new_id
from reelqueue.store.endpoints import Endpoints
from reelqueue.store.resends import Resends
from reelqueue.store.tables import messages as table
from reelqueue.store.tables import webhook_endpoints, webhook_lanes

URL = "https://example.com/hook"
FAILED = AttemptRecord(
    started_at=datetime(2026, 3, 1, tzinfo=UTC),
    elapsed_ms=15_000,
    status=503,
    error_class="status",
    excerpt="busy",
    request_headers={"webhook-id": "evt_1", "x-mine": "***"},
)


@pytest.fixture
def resends(database):
    return Resends(database)


@pytest.fixture
def endpoints(database, sealer):
    return Endpoints(database, sealer)


@pytest.fixture
def endpoint(endpoints, tenant):
    return endpoints.create(tenant, url=URL, event_types=["*"], description=None)[0].id


@pytest.fixture
def told(database, sealer, tenant):
    return Told(database, sealer, tenant)


@pytest.fixture
def message(told, endpoint):
    [event] = told.events("job.failed")
    return told.message(event, endpoint)["id"]


def listed(deliveries, tenant, endpoint, *, states=(), types=(), before=None, limit=9):
    narrow = MessageFilter(states=frozenset(states), types=frozenset(types))
    return [message.id for message in deliveries.list(tenant, endpoint, narrow, before=before, limit=limit)]


# --- looked at --------------------------------------------------------------------------------------------------------


def test_a_list_is_narrowed_by_state_and_type(deliveries, tenant, endpoint, told):
    events = told.events("job.queued", "job.failed", "job.failed")
    queued, failed, ended = (told.message(event, endpoint)["id"] for event in events)
    told.tried(ended, FAILED, retry_in_s=None)
    for states, types, expected in (
        ((), (), {queued, failed, ended}),
        (("exhausted",), (), {ended}),
        (("exhausted", "pending"), (), {queued, failed, ended}),
        ((), ("job.failed",), {failed, ended}),
        (("pending",), ("job.failed",), {failed}),
        (("dropped",), (), set()),
    ):
        assert set(listed(deliveries, tenant, endpoint, states=states, types=types)) == expected


def test_tries_are_read_in_order_with_what_was_sent(deliveries, tenant, message, told):
    told.tried(message, *(replace(FAILED, elapsed_ms=number) for number in (1, 2, 3)))
    tries = deliveries.attempts(tenant, message, limit=2)
    assert [one.number for one in tries] == [1, 2]
    assert tries[1].record == replace(FAILED, elapsed_ms=2)
    assert [one.number for one in deliveries.attempts(tenant, message, after=2)] == [3]


def test_a_message_is_found_after_its_endpoint_was_deleted(deliveries, endpoints, tenant, endpoint, message, told):
    told.tried(message, FAILED)
    endpoints.delete(tenant, endpoint)
    found = deliveries.find(tenant, message)
    assert (found.id, found.endpoint_id, found.state, found.attempts) == (message, endpoint, "dropped", 1)
    assert len(deliveries.attempts(tenant, message)) == 1
    with pytest.raises(NotFound):
        listed(deliveries, tenant, endpoint)


def test_anothers_messages_cannot_be_told_from_ones_that_never_were(
    deliveries, resends, tenant, other_tenant, endpoint, message, told
):
    told.tried(message, FAILED)
    never = refusal(lambda: deliveries.find(other_tenant, new_id("message")))
    assert never["class"] is NotFound
    for refused in (
        lambda: deliveries.find(other_tenant, message),
        lambda: deliveries.attempts(other_tenant, message),
        lambda: deliveries.attempts(tenant, new_id("message")),
        lambda: listed(deliveries, other_tenant, endpoint),
        lambda: resends.resend(other_tenant, message),
        lambda: resends.resend(tenant, new_id("message")),
    ):
        assert refusal(refused) == never


# --- sent again -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "end",
    [{"delivered": True}, {"retry_in_s": None}, {"retry_in_s": 3600}],
    ids=["delivered", "exhausted", "waiting"],
)
def test_a_message_is_sent_again_as_it_was(resends, tenant, endpoint, message, told, rows, end):
    told.tried(message, FAILED, **end)
    before = rows.read(table, message)
    shown = resends.resend(tenant, message)
    after = rows.read(table, message)
    assert (shown.id, shown.state, shown.attempts) == (message, "pending", 1)
    assert before["created_at"] < after["due_at"] < before["created_at"] + timedelta(hours=1)
    for kept in ("event_id", "delivery_seq", "attempts", "created_at"):
        assert after[kept] == before[kept]
    assert (after["state"], after["round"], after["finished_at"]) == ("pending", 0, None)
    assert shown.due_at == after["due_at"]
    lane = rows.read(webhook_lanes, endpoint)
    assert lane["due_at"] is not None
    assert lane["due_at"] <= after["due_at"]


def test_a_message_to_a_jobs_own_url_is_sent_again(resends, deliveries, tenant, told):
    [event] = told.events("job.failed", url=URL)
    message = told.message(event, None)["id"]
    told.tried(message, FAILED, retry_in_s=None)
    assert deliveries.find(tenant, message).state == "exhausted"
    shown = resends.resend(tenant, message)
    assert (shown.id, shown.endpoint_id, shown.state) == (message, None, "pending")
    assert told.states(None) == {event: "pending"}


@pytest.mark.parametrize("how", ["disabled", "deleted"])
def test_nothing_is_sent_again_where_nothing_is_sent(resends, endpoints, tenant, endpoint, message, told, rows, how):
    told.tried(message, FAILED, retry_in_s=None)
    if how == "deleted":
        endpoints.delete(tenant, endpoint)
    else:
        rows.write(webhook_endpoints, endpoint, state="disabled")
    with pytest.raises(EndpointNotListening):
        resends.resend(tenant, message)
    assert rows.read(table, message)["state"] == "exhausted"


def test_asked_for_many_times_at_once_a_message_is_one_message(resends, tenant, endpoint, message, told, at_once):
    told.tried(message, FAILED, delivered=True)
    assert {shown.state for shown in at_once(6, lambda _: resends.resend(tenant, message))} == {"pending"}
    assert list(told.states(endpoint).values()) == ["pending"]
