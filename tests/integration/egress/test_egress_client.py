"""The client over real sockets: deadlines, caps, what goes over the wire, what a failure says."""

from __future__ import annotations

import contextlib
import io
import ipaddress
import socket
import threading
from typing import Any

import pytest

from reelqueue.egress import DestinationForbidden, EgressClient, EgressFailed, EgressPolicy, UrlInvalid, tls_context
from reelqueue.kit.clock import SystemClock

pytestmark = pytest.mark.integration

PUBLIC = ipaddress.ip_address("93.184.216.34")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
ROUNDS = 60
"""How often a slow peer moves. Then it ends well, so that a client without a deadline would succeed."""


def paced(move: Any, stop: threading.Event) -> None:
    for n in range(ROUNDS):
        move(n)
        if stop.wait(0.02):
            return


@pytest.fixture
def stop():
    event = threading.Event()
    yield event
    event.set()


def post(client: Any, url: str, **kwargs: Any) -> Any:
    given = {"headers": {}, "body": b"{}", "deadline_s": 5, "max_response_bytes": 65536, **kwargs}
    return client.post(url, **given)


def test_name_in_sni_and_host_address_on_the_wire(kit, serve):
    receiver = serve(lambda conn, _: conn.sendall(OK), tls=kit.certificates.server())
    connector = kit.connector(port=receiver.port)
    client = kit.client(answers={"hooks.attacker.example": [(str(PUBLIC),)]}, connector=connector)
    response = post(client, "https://Hooks.Attacker.example:8443/in?a=1#x", headers={"X-A": "b"}, body=b'{"a":1}')
    assert (response.status, response.body, response.truncated) == (200, b"ok", False)
    assert response.address == PUBLIC
    assert connector.dialled == [(PUBLIC, 8443)]
    [request] = receiver.requests
    assert request.sni == "hooks.attacker.example"
    assert request.line == "POST /in?a=1 HTTP/1.1"
    assert request.body == b'{"a":1}'
    assert request.headers == {
        "host": "hooks.attacker.example:8443",
        "accept-encoding": "identity",
        "connection": "close",
        "content-length": "7",
        "x-a": "b",
    }


def test_proxies_in_the_environment_are_not_used(kit, serve, monkeypatch):
    proxy = serve(lambda conn, _: conn.sendall(OK))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    receiver = serve(lambda conn, _: conn.sendall(OK))
    assert post(kit.local_client(), receiver.url()).status == 200
    assert (len(receiver.requests), proxy.connections) == (1, 0)


def test_cookies_are_not_kept(kit, serve):
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    receiver = serve(lambda conn, _: conn.sendall(answer))
    client = kit.local_client()
    for _ in range(2):
        post(client, receiver.url())
    assert all("cookie" not in request.headers for request in receiver.requests)


# --- the deadline holds for the whole -------------------------------------------------------------------------------


def test_two_bytes_at_a_time_do_not_outlast_the_deadline_in_the_body(kit, serve, stop):
    def drip(conn: socket.socket, _: Any) -> None:
        conn.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        paced(lambda _: conn.sendall(b"xx"), stop)

    receiver = serve(drip)
    for way in (
        lambda client: post(client, receiver.url(), deadline_s=15),
        lambda client: client.fetch(receiver.url(), io.BytesIO(), max_bytes=10**6, deadline_s=15),
    ):
        with pytest.raises(EgressFailed) as failed:
            way(kit.local_client(clock=kit.stepping_clock()))
        assert (failed.value.stage, failed.value.cause, failed.value.http_status) == ("read", "deadline passed", 200)


def test_nor_in_the_head(kit, serve, stop):
    def drip(conn: socket.socket, _: Any) -> None:
        paced(lambda n: conn.sendall(OK[n : n + 1]), stop)
        conn.sendall(OK[ROUNDS:])

    receiver = serve(drip)
    with pytest.raises(EgressFailed) as failed:
        post(kit.local_client(clock=kit.stepping_clock()), receiver.url(), deadline_s=15)
    assert (failed.value.stage, failed.value.cause) == ("wait", "deadline passed")
    assert failed.value.bytes_sent > 0


def test_nor_in_sending(kit, serve, stop):
    def sip(conn: socket.socket, _: Any) -> None:
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        paced(lambda _: conn.recv(65536), stop)
        while not stop.is_set() and conn.recv(1_000_000):
            pass

    receiver = serve(sip, raw=True)
    with pytest.raises(EgressFailed) as failed:
        post(kit.local_client(), receiver.url(), body=b"x" * 30_000_000, deadline_s=0.8)
    assert (failed.value.stage, failed.value.cause) == ("send", "deadline passed")


def test_nor_in_the_handshake(kit, serve, stop):
    def drip(conn: socket.socket, _: Any) -> None:
        # The start of a TLS record that promises 16 KiB, then a byte at a time.
        conn.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03")
        paced(lambda _: conn.sendall(b"x"), stop)

    receiver = serve(drip, raw=True)
    with pytest.raises(EgressFailed) as failed:
        post(kit.local_client(), f"https://127.0.0.1:{receiver.port}/", deadline_s=0.8)
    assert (failed.value.stage, failed.value.cause) == ("tls", "deadline passed")
    assert failed.value.bytes_sent == 0


def test_one_deadline_for_all_hops(kit, serve):
    clock = kit.manual_clock()

    def slow_hop(conn: socket.socket, _: Any) -> None:
        clock.seconds += 6
        conn.sendall(b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n")

    receiver = serve(slow_hop)
    with pytest.raises(EgressFailed) as failed:
        kit.local_client(clock=clock).fetch(receiver.url(), io.BytesIO(), max_bytes=100, deadline_s=10)
    assert failed.value.cause == "deadline passed"
    assert len(receiver.requests) == 2


def test_a_dial_gets_what_is_left(certificates, kit):
    timeouts = []

    def refuse(_address: Any, _port: int, timeout_s: float) -> socket.socket:
        timeouts.append(timeout_s)
        raise TimeoutError

    class Known:
        def resolve(self, host: str, *, timeout_s: float) -> Any:
            assert timeout_s <= 5
            return tuple(ipaddress.ip_address(f"93.184.216.{n}") for n in range(1, 9))

    client = EgressClient(
        EgressPolicy(), Known(), ssl_context=certificates.trusting(), clock=kit.stepping_clock(), connector=refuse
    )
    with pytest.raises(EgressFailed) as failed:
        post(client, "https://media.example/", deadline_s=8)
    assert failed.value.stage == "connect"
    assert timeouts == [5.0, 4.0, 3.0, 2.0]
    with pytest.raises(EgressFailed) as failed:
        post(client, "https://media.example/", deadline_s=4)
    assert (failed.value.stage, failed.value.cause) == ("connect", "deadline passed")


# --- caps -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["close", "length", "chunked"])
def test_the_answer_to_a_post_is_read_no_further_than_its_cap(framing, kit, serve):
    head = {
        "close": b"Connection: close",
        "length": b"Content-Length: 90000000",
        "chunked": b"Transfer-Encoding: chunked",
    }
    piece = b"2710\r\n" + b"x" * 10_000 + b"\r\n" if framing == "chunked" else b"x" * 10_000

    def flood(conn: socket.socket, _: Any) -> None:
        conn.sendall(b"HTTP/1.1 200 OK\r\n" + head[framing] + b"\r\n\r\n")
        for _ in range(9000):
            conn.sendall(piece)

    receiver = serve(flood)
    connector = kit.connector(port=receiver.port)
    client = kit.client(connector=connector)
    response = post(client, f"http://{PUBLIC}/", max_response_bytes=65536)
    assert (response.status, len(response.body), response.truncated) == (200, 65536, True)
    assert connector.received <= 65536 + 200


def test_a_body_shorter_than_the_cap_is_whole(kit, serve):
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    response = post(kit.local_client(), serve(lambda conn, _: conn.sendall(answer)).url())
    assert (response.body, response.truncated) == (b"hello", False)


def test_chunk_framing_counts_too(kit, serve):
    def padded(conn: socket.socket, _: Any) -> None:
        conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(2000):
            conn.sendall(b"1;" + b"p" * 4000 + b"\r\nx\r\n")

    receiver = serve(padded)
    connector = kit.connector(port=receiver.port)
    with pytest.raises(EgressFailed) as failed:
        post(kit.client(connector=connector), f"http://{PUBLIC}/", max_response_bytes=1000)
    assert (failed.value.stage, failed.value.cause) == ("read", "answer over its limit")
    assert connector.received < 100_000


@pytest.mark.parametrize(
    "piece",
    [b"X-Pad: " + b"x" * 1000 + b"\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nL: x\r\n\r\n"],
)
def test_an_endless_head_is_cut(piece, kit, serve):
    def endless(conn: socket.socket, _: Any) -> None:
        conn.sendall(b"" if piece.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\n")
        for _ in range(1000):
            conn.sendall(piece * 100)

    receiver = serve(endless)
    connector = kit.connector(port=receiver.port)
    with pytest.raises(EgressFailed) as failed:
        post(kit.client(connector=connector), f"http://{PUBLIC}/")
    assert (failed.value.stage, failed.value.cause) == ("wait", "answer over its limit")
    assert connector.received == 65536


@pytest.mark.parametrize(("size", "fits"), [(20_000, True), (20_001, False)])
@pytest.mark.parametrize("framing", ["close", "chunked"])
def test_a_download_may_be_as_large_as_its_limit_and_no_larger(size, fits, framing, kit, serve):
    def send(conn: socket.socket, _: Any) -> None:
        if framing == "chunked":
            conn.sendall(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n"
            )
        else:
            conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * size)

    sink, url = io.BytesIO(), serve(send).url()
    if fits:
        assert kit.local_client().fetch(url, sink, max_bytes=20_000, deadline_s=5).bytes == size
        assert len(sink.getvalue()) == size
    else:
        with pytest.raises(EgressFailed) as failed:
            kit.local_client().fetch(url, sink, max_bytes=20_000, deadline_s=5)
        assert failed.value.stage == "too_large"
        assert len(sink.getvalue()) <= 20_000


def test_a_compressed_file_is_not_taken(kit, serve):
    receiver = serve(
        lambda c, _: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b")
    )
    sink = io.BytesIO()
    with pytest.raises(EgressFailed) as failed:
        kit.local_client().fetch(receiver.url(), sink, max_bytes=100, deadline_s=5)
    assert (failed.value.stage, sink.getvalue()) == ("read", b"")


def test_what_the_sink_raises_comes_through(kit, serve):
    class Full:
        def write(self, data: bytes, /) -> None:
            raise OSError(28, "no space left")

    receiver = serve(lambda conn, _: conn.sendall(OK))
    with pytest.raises(OSError, match="no space left") as raised:
        kit.local_client().fetch(receiver.url(), Full(), max_bytes=100, deadline_s=5)
    assert raised.value.errno == 28


# --- failures -------------------------------------------------------------------------------------------------------


def test_a_closed_port_says_connect_and_nothing_was_sent(kit):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(EgressFailed) as failed:
        post(kit.local_client(), f"http://127.0.0.1:{port}/")
    assert (failed.value.stage, failed.value.cause, failed.value.bytes_sent) == ("connect", "ECONNREFUSED", 0)


def test_the_next_address_is_tried(certificates, serve):
    receiver = serve(lambda conn, _: conn.sendall(OK))
    tried = []

    def first_is_down(address: Any, port: int, timeout_s: float) -> socket.socket:
        tried.append(str(address))
        if len(tried) == 1:
            raise ConnectionRefusedError(111, "refused")
        return socket.create_connection(("127.0.0.1", receiver.port), timeout_s)

    class Two:
        def resolve(self, host: str, *, timeout_s: float) -> Any:
            return (ipaddress.ip_address("2606:4700::1111"), PUBLIC)

    client = EgressClient(
        EgressPolicy(), Two(), ssl_context=certificates.trusting(), clock=SystemClock(), connector=first_is_down
    )
    assert post(client, "http://media.example/").address == PUBLIC
    assert tried == ["2606:4700::1111", str(PUBLIC)]


@pytest.mark.parametrize("server", ["self_signed", "wrong_name", "unknown_authority"])
def test_a_certificate_that_does_not_fit(server, kit, serve, certificates):
    context = certificates.self_signed() if server == "self_signed" else certificates.server()
    receiver = serve(lambda conn, _: conn.sendall(OK), tls=context)
    host = "elsewhere.example" if server == "wrong_name" else "media.example"
    client = kit.client(answers={host: [(str(PUBLIC),)]}, connector=kit.connector(port=receiver.port))
    if server == "unknown_authority":
        client._ssl_context = tls_context()
    with pytest.raises(EgressFailed) as failed:
        post(client, f"https://{host}/")
    assert failed.value.stage == "tls"
    assert failed.value.cause.startswith("certificate: ")
    assert failed.value.bytes_sent == 0
    assert receiver.requests == []


def test_no_http2_even_if_offered(kit, serve, certificates):
    context = certificates.server()
    context.set_alpn_protocols(["h2", "http/1.1"])
    receiver = serve(
        lambda conn, _: conn.sendall(OK if conn.selected_alpn_protocol() == "http/1.1" else b""), tls=context
    )
    client = kit.client(answers={"media.example": [(str(PUBLIC),)]}, connector=kit.connector(port=receiver.port))
    assert post(client, "https://media.example/").status == 200


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 200 OK\r\nA\x00: b\r\n\r\n"]
)
def test_an_answer_that_is_no_http(answer, kit, serve):
    with pytest.raises(EgressFailed) as failed:
        post(kit.local_client(), serve(lambda conn, _: conn.sendall(answer)).url())
    assert failed.value.stage == "wait"


def test_an_early_answer_to_a_large_post_is_read(kit, serve):
    def refuse_early(conn: socket.socket, _: Any) -> None:
        conn.recv(1000)
        conn.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        conn.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            while conn.recv(1_000_000):
                pass

    receiver = serve(refuse_early, raw=True)
    assert post(kit.local_client(), receiver.url(), body=b"x" * 3_000_000).status == 413


def test_every_failure_tells_the_tenant_the_same(kit, serve, certificates):
    tls = serve(lambda conn, _: conn.sendall(OK), tls=certificates.self_signed())
    silent = serve(lambda _conn, _: None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    told = set()
    for url in (
        f"https://127.0.0.1:{tls.port}/?token=canary",
        silent.url("/?token=canary"),
        f"http://127.0.0.1:{closed}/",
    ):
        with pytest.raises(EgressFailed) as failed:
            post(kit.local_client(), url)
        error = failed.value
        told.add((str(error), error.code, error.status, error.fix, repr(error.detail)))
        assert "canary" not in repr(error) + error.cause
    assert len(told) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "a\r\nB: c"}, {"X-A": "a\nB: c"}, {"X-A": "a\x00"}, {"X-A": " a"}, {"X-A": ""}, {"X-A": "\u00e9"},
        {"X A": "a"}, {"X-A:": "a"}, {"": "a"}, {"X\r\nB": "a"},
        {"Host": "internal"}, {"content-length": "3"}, {"Transfer-Encoding": "chunked"}, {"Connection": "upgrade"},
        {"Accept-Encoding": "gzip"}, {"Expect": "100-continue"}, {"Proxy-Authorization": "x"},
    ],
)  # fmt: skip
def test_headers_that_could_change_the_request_are_refused(headers, kit):
    connector = kit.connector()
    with pytest.raises(ValueError, match="header"):
        post(kit.client(connector=connector), f"http://{PUBLIC}/", headers=headers)
    assert connector.dialled == []


# --- the exception for a demo ---------------------------------------------------------------------------------------


def test_loopback_where_it_is_allowed(kit, serve):
    receiver = serve(lambda conn, _: conn.sendall(OK))
    client = kit.local_client()
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
        client.check(receiver.url(host=host))
        assert str(post(client, receiver.url(host=host)).address) == "127.0.0.1"
    assert len(receiver.requests) == 3


def test_loopback_where_it_is_not(kit, serve):
    receiver = serve(lambda conn, _: conn.sendall(OK))
    strict = EgressClient(
        EgressPolicy(), kit.local_client()._resolver, ssl_context=kit.certificates.trusting(), clock=SystemClock()
    )
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]"):
        for port in (receiver.port, 80):
            with pytest.raises((DestinationForbidden, UrlInvalid)):
                post(strict, f"http://{host}:{port}/")
    assert receiver.connections == 0
