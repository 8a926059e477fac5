"""`/v1/messages`, and those of one endpoint."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fakes.gateway import TenantClient, assert_problem, violations
from fakes.told import Told
from reelqueue.domain.outgoing import AttemptRecord
from reelqueue.gateway.schemas.message_documents import (
    WebhookAttemptList,
    WebhookMessage,
    WebhookMessageList,
    WebhookReplay,
)

URL = "http://127.0.0.1:9/hooks"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SPAN = {"since": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z"}
TRY = AttemptRecord(
    started_at=NOON,
    elapsed_ms=12,
    status=503,
    error_class="status",
    excerpt="busy",
    request_headers={"webhook-id": "evt_1", "x-mine": "***"},
)


@pytest.fixture
def endpoint(tenant: TenantClient) -> str:
    return str(tenant.post("/v1/webhook-endpoints", json={"url": URL, "event_types": ["*"]}).json()["id"])


@pytest.fixture
def told(tenant: TenantClient) -> Told:
    return tenant.gateway.told(tenant.tenant_id)


def sent(told: Told, endpoint: str, *kinds: str) -> list[str]:
    """A message to the endpoint for each of the types."""
    return [str(told.message(event, endpoint)["id"]) for event in told.events(*kinds, created_at=NOON)]


def listed(tenant: TenantClient, path: str, **query: Any) -> dict[str, Any]:
    response = tenant.get(path, params=query)
    assert response.status_code == 200, response.text
    return dict(response.json())


def test_a_message_and_its_tries_are_shown(tenant: TenantClient, endpoint: str, told: Told) -> None:
    [message] = sent(told, endpoint, "job.failed")
    told.tried(message, TRY, replace(TRY, status=None, error_class="connect", excerpt=""))
    shown = tenant.get(f"/v1/messages/{message}").json()
    WebhookMessage.model_validate(shown)
    assert (shown["id"], shown["endpoint"], shown["state"], shown["attempts"]) == (message, endpoint, "pending", 2)
    assert (shown["delivery_seq"], shown["type"]) == (1, "job.failed")
    assert told.states(endpoint) == {shown["event"]: "pending"}
    assert shown["next_attempt_at"] > shown["created_at"]
    assert listed(tenant, f"/v1/webhook-endpoints/{endpoint}/messages")["data"] == [shown]
    tries = listed(tenant, shown["links"]["attempts"])
    WebhookAttemptList.model_validate(tries)
    assert [(one["number"], one["status"], one["stage"]) for one in tries["data"]] == [
        (1, 503, "status"),
        (2, None, "connect"),
    ]
    assert tries["data"][0] == {
        "object": "webhook_attempt",
        "number": 1,
        "started_at": "2026-03-01T12:00:00.000Z",
        "elapsed_ms": 12,
        "request_headers": {"webhook-id": "evt_1", "x-mine": "***"},
        "status": 503,
        "stage": "status",
        "response": "busy",
    }


def test_which_inner_names_exist_is_not_told(tenant: TenantClient, endpoint: str, told: Told) -> None:
    [message] = sent(told, endpoint, "job.failed")
    refused = replace(TRY, status=None, excerpt="")
    told.tried(message, *(replace(refused, error_class=stage) for stage in ("resolve", "forbidden")))
    one, other = listed(tenant, f"/v1/messages/{message}/attempts")["data"]
    assert {**one, "number": 0} == {**other, "number": 0}


def test_lists_go_on_behind_their_cursors(tenant: TenantClient, endpoint: str, told: Told) -> None:
    made = sorted(sent(told, endpoint, "job.failed", "job.failed", "job.failed"), reverse=True)
    path = f"/v1/webhook-endpoints/{endpoint}/messages"
    page = listed(tenant, path, limit=2, state="pending", type="job.*")
    WebhookMessageList.model_validate(page)
    rest = listed(tenant, path, limit=2, state="pending", type="job.*", cursor=page["next_cursor"])
    assert [one["id"] for one in page["data"] + rest["data"]] == made
    assert_problem(tenant.get(path, params={"cursor": page["next_cursor"]}), 400, "cursor_invalid")
    told.tried(made[0], TRY, TRY, TRY)
    tries = f"/v1/messages/{made[0]}/attempts"
    first = listed(tenant, tries, limit=2)
    last = listed(tenant, tries, limit=2, cursor=first["next_cursor"])
    assert [one["number"] for one in first["data"] + last["data"]] == [1, 2, 3]
    other = f"/v1/messages/{made[1]}/attempts"
    assert_problem(tenant.get(other, params={"cursor": first["next_cursor"]}), 400, "cursor_invalid")


def test_a_list_is_narrowed(tenant: TenantClient, endpoint: str, told: Told) -> None:
    kinds = ("job.queued", "job.failed", "batch.completed")
    made = dict(zip(kinds, sent(told, endpoint, *kinds), strict=True))
    path = f"/v1/webhook-endpoints/{endpoint}/messages"
    for query, expected in (
        ({"type": "job.*"}, kinds[:2]),
        ({"type": "job.failed,batch.*"}, kinds[1:]),
        ({"state": "delivered,exhausted"}, ()),
        ({"state": "pending", "type": "*"}, kinds),
    ):
        assert {one["id"] for one in listed(tenant, path, **query)["data"]} == {made[kind] for kind in expected}
    assert violations(tenant.get(path, params={"state": "lost"})) == {("state", "field_invalid")}
    assert violations(tenant.get(path, params={"type": "job.exploded"})) == {("type", "field_invalid")}


def test_the_scope_is_that_of_webhooks(tenant: TenantClient, endpoint: str, told: Told) -> None:
    [message] = sent(told, endpoint, "job.failed")
    key = tenant.gateway.services.api_keys.create(tenant.tenant_id, name="narrow", scopes=["jobs:read"])
    answer = tenant.get(f"/v1/messages/{message}", headers={"Authorization": f"Bearer {key.text}"})
    assert assert_problem(answer, 403, "scope_missing")["scope"] == "webhooks"


def test_a_message_is_sent_again(tenant: TenantClient, endpoint: str, told: Told) -> None:
    [message] = sent(told, endpoint, "job.failed")
    told.tried(message, TRY, retry_in_s=None)
    ended = tenant.get(f"/v1/messages/{message}").json()
    assert (ended["state"], ended["next_attempt_at"]) == ("exhausted", None)
    response = tenant.post(f"/v1/messages/{message}/resend")
    assert response.status_code == 202
    assert response.json() == tenant.get(f"/v1/messages/{message}").json()
    changed = {"state": "pending", "finished_at": None, "next_attempt_at": response.json()["next_attempt_at"]}
    assert response.json() == {**ended, **changed}
    tenant.delete(f"/v1/webhook-endpoints/{endpoint}")
    assert_problem(tenant.post(f"/v1/messages/{message}/resend"), 409, "endpoint_not_listening")


def test_a_replay_is_counted_first(tenant: TenantClient, endpoint: str, told: Told) -> None:
    sent(told, endpoint, "job.failed", "job.queued")
    told.answered(endpoint)
    path = f"/v1/webhook-endpoints/{endpoint}/replay"
    counted = tenant.post(path, json={**SPAN, "types": ["job.failed", "endpoint.*"], "dry_run": True})
    assert counted.status_code == 200
    WebhookReplay.model_validate(counted.json())
    assert counted.json() == {
        "object": "webhook_replay",
        "endpoint": endpoint,
        "since": "2026-03-01T00:00:00.000Z",
        "until": "2026-03-02T00:00:00.000Z",
        "types": ["endpoint.disabled", "endpoint.failing", "job.failed"],
        "dry_run": True,
        "events": 1,
        "more": False,
        "pending": 0,
        "queued": 0,
    }
    assert set(told.states(endpoint).values()) == {"delivered"}
    done = tenant.post(path, json=SPAN)
    assert done.status_code == 202
    WebhookReplay.model_validate(done.json())
    assert (done.json()["events"], done.json()["queued"], done.json()["types"]) == (2, 2, None)
    assert set(told.states(endpoint).values()) == {"pending"}
    assert "idempotent-replayed" not in done.headers


def test_a_replay_with_a_key_may_be_repeated(tenant: TenantClient, endpoint: str, told: Told) -> None:
    sent(told, endpoint, "job.failed")
    told.answered(endpoint)
    path, headers = f"/v1/webhook-endpoints/{endpoint}/replay", {"Idempotency-Key": "k"}
    first = tenant.post(path, json=SPAN, headers=headers)
    told.answered(endpoint)
    again = tenant.post(path, json=SPAN, headers=headers)
    assert (again.status_code, again.headers["idempotent-replayed"], again.json()) == (202, "true", first.json())
    assert set(told.states(endpoint).values()) == {"delivered"}
    other = tenant.post(path, json={"since": SPAN["since"]}, headers=headers)
    assert_problem(other, 422, "idempotency_key_reused")
    assert_problem(tenant.post(path, json=SPAN, headers={"Idempotency-Key": "a b"}), 400, "idempotency_key_invalid")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, ("/since", "field_missing")),
        ({"since": SPAN["until"], "until": SPAN["since"]}, ("", "field_invalid")),
        ({"since": SPAN["since"], "types": ["job.exploded"]}, ("/types/0", "field_invalid")),
        ({"since": SPAN["since"], "all": True}, ("/all", "field_unknown")),
    ],
)
def test_what_cannot_be_replayed(
    tenant: TenantClient, endpoint: str, document: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert violations(tenant.post(f"/v1/webhook-endpoints/{endpoint}/replay", json=document)) == {expected}
