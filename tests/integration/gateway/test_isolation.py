"""P18: another tenant's id is an id that never was, on every route there is.

The routes come from the OpenAPI document. One that these tests do not know how to call fails them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from fakes import media, uploads
from fakes.gateway import RunningGateway, TenantClient, assert_problem
from reelqueue.domain.api_keys import SCOPES
from reelqueue.gateway.app import create_app
from reelqueue.gateway.context import scope_of
from reelqueue.gateway.openapi import document_of
from reelqueue.gateway.operator_routes import OperatorRoute

ADMIN = "/v1/admin/"
NEVER = {
    "job_id": "job_" + "0" * 26,
    "asset_id": "ast_" + "0" * 26,
    "endpoint_id": "whe_" + "0" * 26,
    "project_id": "prj_" + "0" * 26,
    "batch_id": "bat_" + "0" * 26,
    "key_id": "key_" + "0" * 26,
    "token_id": "tok_" + "0" * 26,
    "message_id": "msg_" + "0" * 26,
    "tenant_id": "ten_" + "0" * 26,
}
"""Ids of the right form that nobody ever had."""
PLAIN = {"number": "1"}
"""Members of a path that are no ids."""
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/v1/jobs"): {"instruction": "x"},
    ("POST", "/v1/jobs:quote"): {"instruction": "x"},
    ("POST", "/v1/jobs/{job_id}/answer"): {"text": "Golden Hour"},
    ("POST", "/v1/projects/{project_id}/messages"): {"message": "make it snow"},
    ("POST", "/v1/batches"): {"jobs": [{"instruction": "x"}]},
    ("POST", "/v1/assets"): {"url": "http://127.0.0.1:9/a.png"},
    ("POST", "/v1/webhook-endpoints"): {"url": "http://127.0.0.1:9/"},
    ("PATCH", "/v1/webhook-endpoints/{endpoint_id}"): {"state": "disabled", "url": "http://127.0.0.1:9/"},
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/test"): {"type": "job.succeeded"},
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/rotate-secret"): {"keep_old_s": 0},
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/replay"): {"since": "2026-01-01T00:00:00Z"},
    ("POST", "/v1/upstream-tokens"): {"token": "nmv_usr_mine"},
    ("PATCH", "/v1/upstream-tokens/{token_id}"): {"token": "nmv_usr_mine"},
    ("POST", "/v1/api-keys"): {"name": "n", "scopes": ["jobs:read"]},
    ("POST", "/v1/admin/tenants"): {"name": "n"},
    ("PATCH", "/v1/admin/tenants/{tenant_id}"): {"weight": 2},
    ("PATCH", "/v1/admin/tenants/{tenant_id}/quotas"): {"live_jobs": 2},
    ("POST", "/v1/admin/tenants/{tenant_id}/erase"): {"name": "n"},
    ("POST", "/v1/admin/tenants/{tenant_id}/api-keys"): {"name": "n", "scopes": ["jobs:read"]},
}
"""What a route reads before it looks for anything. A route that must have a body has a line here."""
BY_BODY = (
    ("/v1/jobs:quote", lambda ids: {"instruction": "x", "inputs": [ids["asset_id"]]}),
    ("/v1/jobs:quote", lambda ids: {"instruction": "x", "project": ids["project_id"]}),
    ("/v1/jobs", lambda ids: {"instruction": "x", "inputs": [ids["asset_id"]]}),
    ("/v1/jobs", lambda ids: {"instruction": "x", "project": ids["project_id"]}),
    ("/v1/batches", lambda ids: {"jobs": [{"instruction": "x", "inputs": [ids["asset_id"]]}]}),
    ("/v1/batches", lambda ids: {"jobs": [{"instruction": "x", "project": ids["project_id"]}]}),
    ("/v1/batches", lambda ids: {"project": ids["project_id"], "mode": "one_project", "jobs": [{"instruction": "x"}]}),
)
"""Ids that come in a body."""
FILTERS = {"project": "project_id", "batch": "batch_id", "tenant": "tenant_id"}
"""Ids that come in a query."""


def operations(gateway: RunningGateway) -> list[tuple[str, str, dict[str, Any]]]:
    document = document_of(create_app(gateway.services))
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def parameters_of(path: str) -> list[str]:
    return [part.partition("}")[0] for part in path.split("{")[1:]]


def filled(path: str, ids: Mapping[str, str]) -> str:
    """The path with these ids in it. A parameter that nobody told this test of is a `KeyError`."""
    return path.format(**{name: PLAIN.get(name) or ids[name] for name in parameters_of(path)})


def body_of(method: str, path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    """As keyword arguments of a request."""
    body = operation.get("requestBody")
    if body is None or (not body["required"] and (method, path) not in BODIES):
        return {}
    return {"json": BODIES[method, path]}


def seen(response: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    """Everything about an answer that two requests at two moments can have alike."""
    headers = {name: value for name, value in response.headers.items() if name != "date"}
    return response.status_code, headers, response.content


@pytest.fixture
def theirs(other_tenant: TenantClient) -> dict[str, str]:
    """One of everything, of the other tenant's."""
    form = uploads.form(uploads.file_part("a.png", media.png(61, 61)))
    headers = {"Content-Type": form.content_type}
    token = other_tenant.gateway.services.tokens.add(other_tenant.tenant_id, "nmv_usr_theirs", label="theirs")
    endpoint_id = other_tenant.post("/v1/webhook-endpoints", json={"url": "http://127.0.0.1:9/"}).json()["id"]
    return {
        "token_id": token.id,
        "job_id": other_tenant.job()["id"],
        "asset_id": other_tenant.post("/v1/assets", content=form.body, headers=headers).json()["data"][0]["id"],
        "project_id": other_tenant.post("/v1/projects").json()["id"],
        "batch_id": other_tenant.post("/v1/batches", json={"jobs": [{"instruction": "x"}]}).json()["id"],
        "endpoint_id": endpoint_id,
        "message_id": sent(other_tenant, endpoint_id),
        "key_id": other_tenant.post("/v1/api-keys", json={"name": "n", "scopes": ["jobs:read"]}).json()["id"],
        "tenant_id": other_tenant.tenant_id,
    }


def sent(owner: TenantClient, endpoint_id: str) -> str:
    """A message to the owner's endpoint."""
    told = owner.gateway.told(owner.tenant_id)
    [event] = told.events("job.failed")
    return str(told.message(event, endpoint_id)["id"])


@contextmanager
def unchanged(owner: TenantClient, theirs: Mapping[str, str]) -> Iterator[None]:
    """Whatever is tried in the block, its owner sees everything as before."""
    paths = (
        f"/v1/jobs/{theirs['job_id']}",
        f"/v1/assets/{theirs['asset_id']}",
        f"/v1/projects/{theirs['project_id']}",
        f"/v1/batches/{theirs['batch_id']}",
        f"/v1/webhook-endpoints/{theirs['endpoint_id']}",
        f"/v1/messages/{theirs['message_id']}",
        f"/v1/messages/{theirs['message_id']}/attempts",
        f"/v1/api-keys/{theirs['key_id']}",
        f"/v1/upstream-tokens/{theirs['token_id']}",
        "/v1/jobs",
    )
    before = [owner.get(path) for path in paths]
    assert {response.status_code for response in before} == {200}
    yield
    for path, response in zip(paths, before, strict=True):
        now = owner.get(path).json()
        assert {**now, "as_of": None} == {**response.json(), "as_of": None}, path


def test_every_route_with_an_id_answers_alike(
    tenant: TenantClient, other_tenant: TenantClient, gateway: RunningGateway, theirs: dict[str, str]
) -> None:
    tried = 0
    with unchanged(other_tenant, theirs):
        for method, path, operation in operations(gateway):
            if path.startswith(ADMIN) or not set(parameters_of(path)) - set(PLAIN):
                continue
            for accept in ("application/json", "text/event-stream"):
                answers = []
                for ids in (theirs, NEVER):
                    headers = {"Accept": accept, "X-Request-Id": "same"}
                    arguments = body_of(method, path, operation)
                    response = tenant.request(method, filled(path, ids), headers=headers, **arguments)
                    if method != "HEAD":
                        assert_problem(response, 404, "not_found")
                    answers.append(seen(response))
                assert answers[0] == answers[1], (method, path)
                assert answers[0][0] == 404
                tried += 1
    assert tried >= 2 * 20


def test_every_id_in_a_body_answers_alike(
    tenant: TenantClient, other_tenant: TenantClient, theirs: dict[str, str]
) -> None:
    with unchanged(other_tenant, theirs):
        for path, body in BY_BODY:
            answers = [tenant.post(path, json=body(ids), headers={"X-Request-Id": "same"}) for ids in (theirs, NEVER)]
            if path.endswith(":quote"):  # tells what would be refused, and accepts nothing
                told = [
                    answer.text.replace(ids["asset_id"], "?").replace(ids["project_id"], "?")
                    for answer, ids in zip(answers, (theirs, NEVER), strict=True)
                ]
                assert "not_found" in told[0]
                assert told[0] == told[1]
                continue
            assert_problem(answers[0], 404, "not_found")
            assert seen(answers[0]) == seen(answers[1]), path
    assert tenant.jobs() == []


def test_every_list_shows_ones_own_only_whatever_it_is_asked_for(
    tenant: TenantClient, gateway: RunningGateway, theirs: dict[str, str]
) -> None:
    lists = 0
    for method, path, operation in operations(gateway):
        answered = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
        if method != "GET" or not answered.get("schema", {}).get("$ref", "").endswith("List") or "{" in path:
            continue
        if path.startswith(ADMIN):
            continue
        shown = tenant.get(path).json()
        assert not set(theirs.values()) & {str(one.get("id")) for one in shown["data"]}, path
        assert [one for one in shown["data"] if one["id"] != tenant.key_id] == [], path
        for name in {one["name"] for one in operation["parameters"]} & set(FILTERS):
            filtered = [
                tenant.get(path, params={name: ids[FILTERS[name]]}, headers={"X-Request-Id": "same"})
                for ids in (theirs, NEVER)
            ]
            assert filtered[0].json()["data"] == []
            assert seen(filtered[0]) == seen(filtered[1])
        lists += 1
    assert lists >= 6


def test_every_route_under_v1_needs_a_key_and_its_scope(gateway: RunningGateway) -> None:
    checked = 0
    for method, path, operation in operations(gateway):
        if not path.startswith("/v1/"):
            assert "security" not in operation
            continue
        target, arguments = filled(path, NEVER), body_of(method, path, operation)
        scope = operation.get("x-required-scope")
        assert (scope is None) == path.startswith(ADMIN)
        with gateway.tenant(scopes=SCOPES - {scope}) as narrow:
            if scope is not None:
                assert operation["security"] == [{"apiKey": []}]
                problem = assert_problem(narrow.request(method, target, **arguments), 403, "scope_missing")
                assert problem["scope"] == scope
            else:
                # Whatever scopes a tenant's key has, it is not the operator's token.
                assert operation["security"] == [{"operator": []}]
                assert_problem(narrow.request(method, target, **arguments), 401, "authentication_required")
            narrow.headers.pop("authorization")
            response = narrow.request(method, target, **arguments)
            assert_problem(response, 401, "authentication_required")
            assert response.headers["www-authenticate"] == 'Bearer realm="reelqueue"'
        checked += 1
    assert checked >= 40
    for route in gateway.app.router.routes:
        path = getattr(route, "path", "")
        if path.startswith(ADMIN):
            assert isinstance(route, OperatorRoute)
        elif path.startswith("/v1/"):
            assert scope_of(route.endpoint) in SCOPES  # type: ignore[attr-defined]


def test_the_operators_token_opens_nothing_of_a_tenant(gateway: RunningGateway) -> None:
    with gateway.operator() as operator:
        for method, path, operation in operations(gateway):
            if not path.startswith("/v1/"):
                continue
            arguments = body_of(method, path, operation)
            if not path.startswith(ADMIN):
                answer = operator.request(method, filled(path, NEVER), **arguments)
                assert_problem(answer, 401, "authentication_required")
            elif parameters_of(path):
                answer = operator.request(method, filled(path, NEVER), **arguments)
                assert_problem(answer, 404, "not_found")


def test_a_route_that_nobody_told_of_is_noticed(gateway: RunningGateway) -> None:
    with pytest.raises(KeyError):
        filled("/v1/secrets/{secret_id}", NEVER)
    with pytest.raises(KeyError):
        body_of("PUT", "/v1/secrets", {"requestBody": {"required": True}})
