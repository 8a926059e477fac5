"""P18: another tenant's id is an id that never was, on every route there is."""

from __future__ import annotations

from typing import Any

import pytest

from fakes import media, uploads
from fakes.gateway import RunningGateway, TenantClient, assert_problem
from reelqueue.domain.api_keys import SCOPES
from reelqueue.gateway.app import create_app
from reelqueue.gateway.context import scope_of
from reelqueue.gateway.openapi import document_of


def operations(gateway: RunningGateway) -> list[tuple[str, str, dict[str, Any]]]:
    document = document_of(create_app(gateway.services))
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


@pytest.fixture
def theirs(other_tenant: TenantClient) -> dict[str, str]:
    """One of everything, of the other tenant's."""
    form = uploads.form(uploads.file_part("a.png", media.png(61, 61)))
    headers = {"Content-Type": form.content_type}
    return {
        "job_id": other_tenant.job()["id"],
        "asset_id": other_tenant.post("/v1/assets", content=form.body, headers=headers).json()["data"][0]["id"],
        "project_id": other_tenant.post("/v1/projects").json()["id"],
        "batch_id": other_tenant.post("/v1/batches", json={"jobs": [{"instruction": "x"}]}).json()["id"],
        "endpoint_id": other_tenant.post("/v1/webhook-endpoints", json={"url": "http://127.0.0.1:9/"}).json()["id"],
    }


BODIES = {
    "/v1/jobs/{job_id}/answer": {"text": "Golden Hour"},
    "/v1/projects/{project_id}/messages": {"message": "make it snow"},
}
"""What a route reads before it looks for the thing."""

NEVER = {"job_id": "job_", "asset_id": "ast_", "endpoint_id": "whe_", "project_id": "prj_", "batch_id": "bat_"}


def test_every_route_with_an_id_answers_alike(
    tenant: TenantClient, other_tenant: TenantClient, gateway: RunningGateway, theirs: dict[str, str]
) -> None:
    tried = 0
    for method, path, operation in operations(gateway):
        parameter = path.partition("{")[2].partition("}")[0]
        if not parameter:
            continue
        for accept in ("application/json", "text/event-stream"):
            answers = []
            for an_id in (theirs[parameter], NEVER[parameter] + "0" * 26):
                response = tenant.request(
                    method,
                    path.replace(f"{{{parameter}}}", an_id),
                    headers={"Accept": accept, "X-Request-Id": "same"},
                    json=BODIES.get(path),
                )
                assert_problem(response, 404, "not_found")
                headers = {name: value for name, value in response.headers.items() if name != "date"}
                answers.append((response.status_code, headers, response.content))
            assert answers[0] == answers[1], (method, path)
            tried += 1
        assert operation["security"]
    assert tried >= 2 * 8
    assert other_tenant.get(f"/v1/jobs/{theirs['job_id']}").json()["status"] == "queued"
    assert other_tenant.get(f"/v1/assets/{theirs['asset_id']}").status_code == 200
    assert other_tenant.get(f"/v1/webhook-endpoints/{theirs['endpoint_id']}").status_code == 200


def test_lists_show_ones_own_only(tenant: TenantClient, theirs: dict[str, str]) -> None:
    for path in ("/v1/jobs", "/v1/projects", "/v1/batches", "/v1/assets", "/v1/webhook-endpoints"):
        assert tenant.get(path).json()["data"] == []


def test_a_job_cannot_name_anothers_asset(
    tenant: TenantClient, theirs: dict[str, str], gateway: RunningGateway
) -> None:
    bodies = []
    for asset in (theirs["asset_id"], "ast_" + "0" * 26):
        response = tenant.post(
            "/v1/jobs", json={"instruction": "x", "inputs": [asset]}, headers={"X-Request-Id": "same"}
        )
        assert_problem(response, 404, "not_found")
        bodies.append(response.content)
    assert bodies[0] == bodies[1]
    assert tenant.jobs() == []


def test_every_route_under_v1_needs_a_key_and_its_scope(gateway: RunningGateway) -> None:
    checked = 0
    for method, path, operation in operations(gateway):
        if not path.startswith("/v1/"):
            assert "security" not in operation
            continue
        scope = operation["x-required-scope"]
        target = path.replace("{job_id}", "job_" + "0" * 26)
        with gateway.tenant(scopes=SCOPES - {scope}) as narrow:
            problem = assert_problem(narrow.request(method, target), 403, "scope_missing")
            assert problem["scope"] == scope
            narrow.headers.pop("authorization")
            response = narrow.request(method, target)
            assert_problem(response, 401, "authentication_required")
            assert response.headers["www-authenticate"] == 'Bearer realm="reelqueue"'
        checked += 1
    assert checked >= 14
    for route in gateway.app.router.routes:
        path = getattr(route, "path", "")
        if path.startswith("/v1/"):
            assert scope_of(route.endpoint) in SCOPES  # type: ignore[attr-defined]
