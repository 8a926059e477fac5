"""`/v1/webhook-endpoints`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from fakes.gateway import RunningGateway, TenantClient, assert_problem, violations
from reelqueue.domain.endpoints import MOST_OLD_SECRETS
from reelqueue.domain.event_types import EVENT_TYPES
from reelqueue.gateway.schemas.webhook_documents import (
    NewWebhookEndpoint,
    NewWebhookSecret,
    WebhookEndpoint,
    WebhookSample,
    WebhookSecret,
)
from reelqueue.store.tables import feed_events, messages

URL = "http://127.0.0.1:9/hooks"


def test_the_secret_is_shown_once(tenant: TenantClient) -> None:
    response = tenant.post("/v1/webhook-endpoints", json={"url": URL, "description": "main"})
    assert response.status_code == 201
    new = response.json()
    NewWebhookEndpoint.model_validate(new)
    assert new["secret"].startswith("whsec_")
    assert new["event_types"] == ["job.canceled", "job.failed", "job.recovered", "job.succeeded"]
    shown = tenant.get(response.headers["location"]).json()
    WebhookEndpoint.model_validate(shown)
    assert shown == {name: value for name, value in new.items() if name != "secret"}
    assert tenant.get("/v1/webhook-endpoints").json()["data"] == [shown]


def test_deleted_is_gone(tenant: TenantClient) -> None:
    ids = [made(tenant, event_types=["*"])["id"] for _ in range(3)]
    page = tenant.get("/v1/webhook-endpoints?limit=2").json()
    rest = tenant.get(f"/v1/webhook-endpoints?cursor={page['next_cursor']}").json()
    assert [one["id"] for one in page["data"] + rest["data"]] == ids[::-1]
    assert tenant.delete(f"/v1/webhook-endpoints/{ids[0]}").status_code == 204
    assert_problem(tenant.get(f"/v1/webhook-endpoints/{ids[0]}"), 404, "not_found")
    assert_problem(tenant.delete(f"/v1/webhook-endpoints/{ids[0]}"), 404, "not_found")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, ("/url", "field_missing")),
        ({"url": URL, "secret": "whsec_chosen"}, ("/secret", "field_unknown")),
        ({"url": URL, "failure_count": 0}, ("/failure_count", "field_unknown")),
        ({"url": URL, "event_types": []}, ("/event_types", "field_invalid")),
        ({"url": URL, "event_types": ["*.*.*.*"] * 100}, ("/event_types", "field_invalid")),
        ({"url": URL, "event_types": ["job.queued", "job.exploded"]}, ("/event_types/1", "validation_failed")),
        ({"url": URL, "description": ""}, ("/description", "field_invalid")),
        ({"url": URL, "filter": {"metadata": {}}}, ("/filter/metadata", "field_invalid")),
        ({"url": URL, "filter": {"metadata": {"k": "v"}, "customer": "x"}}, ("/filter/customer", "field_unknown")),
        ({"url": URL, "rate_per_minute": 0}, ("/rate_per_minute", "field_invalid")),
        ({"url": URL, "max_in_flight": 101}, ("/max_in_flight", "field_invalid")),
        ({"url": URL, "signing": ["v1a"]}, ("/signing", "field_invalid")),
        ({"url": URL, "signing": ["v1", "v2"]}, ("/signing/1", "field_invalid")),
        ({"url": URL, "headers": {"X-Team": 1}}, ("/headers/X-Team", "field_invalid")),
        ({"url": URL, "state": "disabled"}, ("/state", "field_unknown")),
    ],
)
def test_what_cannot_be(tenant: TenantClient, document: dict[str, Any], expected: tuple[str, str]) -> None:
    assert violations(tenant.post("/v1/webhook-endpoints", json=document)) == {expected}
    assert tenant.get("/v1/webhook-endpoints").json()["data"] == []


@pytest.mark.parametrize(
    ("name", "value"), [("Webhook-Id", "x"), ("X-Team", "a\r\nwebhook-id: x"), ("Connection", "close")]
)
def test_headers_that_are_not_theirs(tenant: TenantClient, name: str, value: str) -> None:
    endpoint = made(tenant)
    for answer in (
        tenant.post("/v1/webhook-endpoints", json={"url": URL, "headers": {name: value}}),
        tenant.request("PATCH", endpoint["links"]["self"], json={"headers": {name: value}}),
    ):
        assert assert_problem(answer, 422, "header_not_allowed")["errors"][0]["pointer"] == f"/headers/{name}"
    assert [one["header_names"] for one in tenant.get("/v1/webhook-endpoints").json()["data"]] == [[]]


def test_places_we_never_call(tenant: TenantClient) -> None:
    for url in ("http://10.1.2.3/x", "http://localhost.localdomain/", "https://metadata.google.internal/"):
        problem = assert_problem(
            tenant.post("/v1/webhook-endpoints", json={"url": url}), 422, "destination_not_allowed"
        )
        assert problem["errors"][0]["pointer"] == "/url"
    endpoint = made(tenant)
    for url in ("http://10.1.2.3/x", "http://localhost.localdomain/"):
        response = tenant.request("PATCH", endpoint["links"]["self"], json={"url": url})
        assert assert_problem(response, 422, "destination_not_allowed")["errors"][0]["pointer"] == "/url"
    assert tenant.get(endpoint["links"]["self"]).json()["url"] == URL


def test_only_json(tenant: TenantClient) -> None:
    response = tenant.post("/v1/webhook-endpoints", data={"url": URL})
    assert_problem(response, 415, "media_type_not_supported")


# --- changing one ---------------------------------------------------------------------------------------------------

OPTIONS = {
    "filter": {"metadata": {"env": "live"}},
    "headers": {"Authorization": "Bearer canary-7", "X-Team": "canary-8"},
    "rate_per_minute": 60,
    "max_in_flight": 3,
    "signing": ["v1", "v1a"],
}


def made(tenant: TenantClient, **options: Any) -> dict[str, Any]:
    response = tenant.post("/v1/webhook-endpoints", json={"url": URL, **options})
    assert response.status_code == 201, response.text
    document: dict[str, Any] = response.json()
    return document


def changed(tenant: TenantClient, endpoint: dict[str, Any], **changes: Any) -> dict[str, Any]:
    response = tenant.request("PATCH", endpoint["links"]["self"], json=changes)
    assert response.status_code == 200, response.text
    WebhookEndpoint.model_validate(response.json())
    assert response.json() == tenant.get(endpoint["links"]["self"]).json()
    document: dict[str, Any] = response.json()
    return document


def test_what_was_asked_for_is_shown_but_for_the_headers_values(tenant: TenantClient) -> None:
    endpoint = made(tenant, **OPTIONS)
    assert "canary" not in str(endpoint)
    assert {name: endpoint[name] for name in OPTIONS if name != "headers"} == {
        name: value for name, value in OPTIONS.items() if name != "headers"
    }
    assert endpoint["header_names"] == ["Authorization", "X-Team"]
    assert endpoint["public_key"].startswith("whpk_")
    plain = made(tenant)
    assert (plain["filter"], plain["header_names"], plain["signing"], plain["public_key"]) == (None, [], ["v1"], None)


def test_a_change_changes_what_it_names_and_nothing_else(tenant: TenantClient) -> None:
    endpoint = made(tenant, description="ours")
    before = tenant.get(endpoint["links"]["self"]).json()
    assert changed(tenant, endpoint) == before
    after = changed(tenant, endpoint, **OPTIONS, url=URL + "/2", event_types=["job.*", "*"], description=None)
    named = {"filter", "rate_per_minute", "max_in_flight", "signing", "url", "event_types", "description"}
    assert {name for name in before if before[name] != after[name]} == named | {"header_names", "public_key"}
    assert after["event_types"] == ["job.*", "*"]
    back = changed(
        tenant,
        endpoint,
        url=before["url"],
        event_types=before["event_types"],
        description="ours",
        filter=None,
        headers={},
        rate_per_minute=None,
        max_in_flight=None,
        signing=["v1"],
    )
    assert back == before


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"url": None}, ("/url", "field_invalid")),
        ({"event_types": None}, ("/event_types", "field_invalid")),
        ({"event_types": ["job.exploded"]}, ("/event_types/0", "validation_failed")),
        ({"headers": None}, ("/headers", "field_invalid")),
        ({"signing": None}, ("/signing", "field_invalid")),
        ({"state": "paused"}, ("/state", "field_invalid")),
        ({"state": None}, ("/state", "field_invalid")),
        ({"secret": "whsec_chosen"}, ("/secret", "field_unknown")),
    ],
)
def test_a_change_that_cannot_be_changes_nothing(
    tenant: TenantClient, change: dict[str, Any], expected: tuple[str, str]
) -> None:
    endpoint = made(tenant)
    before = tenant.get(endpoint["links"]["self"]).json()
    response = tenant.request("PATCH", endpoint["links"]["self"], json={"description": "new", **change})
    assert violations(response) == {expected}
    assert tenant.get(endpoint["links"]["self"]).json() == before


def test_turned_off_and_on_again(tenant: TenantClient) -> None:
    endpoint = made(tenant)
    off = changed(tenant, endpoint, state="disabled")
    assert (off["state"], off["disabled_reason"]) == ("disabled", "owner")
    on = changed(tenant, endpoint, state="enabled")
    assert (on["state"], on["disabled_reason"]) == ("enabled", None)


# --- secrets --------------------------------------------------------------------------------------------------------


def test_a_new_secret_is_shown_once_beside_what_signs_on(tenant: TenantClient) -> None:
    endpoint = made(tenant, signing=["v1", "v1a"])
    response = tenant.post(endpoint["links"]["self"] + "/rotate-secret")
    assert response.status_code == 200
    rotated = response.json()
    NewWebhookEndpoint.model_validate(rotated)
    assert rotated["secret"] not in ("", endpoint["secret"])
    assert rotated["public_key"] != endpoint["public_key"]
    assert {(old["scheme"], old["public_key"]) for old in rotated["old_secrets"]} == {
        ("v1", None),
        ("v1a", endpoint["public_key"]),
    }
    shown = tenant.get(endpoint["links"]["self"]).json()
    assert shown == {name: value for name, value in rotated.items() if name != "secret"}
    leaked = tenant.post(endpoint["links"]["self"] + "/rotate-secret", json={"keep_old_s": 0}).json()
    assert leaked["old_secrets"] == []


def test_the_tenants_own_secret_is_replaced_too(tenant: TenantClient, gateway: RunningGateway) -> None:
    first = gateway.services.tenants.webhook_secret(tenant.tenant_id)
    assert tenant.get("/v1/webhook-secret").json() == {"object": "webhook_secret", "old_secrets": []}
    rotated = tenant.post("/v1/webhook-secret/rotate").json()
    NewWebhookSecret.model_validate(rotated)
    assert rotated["secret"] == gateway.services.tenants.webhook_secret(tenant.tenant_id) != first
    shown = tenant.get("/v1/webhook-secret").json()
    WebhookSecret.model_validate(shown)
    assert shown == {name: value for name, value in rotated.items() if name != "secret"}
    assert [old["scheme"] for old in shown["old_secrets"]] == ["v1"]


def test_too_many_old_secrets_are_a_conflict(tenant: TenantClient) -> None:
    path = made(tenant)["links"]["self"] + "/rotate-secret"
    for _ in range(MOST_OLD_SECRETS):
        assert tenant.post(path).status_code == 200
    problem = assert_problem(tenant.post(path), 409, "too_many_secrets")
    assert problem["detail"].startswith("As many replaced secrets")
    assert tenant.post(path, json={"keep_old_s": 0}).status_code == 200


@pytest.mark.parametrize("keep", [-1, 7 * 86_400 + 1, "60", 1.5])
def test_an_old_secret_signs_for_a_week_at_most(tenant: TenantClient, keep: Any) -> None:
    path = made(tenant)["links"]["self"] + "/rotate-secret"
    assert violations(tenant.post(path, json={"keep_old_s": keep})) == {("/keep_old_s", "field_invalid")}


def test_who_replaced_a_secret_is_in_the_audit_log(tenant: TenantClient, gateway: RunningGateway) -> None:
    endpoint = made(tenant)
    tenant.post(endpoint["links"]["self"] + "/rotate-secret")
    tenant.post("/v1/webhook-secret/rotate", json={"keep_old_s": 60})
    entries = gateway.services.audit_log.list(tenant_id=tenant.tenant_id)[:2]
    told = [(entry.action, entry.actor, entry.target, entry.data["keep_old_s"]) for entry in entries]
    assert told == [
        ("webhook_secret.rotated", tenant.key_id, tenant.tenant_id, 60),
        ("webhook_secret.rotated", tenant.key_id, endpoint["id"], 86_400),
    ]


# --- samples --------------------------------------------------------------------------------------------------------


def test_a_sample_of_any_event_is_on_its_way_whatever_is_wanted(tenant: TenantClient, gateway: RunningGateway) -> None:
    endpoint = made(tenant, event_types=["job.failed"], filter={"metadata": {"env": "live"}})
    for kind in EVENT_TYPES:
        response = tenant.post(endpoint["links"]["self"] + "/test", json={"type": kind})
        assert response.status_code == 202, response.text
        sent = response.json()
        WebhookSample.model_validate(sent)
        assert response.headers["location"] == sent["links"]["message"] == f"/v1/messages/{sent['message']}"
        assert (sent["endpoint"], sent["type"]) == (endpoint["id"], kind)
    with gateway.services.service_database.statement() as connection:
        rows = connection.execute(
            select(
                messages.c.delivery_seq, messages.c.state, feed_events.c.type, feed_events.c.seq, feed_events.c.payload
            )
            .join(feed_events, feed_events.c.id == messages.c.event_id)
            .where(messages.c.endpoint_id == endpoint["id"])
            .order_by(messages.c.delivery_seq)
        ).all()
    assert [row.type for row in rows] == list(EVENT_TYPES)
    assert [row.delivery_seq for row in rows] == list(range(1, len(EVENT_TYPES) + 1))
    assert {(row.state, row.seq) for row in rows} == {("pending", None)}
    assert [json.loads(row.payload)["type"] for row in rows] == list(EVENT_TYPES)


def test_no_sample_of_nothing_and_none_for_an_endpoint_that_is_off(tenant: TenantClient) -> None:
    endpoint = made(tenant)
    path = endpoint["links"]["self"] + "/test"
    for body, expected in (
        ({}, ("/type", "field_missing")),
        ({"type": "job.exploded"}, ("/type", "validation_failed")),
        ({"type": "job.*"}, ("/type", "validation_failed")),
    ):
        assert violations(tenant.post(path, json=body)) == {expected}
    changed(tenant, endpoint, state="disabled")
    assert_problem(tenant.post(path, json={"type": "job.succeeded"}), 409, "endpoint_not_listening")
