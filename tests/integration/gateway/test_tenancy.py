"""Keys by API, and the operator's API: tenants from their making to their erasure, over two gateways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from fakes.gateway import ADMIN_TOKEN, RunningGateway, TenantClient, assert_problem, violations
from reelqueue.domain.api_keys import SCOPES, make_key, parse_key
from reelqueue.gateway.auth import TTL_S
from reelqueue.gateway.schemas.tenancy_documents import (
    ApiKeyList,
    AuditList,
    Erasure,
    NewApiKey,
    NewTenant,
    Tenant,
    TenantList,
)
from reelqueue.kit.clock import rfc3339


@pytest.fixture(scope="module")
def second_gateway(run_gateway: Callable[..., RunningGateway], gateway: RunningGateway) -> RunningGateway:
    return run_gateway(root=gateway.root.parent)


@pytest.fixture
def operator(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with gateway.operator() as client:
        yield client


def as_key(gateway: RunningGateway, key: str) -> httpx.Client:
    return httpx.Client(
        base_url=gateway.base_url, headers={"Authorization": f"Bearer {key}"}, timeout=20, trust_env=False
    )


def later(*gateways: RunningGateway) -> None:
    """What a gateway remembers of a key has run out: the five seconds of the promise are not over."""
    assert TTL_S < 5
    for gateway in gateways:
        gateway.services.jumping.ahead += TTL_S


# --- a tenant's own keys ----------------------------------------------------------------------------------------------


def test_a_key_that_was_made_by_api_opens_what_its_scopes_say(tenant: TenantClient, gateway: RunningGateway) -> None:
    response = tenant.post("/v1/api-keys", json={"name": "ci", "scopes": ["jobs:read"]})
    made = NewApiKey.model_validate(response.json(), strict=True)
    assert response.status_code == 201
    assert response.headers["location"] == made.links.self == f"/v1/api-keys/{made.id}"
    with as_key(gateway, made.key) as client:
        assert client.get("/v1/jobs").status_code == 200
        assert_problem(client.post("/v1/jobs", json={"instruction": "x"}), 403, "scope_missing")
    shown = ApiKeyList.model_validate(tenant.get("/v1/api-keys").json(), strict=True).data
    assert [(one.name, one.current) for one in shown] == [("ci", False), ("test", True)]
    assert made.key.rpartition("_")[2] not in tenant.get("/v1/api-keys").text
    assert tenant.get(made.links.self).json() == shown[0].model_dump(mode="json")


def test_a_key_cannot_give_what_it_has_not(gateway: RunningGateway) -> None:
    with gateway.tenant(scopes={"admin", "jobs:read"}) as narrow:
        body = {"name": "n", "scopes": ["jobs:read", "jobs:write", "usage"]}
        problem = assert_problem(narrow.post("/v1/api-keys", json=body), 403, "scope_missing")
        assert problem["scope"] == "jobs:write usage"
        assert len(narrow.get("/v1/api-keys").json()["data"]) == 1
        made = narrow.post("/v1/api-keys", json={"name": "n", "scopes": ["admin"]}).json()
        with as_key(gateway, made["key"]) as narrower:
            body = {"name": "n", "scopes": ["jobs:read"]}
            assert_problem(narrower.post("/v1/api-keys", json=body), 403, "scope_missing")


def test_what_a_key_cannot_be(tenant: TenantClient, gateway: RunningGateway) -> None:
    past = rfc3339(gateway.services.clock.now() - timedelta(seconds=1))
    for body, found in (
        ({"scopes": ["usage"]}, {("/name", "field_missing")}),
        ({"name": "n", "scopes": []}, {("/scopes", "field_invalid")}),
        ({"name": "n", "scopes": ["root"]}, {("/scopes/0", "field_invalid")}),
        ({"name": "a\nb", "scopes": ["usage"]}, {("/name", "field_invalid")}),
        ({"name": "n", "scopes": ["usage"], "expires_at": past}, {("/expires_at", "field_invalid")}),
        ({"name": "n", "scopes": ["usage"], "tenant": "x"}, {("/tenant", "field_unknown")}),
    ):
        assert violations(tenant.post("/v1/api-keys", json=body)) == found


def test_a_key_expires_on_time(tenant: TenantClient, gateway: RunningGateway) -> None:
    until = rfc3339(gateway.services.clock.now() + timedelta(seconds=30))
    body = {"name": "n", "scopes": ["usage"], "expires_at": until}
    made = tenant.post("/v1/api-keys", json=body).json()
    assert made["expires_at"] == until
    with as_key(gateway, made["key"]) as client:
        assert client.get("/v1/credits").status_code == 200
        gateway.services.jumping.ahead += 31
        assert_problem(client.get("/v1/credits"), 401, "authentication_required")


def test_a_revoked_key_is_refused_by_every_gateway_within_five_seconds(
    tenant: TenantClient, gateway: RunningGateway, second_gateway: RunningGateway
) -> None:
    made = tenant.post("/v1/api-keys", json={"name": "n", "scopes": sorted(SCOPES)}).json()
    with as_key(gateway, made["key"]) as here, as_key(second_gateway, made["key"]) as there:
        for client in (here, there):
            assert client.get("/v1/jobs").status_code == 200
        revoked = tenant.delete(f"/v1/api-keys/{made['id']}")
        assert (revoked.status_code, revoked.json()["current"]) == (200, False)
        assert revoked.json()["revoked_at"]
        later(gateway, second_gateway)
        for client in (here, there):
            assert_problem(client.get("/v1/jobs"), 401, "authentication_required")
    assert tenant.delete(f"/v1/api-keys/{made['id']}").json() == revoked.json()


def test_a_key_may_revoke_itself_and_is_told(tenant: TenantClient, gateway: RunningGateway) -> None:
    revoked = tenant.delete(f"/v1/api-keys/{tenant.key_id}")
    assert (revoked.status_code, revoked.json()["current"]) == (200, True)
    later(gateway)
    assert_problem(tenant.get("/v1/api-keys"), 401, "authentication_required")


def test_when_a_key_was_last_used_is_shown(tenant: TenantClient, gateway: RunningGateway) -> None:
    assert tenant.get("/v1/api-keys").json()["data"][0]["last_used_at"] is None
    gateway.services.api_keys.touch([tenant.key_id])
    assert tenant.get("/v1/api-keys").json()["data"][0]["last_used_at"]


# --- the operator -----------------------------------------------------------------------------------------------------


def new_tenant(operator: httpx.Client, **members: Any) -> NewTenant:
    name = f"acme {len(operator.get('/v1/admin/tenants?limit=100').json()['data'])}"
    response = operator.post("/v1/admin/tenants", json={"name": name, **members})
    assert response.status_code == 201, response.text
    assert response.headers["location"] == response.json()["links"]["self"]
    return NewTenant.model_validate(response.json())


def first_key(operator: httpx.Client, tenant_id: str) -> str:
    body = {"name": "first", "scopes": sorted(SCOPES)}
    response = operator.post(f"/v1/admin/tenants/{tenant_id}/api-keys", json=body)
    assert response.status_code == 201, response.text
    return str(response.json()["key"])


def test_an_operator_makes_a_tenant_that_can_begin(operator: httpx.Client, gateway: RunningGateway) -> None:
    made = new_tenant(operator, weight=3, max_running=7)
    assert made.webhook_secret.startswith("whsec_")
    assert (made.weight, made.max_running, made.state) == (3, 7, "active")
    with as_key(gateway, first_key(operator, made.id)) as client:
        assert client.post("/v1/jobs", json={"instruction": "x"}).status_code == 202
    shown = Tenant.model_validate(operator.get(made.links.self).json())
    listed = TenantList.model_validate(operator.get("/v1/admin/tenants").json()).data
    assert listed[0] == shown
    taken = operator.post("/v1/admin/tenants", json={"name": made.name})
    assert_problem(taken, 409, "state_conflict")
    assert violations(operator.post("/v1/admin/tenants", json={"name": "n", "weight": 0})) == {
        ("/weight", "field_invalid")
    }


def test_an_operator_changes_a_tenant_and_its_keys(operator: httpx.Client, gateway: RunningGateway) -> None:
    made = new_tenant(operator)
    changed = operator.patch(made.links.self, json={"weight": 5, "paused": True}).json()
    assert (changed["weight"], changed["paused"], changed["max_running"]) == (5, True, 50)
    key = first_key(operator, made.id)
    listed = operator.get(f"{made.links.self}/api-keys").json()["data"]
    assert [one["name"] for one in listed] == ["first"]
    with as_key(gateway, key) as client:
        assert client.get("/v1/jobs").status_code == 200
        assert operator.delete(listed[0]["links"]["self"]).json()["revoked_at"]
        later(gateway)
        assert_problem(client.get("/v1/jobs"), 401, "authentication_required")


def test_an_operator_sets_quotas_which_hold_and_are_in_the_audit_log(
    operator: httpx.Client, gateway: RunningGateway
) -> None:
    made = new_tenant(operator)
    quotas = f"{made.links.self}/quotas"
    assert operator.get(quotas).json()["quotas"]["live_jobs"]["limit"] is None
    changed = operator.patch(quotas, json={"live_jobs": 1, "credits_per_day": 1000})
    assert changed.json()["quotas"]["live_jobs"]["limit"] == 1
    assert changed.json()["budgets"]["tenant_day"]["limit"] == 1000
    with as_key(gateway, first_key(operator, made.id)) as client:
        assert client.post("/v1/jobs", json={"instruction": "x"}).status_code == 202
        assert_problem(client.post("/v1/jobs", json={"instruction": "x"}), 429, "quota_exceeded")
        lifted = operator.patch(quotas, json={"live_jobs": None}).json()
        assert (lifted["quotas"]["live_jobs"]["limit"], lifted["budgets"]["tenant_day"]["limit"]) == (None, 1000)
        assert client.post("/v1/jobs", json={"instruction": "x"}).status_code == 202
    assert violations(operator.patch(quotas, json={"jobs_per_minute": 0})) == {("/jobs_per_minute", "field_invalid")}
    log = operator.get("/v1/admin/audit-log", params={"tenant": made.id}).json()["data"]
    told = [entry["data"] for entry in log if entry["action"] == "tenant.quotas_set"]
    assert told == [{"live_jobs": None}, {"live_jobs": 1.0, "credits_per_day": 1000.0}]


def test_a_suspended_tenant_is_refused_by_every_gateway_until_it_is_resumed(
    operator: httpx.Client, gateway: RunningGateway, second_gateway: RunningGateway
) -> None:
    made = new_tenant(operator)
    key = first_key(operator, made.id)
    with as_key(gateway, key) as here, as_key(second_gateway, key) as there:
        for client in (here, there):
            assert client.get("/v1/jobs").status_code == 200
        assert operator.post(f"{made.links.self}/suspend").json()["state"] == "suspended"
        later(gateway, second_gateway)
        # Only who has the key hears of it.
        parsed = parse_key(key)
        assert parsed is not None
        guess = make_key(bytes(32), key_id=parsed.id, pepper=b"").text
        for client in (here, there):
            assert_problem(client.get("/v1/jobs"), 403, "tenant_suspended")
            assert_problem(client.post("/v1/jobs", json={"instruction": "x"}), 403, "tenant_suspended")
            assert_problem(
                client.get("/v1/jobs", headers={"Authorization": f"Bearer {guess}"}), 401, "authentication_required"
            )
        assert operator.post(f"{made.links.self}/resume").json()["state"] == "active"
        later(gateway, second_gateway)
        for client in (here, there):
            assert client.get("/v1/jobs").status_code == 200


def test_an_erasure_is_begun_by_name_and_followed_to_its_certificate(
    operator: httpx.Client, gateway: RunningGateway
) -> None:
    made = new_tenant(operator)
    key = first_key(operator, made.id)
    path = f"{made.links.self}/erase"
    assert violations(operator.post(path, json={"name": "somebody else"})) == {("/name", "field_invalid")}
    assert operator.get(made.links.self).json()["state"] == "active"
    assert_problem(operator.get(f"{made.links.self}/erasure"), 404, "not_found")
    begun = operator.post(path, json={"name": made.name})
    assert (begun.status_code, begun.headers["location"]) == (202, f"{made.links.self}/erasure")
    assert begun.json()["requested_by"] == "operator"
    later(gateway)
    with as_key(gateway, key) as client:
        assert_problem(client.get("/v1/jobs"), 403, "tenant_suspended")
    assert_problem(operator.post(f"{made.links.self}/resume"), 409, "state_conflict")

    store = gateway.services.erasures
    with gateway.services.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE erasures SET requested_at = now() - interval '1 minute'")
    while store.find(made.id).state in ("ending", "rows"):
        gateway.services.row_eraser.step()
    gateway.services.file_eraser.run()
    certificate = Erasure.model_validate(operator.get(f"{made.links.self}/erasure").json())
    assert certificate.state == "erased"
    assert certificate.counts == {"api_keys": 1, "files": 0, "months_kept": 0, "tenants": 1}
    assert made.name not in operator.get(f"{made.links.self}/erasure").text
    assert_problem(operator.get(made.links.self), 404, "not_found")
    later(gateway)
    with as_key(gateway, key) as client:
        assert_problem(client.get("/v1/jobs"), 401, "authentication_required")


def test_the_audit_log_names_keys_and_the_operator_with_their_requests(
    operator: httpx.Client, tenant: TenantClient
) -> None:
    headers = {"X-Request-Id": "mine-1"}
    made = tenant.post("/v1/api-keys", json={"name": "n", "scopes": ["usage"]}, headers=headers).json()
    operator.post(f"/v1/admin/tenants/{tenant.tenant_id}/suspend", headers={"X-Request-Id": "theirs-1"})
    response = operator.get("/v1/admin/audit-log", params={"tenant": tenant.tenant_id})
    shown = AuditList.model_validate(response.json()).data
    assert [(one.actor, one.action, one.target, one.request_id) for one in shown[:2]] == [
        ("operator", "tenant.suspended", tenant.tenant_id, "theirs-1"),
        (tenant.key_id, "key.created", made["id"], "mine-1"),
    ]
    page = operator.get("/v1/admin/audit-log?limit=1").json()
    following = operator.get("/v1/admin/audit-log", params={"limit": 1, "cursor": page["next_cursor"]}).json()
    assert following["data"][0]["seq"] == page["data"][0]["seq"] - 1
    assert following["data"][0]["digest"] == page["data"][0]["previous"]


def test_a_token_that_is_almost_the_operators_opens_nothing(gateway: RunningGateway) -> None:
    for token in ("x", ADMIN_TOKEN[:-1], ADMIN_TOKEN + "7", ADMIN_TOKEN.upper(), "é" * 20):
        headers = {"Authorization": f"Bearer {token}".encode()}
        answer = httpx.get(f"{gateway.base_url}/v1/admin/tenants", headers=headers, trust_env=False)
        assert_problem(answer, 401, "authentication_required")


def test_without_the_setting_nobody_is_the_operator(run_gateway: Callable[..., RunningGateway]) -> None:
    closed = run_gateway(admin_token=None)
    for token in ("None", "0", ADMIN_TOKEN):
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.get(f"{closed.base_url}/v1/admin/tenants", headers=headers, trust_env=False)
        assert_problem(answer, 401, "authentication_required")
