"""Every case of tests/data/attacks/http.yaml against a running gateway, and what must hold after each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import delete

from fakes import media, uploads
from fakes.gateway import RunningGateway, TenantClient, assert_problem
from fakes.http_attacks import body_of, cases, statuses, text_of
from fakes.rawclient import RawAnswer, exchange, request
from reelqueue.gateway.cursors import Cursors
from reelqueue.store.tables import job_events, jobs

JSON = {"Content-Type": "application/json"}
Case = dict[str, Any]


@pytest.fixture(scope="module")
def gateway(run_gateway: Callable[..., RunningGateway]) -> RunningGateway:
    """One that is not patient with bodies that do not end."""
    return run_gateway(max_body_s=1.0)


def each(*categories: str) -> Any:
    return pytest.mark.parametrize("case", cases(*categories), ids=lambda case: case["id"])


@pytest.fixture(autouse=True)
def _nothing_is_left(gateway: RunningGateway, tenant: TenantClient) -> Iterator[None]:
    """No file and no job beyond those that a 202 told of."""
    files = set(gateway.files())
    told: set[str] = set()

    def remember(response: httpx.Response) -> None:
        if response.status_code == 202:
            response.read()
            told.add(response.json()["id"])

    tenant.event_hooks["response"] = [remember]
    yield
    tenant.event_hooks["response"] = []
    assert {job["id"] for job in tenant.jobs()} <= told | tenant.__dict__.get("told", set())
    if not told:
        assert set(gateway.files()) == files


def check(case: Case, response: httpx.Response, *, given: str = "") -> None:
    """The answer that the case asks for; a problem if it is an error; nothing of the request in it."""
    assert response.status_code in statuses(case), response.text
    if response.status_code < 400:
        return
    problem = assert_problem(response, response.status_code, case["expect"].get("code", response.json()["code"]))
    if "violation" in case["expect"]:
        assert case["expect"]["violation"] in {one["code"] for one in problem["errors"]}, problem
    if len(given) > 8:
        assert given[:200] not in response.text


def check_raw(case: Case, answers: list[RawAnswer]) -> None:
    assert answers or "closed" in str(case["expect"]["status"])
    for answer in answers:
        assert answer.status in statuses(case), answer
        if answer.status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json["request_id"] == answer.headers["x-request-id"]


@each("json")
def test_json(case: Case, tenant: TenantClient) -> None:
    given = case["input"]
    body = body_of(given)
    response = tenant.post("/v1/jobs", content=body, headers=given.get("headers", JSON))
    check(case, response, given=body.decode("latin-1"))


@each("instruction")
def test_instruction(case: Case, tenant: TenantClient) -> None:
    instruction = text_of(case["input"]["instruction"])
    response = tenant.post("/v1/jobs", json={"instruction": instruction})
    check(case, response)
    if response.status_code == 202:
        assert response.json()["instructions"] == [instruction]


@each("mass_assignment")
def test_mass_assignment(case: Case, tenant: TenantClient) -> None:
    response = tenant.post("/v1/jobs", json=case["input"]["body"])
    check(case, response)
    extra = next(name for name in case["input"]["body"] if name != "instruction")
    assert {one["pointer"] for one in response.json()["errors"]} == {f"/{extra}"}


@each("query")
def test_query(case: Case, tenant: TenantClient) -> None:
    check(case, tenant.get("/v1/jobs?" + quote(case["input"]["query"], safe="=&[]")))


@each("header")
def test_header(case: Case, tenant: TenantClient, gateway: RunningGateway) -> None:
    given = case["input"]
    if "header_raw" in given:
        lines = [tuple(line.split(": ", 1)) for line in given["header_raw"].split("\r\n") if not line.startswith(" ")]
        folded = given["header_raw"].encode()
        head = request("POST", "/v1/jobs", [("Authorization", f"Bearer {tenant.key}"), *JSON.items()], b"")
        assert lines
        check_raw(
            case, exchange(gateway.address, head.replace(b"\r\nConnection", b"\r\n" + folded + b"\r\nConnection"))
        )
        return
    path = "/v1/jobs"
    if case["op"] == "jobs.get":
        tenant.__dict__["told"] = {(job := tenant.job())["id"]}
        path = f"/v1/jobs/{job['id']}"
    headers = {name: text_of(value) for name, value in given.get("header", {}).items()}
    headers |= {f"X-H-{number}": "1" for number in range(given.get("header_count", 0))}
    if "query" in given:
        target = f"{path}?{text_of(given['query'])}"
        check_raw(case, exchange(gateway.address, request("POST", target, [("Authorization", f"Bearer {tenant.key}")])))
        return
    default = "POST" if case["op"] == "jobs.create" else "GET"
    method = given.get("method", default)
    body = {"instruction": "x"} if method == "POST" else None
    response = tenant.request(method, path, json=body, headers=headers)
    check(case, response)
    if "content_type" in case["expect"]:
        assert response.headers["content-type"] == case["expect"]["content_type"]
    assert "access-control-allow-origin" not in response.headers


@each("path")
def test_path(case: Case, tenant: TenantClient, gateway: RunningGateway) -> None:
    tenant.__dict__["told"] = {(job := tenant.job())["id"]}
    target = "/v1/jobs/" + case["input"]["path_id"].replace("{job_a}", job["id"])
    data = request("GET", target, [("Authorization", f"Bearer {tenant.key}")])
    (answer,) = exchange(gateway.address, data)
    check_raw(case, [answer])


RAW: dict[str, Callable[[str], bytes]] = {
    "HTP-001": lambda key: _framed(
        key, "Content-Length: 5\r\nTransfer-Encoding: chunked", b"0\r\n\r\nGET /v1/jobs HTTP/1.1\r\n"
    ),
    "HTP-003": lambda key: _framed(key, "Transfer-Encoding: xchunked", b"2\r\n{}\r\n0\r\n\r\n"),
    "HTP-005": lambda key: _framed(key, "Transfer-Encoding: chunked", b"7fffffffffffffff\r\n{}"),
    "HTP-008": lambda key: _framed(key, "Transfer-Encoding: chunked", b"1;a=b\r\nx\r\n" * 10_000 + b"0\r\n\r\n"),
    "HTP-010": lambda key: b"GET /healthz HTTP/1.1\nHost: x\nConnection: close\n\n",
    "HTP-011": lambda key: b"GET\x0b/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
}


def _framed(key: str, framing: str, body: bytes) -> bytes:
    lines = ("POST /v1/jobs HTTP/1.1", "Host: x", f"Authorization: Bearer {key}", "Content-Type: application/json")
    return "\r\n".join((*lines, framing, "", "")).encode() + body


@each("http")
def test_http(case: Case, tenant: TenantClient, gateway: RunningGateway) -> None:
    if case["id"] == "HTP-018":
        body = json.dumps({"instruction": "x"}).encode()
        data = request("POST", "/v1/nothing", [("Authorization", f"Bearer {tenant.key}"), *JSON.items()], body)
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda _: _send_and_leave(gateway.address, data), range(200)))
    else:
        answers = exchange(gateway.address, RAW[case["id"]](tenant.key))
        assert len(answers) <= 1
        check_raw({"expect": {"status": ["closed", *statuses(case), 200]}}, answers)
    assert tenant.get("/healthz").status_code == 200


def _send_and_leave(address: tuple[str, int], data: bytes) -> None:
    import socket

    with socket.create_connection(address, timeout=10) as sock:
        sock.sendall(data)


@each("idempotency")
def test_idempotency(case: Case, tenant: TenantClient, other_tenant: TenantClient, gateway: RunningGateway) -> None:
    given = case["input"]
    if "header_raw" in given:
        head = request(
            "POST", "/v1/jobs", [("Authorization", f"Bearer {tenant.key}"), *JSON.items()], b'{"instruction":"x"}'
        )
        raw = given["header_raw"].encode() + b"\r\nConnection"
        (answer,) = exchange(gateway.address, head.replace(b"Connection", raw))
        check_raw(case, [answer])
        assert answer.json["code"] == case["expect"]["code"]
        return
    key = given["key"]
    if "bodies" not in given and "ops" not in given and "as" not in given:
        lines = [("Authorization", f"Bearer {tenant.key}"), *JSON.items(), ("Idempotency-Key", key)]
        (answer,) = exchange(gateway.address, request("POST", "/v1/jobs", lines, b'{"instruction":"x"}'))
        check_raw(case, [answer])
        assert answer.json["code"] == case["expect"]["code"]
        return
    if "ops" in given:
        assert tenant.submit().status_code == 202
        first = tenant.post("/v1/jobs", json={"instruction": "x"}, headers={"Idempotency-Key": key})
        second = tenant.post(
            "/v1/webhook-endpoints", json={"url": "http://127.0.0.1:9/hook"}, headers={"Idempotency-Key": key}
        )
        assert (first.status_code, second.status_code) == (202, 201)
        return
    if "as" in given:
        answers = [
            client.post("/v1/jobs", json={"instruction": "x"}, headers={"Idempotency-Key": key})
            for client in (tenant, other_tenant)
        ]
        assert [one.status_code for one in answers] == case["expect"]["status"]
        assert answers[0].json()["id"] != answers[1].json()["id"]
        return
    answers = [_send_body(tenant, name, key) for name in given["bodies"]]
    assert [one.status_code for one in answers] == case["expect"]["status"]
    if case["expect"].get("same_job"):
        assert answers[0].json()["id"] == answers[1].json()["id"]
        assert answers[1].headers["idempotent-replayed"] == "true"
    else:
        assert_problem(answers[1], 422, case["expect"]["code"])
        assert len(tenant.jobs()) == 1


def _send_body(tenant: TenantClient, name: str, key: str) -> httpx.Response:
    headers = {"Idempotency-Key": key, **JSON}
    if "+file" in name:
        picture = media.png(8 if name.endswith("1") else 16, 8)
        form = uploads.form(uploads.field_part("instruction", "x"), uploads.file_part("a.png", picture))
        return tenant.post("/v1/jobs", content=form.body, headers={**headers, "Content-Type": form.content_type})
    texts = {
        "A": '{"instruction":"x","metadata":{"a":"1","b":"2"}}',
        "A:reordered": '{ "metadata" : {"b":"2", "a":"1"},\n"instruction":"x" }',
        "B": '{"instruction":"y"}',
    }
    return tenant.post("/v1/jobs", content=texts[name], headers=headers)


@each("cursor")
def test_cursor(case: Case, tenant: TenantClient, other_tenant: TenantClient, gateway: RunningGateway) -> None:
    made = [tenant.job()["id"] for _ in range(3)]
    tenant.__dict__["told"] = set(made)
    given = case["input"]["query"]["cursor"]
    own = tenant.get("/v1/jobs?limit=1").json()["next_cursor"]
    url = f"/v1/jobs?cursor={_cursor(given, tenant, other_tenant, own, made)}"
    if "status=completed" in given:
        url += "&status=succeeded"
    if "deleted_row" in given:
        with gateway.services.database.transaction() as connection:
            connection.execute(delete(job_events).where(job_events.c.job_id == made[2]))
            connection.execute(delete(jobs).where(jobs.c.id == made[2]))
    response = tenant.get(url)
    check(case, response)
    if response.status_code == 200:
        assert [job["id"] for job in response.json()["data"]] == [made[1], made[0]]


def _cursor(given: str, tenant: TenantClient, other: TenantClient, own: str, made: list[str]) -> str:
    if given == "{cursor_of:tenant_b}":
        for _ in range(2):
            other.job()
        return str(other.get("/v1/jobs?limit=1").json()["next_cursor"])
    if given == "{cursor_flip:tenant_a}":
        return own[:-1] + ("A" if own[-1] != "A" else "B")
    if given == "{cursor_of:tenant_a.webhooks}":
        for _ in range(2):
            tenant.post("/v1/webhook-endpoints", json={"url": "http://127.0.0.1:9/hook"})
        return str(tenant.get("/v1/webhook-endpoints?limit=1").json()["next_cursor"])
    if given.startswith("{cursor_of:tenant_a?status"):
        return str(tenant.get("/v1/jobs?limit=1&status=queued").json()["next_cursor"])
    if given == "{cursor_old_key}":
        return Cursors(b"an older key").make(made[-1], of="jobs", tenant_id=tenant.tenant_id, filters={"status": []})
    if given == "{craft:created_at=10000-01-01}":
        return "MTAwMDAtMDEtMDE"
    return own if given == "{cursor_of:deleted_row}" else given


@each("auth")
def test_auth(case: Case, tenant: TenantClient, gateway: RunningGateway) -> None:
    given = case["input"]
    keys = gateway.services.api_keys
    if "header_raw" in given:
        head = request("GET", "/v1/jobs", []).replace(
            b"Connection", given["header_raw"].replace("{key_a}", tenant.key).encode() + b"\r\nConnection"
        )
        (answer,) = exchange(gateway.address, head)
        check_raw(case, [answer])
        assert answer.headers["www-authenticate"].startswith("Bearer")
        return
    value = text_of(given["header"]["Authorization"])
    if "{key_a2}" in value:
        second = keys.create(tenant.tenant_id, name="second", scopes=["jobs:read"])
        header = {"Authorization": f"Bearer {second.text}"}
        assert tenant.get("/v1/jobs", headers=header).status_code == 200
        keys.revoke(tenant.tenant_id, second.id)
        gateway.services.jumping.ahead += case["expect"]["within_s"]
        check(case, tenant.get("/v1/jobs", headers=header))
        return
    replaced = {
        "{key_a:swapcase}": tenant.key.swapcase(),
        "{key_a.hash}": str((row := keys.find(tenant.key_id)) and row.mac.hex()),
        "{key_expired}": keys.create(
            tenant.tenant_id, name="old", scopes=["jobs:read"], expires_at=datetime.now(UTC) - timedelta(seconds=1)
        ).text,
        "{key_readonly}": keys.create(tenant.tenant_id, name="reader", scopes=["jobs:read"]).text,
        "{key_a}%00": tenant.key + "%00",
    }
    for marker, text in replaced.items():
        value = value.replace(marker, text)
    if case["op"] == "jobs.create":
        response = tenant.post("/v1/jobs", json={"instruction": "x"}, headers={"Authorization": value})
        assert response.json()["scope"] == "jobs:write"
    else:
        response = tenant.get("/v1/jobs", headers={"Authorization": value})
    check(case, response, given=value)
    if response.status_code != 431:
        assert response.headers["www-authenticate"].startswith("Bearer")


@each("bola")
def test_bola(case: Case, tenant: TenantClient, other_tenant: TenantClient) -> None:
    given = case["input"]
    if "body" in given:
        check(case, other_tenant.post("/v1/jobs", json=given["body"]))
        return
    form = uploads.form(uploads.file_part("a.png", media.png()))
    made = {
        "jobs.stream": lambda: f"/v1/jobs/{tenant.job()['id']}/events",
        "assets.get": lambda: (
            "/v1/assets/"
            + tenant.post("/v1/assets", content=form.body, headers={"Content-Type": form.content_type}).json()["data"][
                0
            ]["id"]
        ),
        "webhooks.get": lambda: tenant.post("/v1/webhook-endpoints", json={"url": "http://127.0.0.1:9/"}).headers[
            "location"
        ],
    }
    made["webhooks.delete"] = made["webhooks.get"]
    path = made[case["op"]]()
    tenant.__dict__["told"] = {job["id"] for job in tenant.jobs()}
    headers = {"Accept": "text/event-stream"} if case["op"] == "jobs.stream" else {}
    response = other_tenant.request("DELETE" if case["op"].endswith("delete") else "GET", path, headers=headers)
    check(case, response)
    assert tenant.get(path).status_code == 200
    for file in tenant.get("/v1/assets").json()["data"]:
        tenant.delete(f"/v1/assets/{file['id']}")


@each("race")
def test_race(case: Case, tenant: TenantClient) -> None:
    """RAC-010: no broker answers anywhere near this gateway."""
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: tenant.submit(), range(40)))
    assert {answer.status_code for answer in answers} == {case["expect"]["status"]}
    assert len({answer.json()["id"] for answer in answers}) == 40


@each("secret_leak")
def test_secret_leak(case: Case, tenant: TenantClient, capfd: pytest.CaptureFixture[str]) -> None:
    canary = "canary_9f3c1e_" + case["id"].replace("-", "_")
    urls = {
        "SEC-010": f"http://user:{canary}@127.0.0.1:9/a.png",
        "SEC-011": f"http://127.0.0.1:9/a.png?X-Amz-Signature={canary}",
        "SEC-012": f"http://10.0.0.1/hooks/{canary}",
    }
    if case["id"] == "SEC-009":
        answers = [
            tenant.post("/v1/jobs", json={"instruction": text}, headers={"Idempotency-Key": canary})
            for text in ("one", "two")
        ]
    elif case["op"] == "webhooks.create":
        answers = [tenant.post("/v1/webhook-endpoints", json={"url": urls[case["id"]]})]
    else:
        answers = [tenant.submit(inputs=[urls[case["id"]]]), tenant.submit(webhook_url=urls[case["id"]], nonsense=1)]
    answers += [tenant.post("/v1/jobs", json={"instruction": "x", "language": canary})]
    assert {answer.status_code for answer in answers} <= {202, 422}
    assert 422 in {answer.status_code for answer in answers}
    for answer in answers:
        assert canary not in answer.text
        assert canary not in str(answer.headers)
    assert canary not in tenant.get("/metrics").text
    printed = capfd.readouterr()
    assert canary not in printed.out + printed.err
