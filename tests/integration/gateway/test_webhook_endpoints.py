"""`/v1/webhook-endpoints`."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.gateway import TenantClient, assert_problem, violations
from reelqueue.gateway.schemas.documents import NewWebhookEndpoint, WebhookEndpoint

URL = "http://127.0.0.1:9/hooks"


def test_the_secret_is_shown_once(tenant: TenantClient) -> None:
    response = tenant.post("/v1/webhook-endpoints", json={"url": URL, "description": "main"})
    assert response.status_code == 201
    made = response.json()
    NewWebhookEndpoint.model_validate(made)
    assert made["secret"].startswith("whsec_")
    assert made["event_types"] == ["job.canceled", "job.failed", "job.recovered", "job.succeeded"]
    shown = tenant.get(response.headers["location"]).json()
    WebhookEndpoint.model_validate(shown)
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert tenant.get("/v1/webhook-endpoints").json()["data"] == [shown]


def test_deleted_is_gone(tenant: TenantClient) -> None:
    made = [
        tenant.post("/v1/webhook-endpoints", json={"url": URL, "event_types": ["*"]}).json()["id"] for _ in range(3)
    ]
    page = tenant.get("/v1/webhook-endpoints?limit=2").json()
    rest = tenant.get(f"/v1/webhook-endpoints?cursor={page['next_cursor']}").json()
    assert [one["id"] for one in page["data"] + rest["data"]] == made[::-1]
    assert tenant.delete(f"/v1/webhook-endpoints/{made[0]}").status_code == 204
    assert_problem(tenant.get(f"/v1/webhook-endpoints/{made[0]}"), 404, "not_found")
    assert_problem(tenant.delete(f"/v1/webhook-endpoints/{made[0]}"), 404, "not_found")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, ("/url", "field_missing")),
        ({"url": URL, "secret": "whsec_chosen"}, ("/secret", "field_unknown")),
        ({"url": URL, "failure_count": 0}, ("/failure_count", "field_unknown")),
        ({"url": URL, "event_types": []}, ("/event_types", "field_invalid")),
        ({"url": URL, "event_types": ["job.queued", "job.exploded"]}, ("/event_types/1", "validation_failed")),
        ({"url": URL, "description": ""}, ("/description", "field_invalid")),
    ],
)
def test_what_cannot_be(tenant: TenantClient, document: dict[str, Any], expected: tuple[str, str]) -> None:
    assert violations(tenant.post("/v1/webhook-endpoints", json=document)) == {expected}
    assert tenant.get("/v1/webhook-endpoints").json()["data"] == []


def test_places_we_never_call(tenant: TenantClient) -> None:
    for url in ("http://10.1.2.3/x", "http://localhost.localdomain/", "https://metadata.google.internal/"):
        problem = assert_problem(
            tenant.post("/v1/webhook-endpoints", json={"url": url}), 422, "destination_not_allowed"
        )
        assert problem["errors"][0]["pointer"] == "/url"


def test_only_json(tenant: TenantClient) -> None:
    response = tenant.post("/v1/webhook-endpoints", data={"url": URL})
    assert_problem(response, 415, "media_type_not_supported")
