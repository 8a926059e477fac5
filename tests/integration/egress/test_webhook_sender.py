"""One try against real receivers: good, broken and hostile."""

from __future__ import annotations

import json
import random
import socket
import struct
import threading
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml
from standardwebhooks.webhooks import Webhook

from reelqueue.domain.deliveries import next_attempt_at
from reelqueue.domain.signing_keys import signing_key
from reelqueue.egress import EgressPolicy
from reelqueue.kit.clock import SystemClock
from reelqueue.webhooks.sender import DEADLINE_S, MAX_RESPONSE_BYTES, WebhookSender, excerpt
from reelqueue.webhooks.signing import generate_secret

pytestmark = pytest.mark.integration

CASES = {
    case["id"]: case
    for case in yaml.safe_load(
        (Path(__file__).parents[2] / "data" / "attacks" / "webhook.yaml").read_text(encoding="utf-8")
    )
    if case["cat"] == "webhook.receiver"
}
BODY = json.dumps({"type": "job.succeeded", "data": {"seq": 3, "note": "schöne Grüße"}}).encode()
SECRET = generate_secret()
PUBLIC = "93.184.216.34"


def send(
    client: Any,
    url: str,
    *,
    deadline_s: float = DEADLINE_S,
    secrets: Any = (SECRET,),
    clock: Any = None,
    headers: Any = MappingProxyType({}),
) -> Any:
    return WebhookSender(client, clock or SystemClock(), deadline_s=deadline_s).send(
        url, BODY, message_id="msg_1", secrets=secrets, headers=headers
    )


def answering(answer: bytes, conn: socket.socket, _request: Any) -> None:
    conn.sendall(answer)


def status(code: int, *headers: str, body: bytes = b"") -> Any:
    lines = "".join(header + "\r\n" for header in headers)
    return partial(answering, f"HTTP/1.1 {code} X\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def reset(conn: socket.socket) -> None:
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


def test_the_limits_are_the_promised_ones():
    assert (DEADLINE_S, MAX_RESPONSE_BYTES) == (15.0, 65536)


def test_a_delivery_verifies_with_the_public_library(kit, serve):
    receiver = serve(status(204))
    old = generate_secret()
    outcome = send(kit.local_client(), receiver.url(), secrets=[SECRET, old])
    assert (outcome.delivered, outcome.status, outcome.error_class, outcome.gone) == (True, 204, None, False)
    [request] = receiver.requests
    for secret in (SECRET, old):
        assert Webhook(secret).verify(request.body, request.headers) == json.loads(BODY)
    assert request.body == BODY
    assert request.headers["webhook-id"] == "msg_1"
    assert abs(int(request.headers["webhook-timestamp"]) - datetime.now(UTC).timestamp()) < 60
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "Reelqueue-Webhooks/1"
    assert outcome.request_headers.items() <= request.headers.items()
    assert SECRET not in repr(outcome)


def test_an_owners_headers_go_out_beside_ours_and_never_in_their_place(kit, serve):
    receiver = serve(status(204))
    theirs = {"X-Gate": "canary-7", "Content-Type": "text/plain", "WEBHOOK-ID": "evt_forged", "User-Agent": "them"}
    outcome = send(kit.local_client(), receiver.url(), secrets=[SECRET, signing_key(bytes(32))], headers=theirs)
    [request] = receiver.requests
    assert request.headers["x-gate"] == "canary-7"
    assert (request.headers["content-type"], request.headers["webhook-id"]) == ("application/json", "msg_1")
    assert request.headers["user-agent"] == "Reelqueue-Webhooks/1"
    signatures = request.headers["webhook-signature"].split(" ")
    assert [one.partition(",")[0] for one in signatures] == ["v1", "v1a"]
    assert Webhook(SECRET).verify(request.body, request.headers) == json.loads(BODY)
    assert len({name.lower() for name in outcome.request_headers}) == len(outcome.request_headers)
    assert "canary" not in repr(outcome)


def test_what_is_the_receivers_own_is_sent_and_not_kept(kit, serve):
    receiver, deaf = serve(status(204)), serve(lambda conn, _request: conn.close())
    for server, delivered in ((receiver, True), (deaf, False)):
        outcome = WebhookSender(kit.local_client(), SystemClock()).send(
            server.url(), BODY, message_id="msg_1", secrets=(SECRET,), headers={"X-Api-Key": "canary"}
        )
        assert outcome.delivered is delivered
        assert outcome.request_headers["X-Api-Key"] == "***"
        assert outcome.request_headers["webhook-id"] == "msg_1"
    assert receiver.requests[0].headers["x-api-key"] == "canary"


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_any_2xx_delivers(code, kit, serve):
    outcome = send(kit.local_client(), serve(status(code)).url())
    assert (outcome.delivered, outcome.status, outcome.error_class) == (True, code, None)


@pytest.mark.parametrize("code", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_fails_and_is_not_followed(code, kit, serve):
    elsewhere = serve(status(200))
    receiver = serve(
        status(code, f"Location: {elsewhere.url()}") if code != 304 else partial(answering, b"HTTP/1.1 304 X\r\n\r\n")
    )
    outcome = send(kit.local_client(), receiver.url())
    assert (outcome.delivered, outcome.status, outcome.error_class) == (False, code, "redirect")
    assert (len(receiver.requests), elsewhere.connections) == (1, 0)


@pytest.mark.parametrize("code", [400, 401, 404, 408, 500, 502, 503])
def test_other_answers_fail_with_their_text_kept(code, kit, serve):
    outcome = send(kit.local_client(), serve(status(code, body=b"no such route")).url())
    assert (outcome.delivered, outcome.status, outcome.error_class) == (False, code, "status")
    assert outcome.response_excerpt == "no such route"
    assert outcome.gone is False


# --- the corpus -----------------------------------------------------------------------------------------------------


@pytest.fixture
def stop():
    event = threading.Event()
    yield event
    event.set()


def endless_body(conn: socket.socket, _: Any) -> None:
    conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(100):
        conn.sendall(b"x" * 1_000_000)


def huge_header(conn: socket.socket, _: Any) -> None:
    conn.sendall(b"HTTP/1.1 200 OK\r\nX-Huge: ")
    for _ in range(100):
        conn.sendall(b"x" * 1_000_000)


def huge_length(conn: socket.socket, _: Any) -> None:
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000000000\r\n\r\n")
    for _ in range(100):
        conn.sendall(b"x" * 1_000_000)


# What the receiver does; whether that delivers; the stages it may fail at.
RECEIVERS: dict[str, tuple[Any, bool, set[str]]] = {
    "WHR-001": (endless_body, True, set()),
    "WHR-008": (lambda conn, _: reset(conn), False, {"wait"}),
    "WHR-012": (huge_header, False, {"wait"}),
    "WHR-015": (huge_length, True, set()),
    "WHR-016": (status(200, body=b"a\x00b\xff\x1b[31mred"), True, set()),
    "WHR-022": (status(410), False, {"status"}),
    "WHR-023": (status(429, "Retry-After: 120"), False, {"status"}),
    "WHR-037": (partial(answering, b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" * 20_000), False, {"wait"}),
}
OWN_TEST = {"WHR-002", "WHR-005", "WHR-007", "WHR-026", "WHR-033", "WHR-039"}


def test_the_corpus_is_run_whole():
    assert set(RECEIVERS) | OWN_TEST == set(CASES)


@pytest.mark.parametrize("case_id", RECEIVERS)
def test_receivers(case_id, kit, serve):
    handler, delivered, stages = RECEIVERS[case_id]
    receiver = serve(handler)
    connector = kit.connector(port=receiver.port)
    outcome = send(kit.client(connector=connector), f"http://{PUBLIC}/hook")
    assert outcome.delivered is delivered
    assert delivered or outcome.error_class in stages
    assert connector.received <= MAX_RESPONSE_BYTES + 500
    assert len(outcome.response_excerpt.encode()) <= 4096
    assert outcome.gone is (case_id == "WHR-022")
    assert len(receiver.requests) == 1
    if case_id == "WHR-016":
        assert outcome.response_excerpt == "ab\ufffd[31mred"
    if case_id == "WHR-023":
        now = datetime(2026, 1, 1, tzinfo=UTC)
        for attempts_made in range(1, 10):
            again = next_attempt_at(attempts_made, now, rng=random.Random(1), retry_after_s=outcome.retry_after_s)
            assert again is not None
            assert (again - now).total_seconds() >= 120


def test_whr_002_a_dripping_body_ends_with_the_deadline(kit, serve, stop):
    def drip(conn: socket.socket, _: Any) -> None:
        conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(60):
            conn.sendall(b"x")
            if stop.wait(0.02):
                return

    clock = kit.stepping_clock()
    outcome = send(kit.local_client(clock=clock), serve(drip).url(), clock=clock)
    assert (outcome.delivered, outcome.status, outcome.error_class) == (False, 200, "read")
    assert outcome.elapsed_ms >= DEADLINE_S * 1000


def test_whr_005_a_handshake_that_never_ends(kit, serve, stop):
    receiver = serve(lambda _conn, _: stop.wait(8), raw=True)
    outcome = send(kit.local_client(), f"https://127.0.0.1:{receiver.port}/", deadline_s=0.8)
    assert (outcome.delivered, outcome.status, outcome.error_class) == (False, None, "tls")


def test_whr_007_a_reset_after_the_head(kit, serve):
    connector = kit.connector()

    def head_then_reset(conn: socket.socket, _: Any) -> None:
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        # A reset overtakes what was not read yet.
        for _ in count():
            if connector.received or threading.Event().wait(0.01):
                break
        reset(conn)

    receiver = serve(head_then_reset)
    connector.port = receiver.port
    outcome = send(kit.client(connector=connector), f"http://{PUBLIC}/hook")
    assert (outcome.delivered, outcome.status, outcome.error_class) == (False, 200, "read")


@pytest.mark.parametrize("value", ["Fri, 31 Dec 2999 23:59:59 GMT", "99999999999", "86400"])
def test_whr_026_a_far_retry_after_is_clamped(value, kit, serve):
    outcome = send(kit.local_client(), serve(status(503, f"Retry-After: {value}")).url())
    assert (outcome.retry_after_s, outcome.error_class) == (3600, "status")


def test_whr_033_a_self_signed_certificate(kit, serve, certificates):
    receiver = serve(status(200), tls=certificates.self_signed())
    outcome = send(kit.local_client(), f"https://127.0.0.1:{receiver.port}/")
    assert (outcome.delivered, outcome.status, outcome.error_class) == (False, None, "tls")
    assert "self-signed" in outcome.error_detail
    assert receiver.requests == []


def test_whr_039_our_own_api(kit):
    connector = kit.connector()
    policy = EgressPolicy(own_hosts=frozenset({"api.reelqueue.example"}))
    outcome = send(kit.client(connector=connector, policy=policy), "https://api.reelqueue.example/v1/jobs")
    assert (outcome.delivered, outcome.error_class, outcome.error_detail) == (False, "forbidden", "own host")
    assert connector.dialled == []


# --- our own outcomes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "error_class"),
    [
        ("https://10.0.0.1/", "forbidden"),
        ("https://gone.example/", "resolve"),
        ("https://inside.example/", "forbidden"),
        ("https://user:canary@media.example/", "forbidden"),
        ("https://media.example/", "connect"),
    ],
)
def test_nothing_a_url_does_escapes_as_an_exception(url, error_class, kit):
    answers = {"gone.example": [()], "inside.example": [("10.0.0.1",)], "media.example": [(PUBLIC,)]}
    outcome = send(kit.client(answers=answers), url)
    assert (outcome.delivered, outcome.error_class, outcome.status) == (False, error_class, None)
    assert "canary" not in repr(outcome)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", ""),
        (b"plain\r\n\ttext", "plain\r\n\ttext"),
        (b"a\x00\x07\x1b\x7f\xc2\x85b", "ab"),
        (b"\xff" * 5000, "\ufffd" * 1365),
        ("é".encode() * 5000, "é" * 2048),
        (b"x" * 5000, "x" * 4096),
    ],
)
def test_the_excerpt_is_short_and_printable(body, text):
    assert excerpt(body) == text
    assert len(excerpt(body).encode()) <= 4096
