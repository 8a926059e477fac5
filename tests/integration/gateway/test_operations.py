"""Health, metrics, documentation, and what holds for every answer."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import jsonschema
import psycopg
import pytest

from fakes.event_schemas import closed
from fakes.gateway import RunningGateway, TenantClient, assert_problem
from fakes.rawclient import exchange, request
from reelqueue.errors import ReelqueueError
from reelqueue.gateway.app import create_app
from reelqueue.gateway.openapi import document_of
from reelqueue.gateway.protocol import MAX_HEAD_BYTES


@pytest.fixture
def anyone(gateway: RunningGateway) -> Any:
    with httpx.Client(base_url=gateway.base_url, trust_env=False) as client:
        yield client


def test_ready_says_what_is_missing(anyone: httpx.Client, gateway: RunningGateway, gateway_database: str) -> None:
    assert anyone.get("/healthz").json() == {"status": "ok"}
    ready = anyone.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {
        "status": "ready",
        "checks": {"database": "ok", "migrations": "ok", "roles": "ok", "broker": "ok"},
    }
    gateway.services.broker = False
    try:
        response = anyone.get("/readyz")
        assert (response.status_code, response.json()["checks"]["broker"]) == (503, "down")
    finally:
        gateway.services.broker = True
    with psycopg.connect(gateway_database, autocommit=True) as link:
        link.execute("UPDATE alembic_version SET version_num = '0001'")
        try:
            response = anyone.get("/readyz")
            assert response.status_code == 503
            assert response.json()["checks"] == {"database": "ok", "migrations": "down", "roles": "ok", "broker": "ok"}
        finally:
            link.execute("UPDATE alembic_version SET version_num = %s", [gateway.services.health._head])


def test_metrics_count_by_route_and_never_by_id(tenant: TenantClient) -> None:
    job = tenant.job()["id"]
    tenant.get(f"/v1/jobs/{job}")
    tenant.get("/no/such/path")
    tenant.request("BREW", "/v1/jobs")
    text = tenant.get("/metrics").text
    assert 'reelqueue_http_requests_total{method="GET",route="/v1/jobs/{job_id}",status="200"}' in text
    assert 'route="none",status="404"' in text
    assert "reelqueue_jobs_accepted_total" in text
    assert job not in text
    assert "/no/such/path" not in text


def test_request_ids_go_in_and_out(tenant: TenantClient) -> None:
    assert tenant.get("/healthz", headers={"X-Request-Id": "abc-123"}).headers["x-request-id"] == "abc-123"
    for bad in ("a b", "x" * 65, "<script>"):
        made = tenant.get("/healthz", headers={"X-Request-Id": bad}).headers["x-request-id"]
        assert made.startswith("req_")
    problem = tenant.get("/v1/nothing", headers={"X-Request-Id": "abc-123"}).json()
    assert problem["request_id"] == "abc-123"


def test_every_answer_forbids_sniffing(tenant: TenantClient) -> None:
    for path in ("/healthz", "/v1/jobs", "/v1/nothing", "/docs"):
        assert tenant.get(path).headers["x-content-type-options"] == "nosniff"


def test_unknown_paths_and_methods(tenant: TenantClient) -> None:
    assert_problem(tenant.get("/v1/nothing"), 404, "not_found")
    assert_problem(tenant.get("/v1/jobs/"), 404, "not_found")
    response = tenant.put("/v1/jobs")
    assert_problem(response, 405, "method_not_allowed")
    assert set(response.headers["allow"].split(", ")) <= {"GET", "POST"}


def test_a_bug_is_a_500_that_tells_nothing(
    tenant: TenantClient, gateway: RunningGateway, caplog: pytest.LogCaptureFixture
) -> None:
    real = gateway.app.state.gateway.services.jobs

    class Broken:
        def find(self, *_: Any) -> Any:
            raise ZeroDivisionError("a secret of the house")

    gateway.services.__dict__["jobs"] = Broken()
    try:
        response = tenant.get("/v1/jobs/job_" + "0" * 26)
    finally:
        gateway.services.__dict__["jobs"] = real
    assert_problem(response, 500, "internal_error")
    assert "secret of the house" not in response.text
    assert tenant.get("/v1/jobs").status_code == 200


# --- the head ---


def test_heads_without_end_are_given_up(gateway: RunningGateway) -> None:
    (answer,) = exchange(gateway.address, b"GET /healthz HTTP/1.1\r\nX: " + b"a" * (2 * MAX_HEAD_BYTES))
    assert answer.status == 431
    assert answer.json["code"] == "headers_too_large"


def test_urls_and_heads_have_limits(tenant: TenantClient) -> None:
    problem = assert_problem(tenant.get("/v1/jobs?external_id=" + "a" * 9_000), 414, "uri_too_long")
    assert problem["limit_bytes"] == 8_192
    assert_problem(tenant.get("/v1/jobs", headers={"X-A": "a" * 33_000}), 431, "headers_too_large")
    many = {f"X-{number}": "1" for number in range(100)}
    assert_problem(tenant.get("/v1/jobs", headers=many), 431, "headers_too_large")


def test_what_is_not_http_gets_a_problem(gateway: RunningGateway) -> None:
    (answer,) = exchange(gateway.address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n")
    assert (answer.status, answer.json["code"]) == (400, "http_invalid")


def test_a_head_that_does_not_end_in_time(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reelqueue.gateway.protocol.HEAD_S", 0.2)
    for first in (b"", b"GET /healthz HTTP/1.1\r\n"):
        with socket.create_connection(gateway.address, timeout=20) as sock:
            if first:
                sock.sendall(first)
            with suppress(ConnectionResetError):
                assert sock.recv(1_000) == b""


def test_a_refused_body_is_read_on_for_a_while_and_then_cut(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reelqueue.gateway.protocol.LINGER_S", 0.2)
    head = request("POST", "/v1/jobs", [("Content-Length", "1000000")], close=False)
    with socket.create_connection(gateway.address, timeout=20) as sock:
        sock.sendall(head)
        assert sock.recv(65_536).startswith(b"HTTP/1.1 401")
        with suppress(ConnectionResetError):
            while sock.recv(65_536):
                pass


def test_a_connection_serves_many_requests(gateway: RunningGateway) -> None:
    one = request("GET", "/healthz", [], close=False)
    answers = exchange(gateway.address, one * 3 + request("GET", "/v1/jobs", []))
    assert [answer.status for answer in answers] == [200, 200, 200, 401]


# --- documentation ---


@pytest.fixture(scope="module")
def openapi(gateway: RunningGateway) -> dict[str, Any]:
    return document_of(create_app(gateway.services))


def test_the_document_says_everything(openapi: dict[str, Any], anyone: httpx.Client) -> None:
    assert anyone.get("/openapi.json").json() == openapi
    submit = openapi["paths"]["/v1/jobs"]["post"]
    assert set(submit["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
    assert {"202", "200", "400", "401", "403", "404", "408", "413", "415", "422", "503", "507"} <= set(
        submit["responses"]
    )
    assert openapi["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"
    for path, methods in openapi["paths"].items():
        for operation in methods.values():
            assert operation["summary"]
            assert operation["operationId"]
            for status, answer in operation["responses"].items():
                if int(status) >= 400 and path.startswith("/v1/"):
                    assert "application/problem+json" in answer["content"], (path, status)


def test_every_reference_leads_somewhere(openapi: dict[str, Any]) -> None:
    found: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            found.extend([node["$ref"]] if "$ref" in node else [])
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(openapi)
    assert found
    for reference in found:
        assert reference.removeprefix("#/components/schemas/") in openapi["components"]["schemas"]


def test_answers_are_as_documented(openapi: dict[str, Any], tenant: TenantClient) -> None:
    def valid(document: Any, name: str) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": openapi["components"]}
        jsonschema.Draft202012Validator(closed(schema)).validate(document)

    valid(tenant.job(metadata={"a": "b"}), "Job")
    valid(tenant.get("/v1/jobs").json(), "JobList")
    valid(tenant.get("/readyz").json(), "Readiness")
    valid(tenant.post("/v1/jobs", json={}).json(), "Problem")
    valid({"instruction": "x", "inputs": [{"url": "https://example.com/a.png"}], "output": None}, "JobRequest")
    with pytest.raises(jsonschema.ValidationError):
        valid({"instruction": "x", "nonsense": 1}, "JobRequest")


def test_pages_for_people_load_nothing_from_elsewhere(anyone: httpx.Client) -> None:
    for path in ("/docs", "/docs/errors"):
        page = anyone.get(path)
        assert page.status_code == 200
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        assert "src=" not in page.text
        assert "http://" not in page.text.replace("http://127.0.0.1", "")
    errors = anyone.get("/docs/errors").text

    def codes(error: type[ReelqueueError]) -> set[str]:
        return {error.code} | {code for sub in error.__subclasses__() for code in codes(sub)}

    for code in codes(ReelqueueError) - {ReelqueueError.code}:
        assert f"id='{code}'" in errors


def test_documentation_can_be_switched_off(run_gateway: Callable[..., RunningGateway]) -> None:
    with run_gateway(docs=False).tenant() as tenant:
        assert_problem(tenant.get("/docs"), 404, "not_found")
        assert_problem(tenant.get("/openapi.json"), 404, "not_found")
