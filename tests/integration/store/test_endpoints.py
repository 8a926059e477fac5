from __future__ import annotations

import base64

import pytest

from fakes.refusals import refusal
from reelqueue.errors import NotFound, ValidationFailed
from reelqueue.kit.ids import new_id
from reelqueue.store.deliveries import Deliveries
from reelqueue.store.endpoints import Endpoints
from reelqueue.store.tables import messages as messages_table
from reelqueue.store.tables import webhook_endpoints as table

URL = "https://example.com/hook?token=canary"


@pytest.fixture
def endpoints(database, sealer):
    return Endpoints(database, sealer)


@pytest.fixture
def make(endpoints):
    def make(tenant_id, url=URL, event_types=("job.succeeded",)):
        return endpoints.create(tenant_id, url=url, event_types=event_types, description=None)[0]

    return make


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


def test_a_delete_drops_what_is_pending_there_and_nothing_else(
    endpoints, database, sealer, tenant, other_tenant, rows, make
):
    gone, stays, theirs = make(tenant), make(tenant), make(other_tenant)
    rung = rows.message(tenant, endpoint_id=gone.id)
    idle = rows.message(tenant, endpoint_id=gone.id, dispatch="idle")
    held = rows.message(tenant, endpoint_id=gone.id)
    Deliveries(database, sealer).claim(held, new_id("worker"))
    others = [
        rows.message(tenant, endpoint_id=stays.id),
        rows.message(tenant, url=URL),
        rows.message(other_tenant, endpoint_id=theirs.id),
    ]
    endpoints.delete(tenant, gone.id)
    for message in (rung, idle, held):
        row = rows.read(messages_table, message)
        assert (row["state"], row["dispatch"], row["due_at"], row["lease_owner"]) == ("dropped", "done", None, None)
        assert row["finished_at"] is not None
    assert {rows.read(messages_table, message)["state"] for message in others} == {"pending"}


def test_pages_run_from_the_newest_to_the_oldest_within_the_tenant(endpoints, tenant, other_tenant, make):
    ids = sorted((make(tenant).id for _ in range(5)), reverse=True)
    make(other_tenant)
    first = endpoints.list(tenant, before=None, limit=2)
    assert [endpoint.id for endpoint in first] == ids[:2]
    rest = endpoints.list(tenant, before=first[-1].id, limit=10)
    assert [endpoint.id for endpoint in rest] == ids[2:]
