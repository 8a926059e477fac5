"""What a tenant can learn of our network by naming places in it: nothing, and nothing there is dialled.

Inside, one port is open, one is closed, one swallows what is sent to it. Every way in is tried on names that lead to
each of them, and on names that do not exist.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from fakes.workshops import workshop
from reelqueue.domain.outgoing import Attempt, AttemptRecord
from reelqueue.egress import EgressClient, EgressFailed, EgressPolicy
from reelqueue.egress.addresses import Address
from reelqueue.egress.connect import dial
from reelqueue.egress.errors import NameNotFound
from reelqueue.errors import CallerError
from reelqueue.files.intake import InputFetcher
from reelqueue.files.limits import FileLimits
from reelqueue.files.spool import Spool
from reelqueue.gateway.message_documents import attempt_document
from reelqueue.kit.clock import SystemClock
from reelqueue.webhooks.sender import WebhookSender
from reelqueue.webhooks.signing import generate_secret

OPEN, CLOSED, FILTERED = "10.0.0.1", "10.0.0.2", "10.0.0.3"
PUBLIC, PUBLIC_CLOSED, PUBLIC_FILTERED = "93.184.216.34", "93.184.216.35", "93.184.216.36"
ANSWERS: dict[str, list[Any]] = {
    "open.inside.example": [(OPEN,)],
    "closed.inside.example": [(CLOSED,)],
    "filtered.inside.example": [(FILTERED,)],
    "mixed.inside.example": [(PUBLIC, OPEN)],
    "missing.inside.example": [NameNotFound("resolver error -2")],
    "empty.inside.example": [()],
}
NAMES = [f"http://{name}:{port}/x.png" for name in ANSWERS for port in (80, 8080)]
REDIRECTING = "redir.attacker.example"


class Network:
    """Where an address is open, closed or filtered. Notes what is dialled in it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.dialled: list[str] = []

    def __call__(self, address: Address, port: int, timeout_s: float) -> socket.socket:
        self.dialled.append(str(address))
        if str(address) in (CLOSED, PUBLIC_CLOSED):
            raise ConnectionRefusedError(111, "refused")
        if str(address) in (FILTERED, PUBLIC_FILTERED):
            raise TimeoutError("timed out")
        return dial(ipaddress.ip_address("127.0.0.1"), self._port, timeout_s)


@pytest.fixture
def where() -> list[str]:
    """Where whoever answers leads to."""
    return ["/"]


@pytest.fixture
def network(serve: Any, where: list[str]) -> Network:
    def redirect(conn: socket.socket, _request: Any) -> None:
        conn.sendall(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % where[0].encode())

    return Network(serve(redirect).port)


@pytest.fixture
def client(kit: Any, network: Network) -> EgressClient:
    made: EgressClient = kit.client(answers={**ANSWERS, REDIRECTING: [(PUBLIC,)]}, connector=network)
    return made


@pytest.fixture
def fetch(client: EgressClient, tmp_path: Any) -> Callable[[str], object]:
    spool = Spool(tmp_path)
    return InputFetcher(client, spool, limits=FileLimits(), workshop=workshop(spool), deadline_s=5.0).fetch


def told(call: Callable[[str], object], url: str) -> tuple[Any, ...]:
    """All that a refusal tells a tenant."""
    with pytest.raises(CallerError) as refused:
        call(url)
    error = refused.value
    return error.code, error.status, str(error), error.fix, error.retryable, error.detail


def test_an_endpoint_that_is_set_up(client, network):
    assert {told(client.check, url)[0] for url in NAMES} == {"destination_not_allowed"}
    assert len({repr(told(client.check, url)) for url in NAMES}) == 1
    assert network.dialled == []


def test_an_input_that_is_fetched(fetch, network):
    assert {told(fetch, url)[0] for url in NAMES} == {"destination_not_allowed"}
    assert len({repr(told(fetch, url)) for url in NAMES}) == 1
    assert network.dialled == []


def test_an_input_that_leads_on_to_there(fetch, network, where):
    found = set()
    for url in NAMES:
        where[:] = [url]
        found.add(repr(told(fetch, f"http://{REDIRECTING}/x.png")))
    assert len(found) == 1
    assert network.dialled == [PUBLIC] * len(NAMES)


def test_the_tries_of_a_webhook_that_was_set_up_before_the_name_moved(client, network):
    sender = WebhookSender(client, SystemClock())
    found = set()
    for url in NAMES:
        outcome = sender.send(url, b"{}", message_id="msg_1", secrets=(generate_secret(),))
        record = AttemptRecord(
            started_at=datetime(2026, 3, 1, tzinfo=UTC),
            elapsed_ms=0,
            status=outcome.status,
            error_class=outcome.error_class,
            excerpt=outcome.response_excerpt,
            request_headers={},
        )
        found.add(repr(attempt_document(Attempt(number=1, record=record))))
        assert outcome.retry_after_s is None
        assert not outcome.gone
    assert len(found) == 1
    assert "'stage': 'resolve'" in found.pop()
    assert network.dialled == []


def test_a_public_input_that_is_closed_reads_like_one_that_is_filtered(fetch):
    one, other = (told(fetch, f"http://{address}/x.png") for address in (PUBLIC_CLOSED, PUBLIC_FILTERED))
    assert one == other
    assert one[0] == "source_unreachable"


def test_without_the_rule_the_three_would_differ(kit, network):
    """So the tests above can fail."""
    policy = EgressPolicy(allow=(ipaddress.ip_network("10.0.0.0/8"),))
    client = kit.client(answers=ANSWERS, connector=network, policy=policy)
    client.post(f"http://{OPEN}/", headers={}, body=b"", deadline_s=5, max_response_bytes=100)
    causes = []
    for address in (CLOSED, FILTERED):
        with pytest.raises(EgressFailed) as failed:
            client.post(f"http://{address}/", headers={}, body=b"", deadline_s=5, max_response_bytes=100)
        causes.append((failed.value.stage, failed.value.cause))
    assert causes == [("connect", "ECONNREFUSED"), ("connect", "TimeoutError")]
    assert network.dialled == [OPEN, CLOSED, FILTERED]
