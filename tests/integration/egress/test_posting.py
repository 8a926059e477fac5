"""Several POSTs on one connection: what is kept, what is checked again, and what a receiver may do to it."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading

import pytest

from reelqueue.egress import DestinationForbidden, EgressFailed
from reelqueue.egress.posting import KEPT_S

pytestmark = pytest.mark.integration

ADDRESS = "93.184.216.34"
FORBIDDEN = "10.0.0.1"
HOST = "hooks.attacker.example"


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def ok(body: bytes = b"ok") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Answering:
    """Answers every request on a connection; after some of them it closes, or says nothing more."""

    def __init__(self, *, closes_after=10_000, hangs_after=10_000, answer=OK):
        self.closes_after, self.hangs_after, self.answer = closes_after, hangs_after, answer
        self.closed = threading.Event()
        self.served: list[int] = []

    def __call__(self, conn: socket.socket, _) -> None:
        number = 0
        while True:
            number += 1
            if number > self.hangs_after:
                conn.recv(1)
                return
            self.served.append(number)
            conn.sendall(self.answer)
            if number >= self.closes_after:
                with contextlib.suppress(OSError):
                    conn.shutdown(socket.SHUT_RDWR)
                self.closed.set()
                return
            if not self._next(conn):
                return

    def _next(self, conn: socket.socket) -> bool:
        data = b""
        while b"\r\n\r\n{}" not in data:
            part = conn.recv(65536)
            if not part:
                return False
            data += part
        return True


def post(posting, url=f"http://{HOST}/", **given):
    return posting.post(url, **{"headers": {}, "body": b"{}", "deadline_s": 5, "max_response_bytes": 65_536, **given})


@pytest.fixture
def reach(kit, serve):
    """`reach(handler)`: a client that reaches only this receiver, the receiver, and what was dialled and asked."""

    def make(handler, *, answers=((ADDRESS,),), tls=None):
        receiver = serve(handler, tls=tls)
        connector = kit.connector(port=receiver.port)
        client = kit.client(answers={HOST: list(answers), f"x.{HOST}": [(ADDRESS,)]}, connector=connector)
        return client, receiver, connector

    return make


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_one_connection_serves_several_posts(reach, kit, scheme):
    tls = kit.certificates.server() if scheme == "https" else None
    client, receiver, connector = reach(Answering(), tls=tls)
    with client.posting() as posting:
        answers = [post(posting, f"{scheme}://{HOST}/{n}") for n in range(3)]
    assert [(one.status, one.body, str(one.address)) for one in answers] == [(200, b"ok", ADDRESS)] * 3
    assert (receiver.connections, len(connector.dialled)) == (1, 1)
    assert "connection" not in receiver.requests[0].headers


def test_a_single_post_keeps_nothing(reach):
    client, receiver, _ = reach(Answering())
    for _ in range(2):
        post(client)
    assert receiver.connections == 2
    assert [one.headers["connection"] for one in receiver.requests] == ["close", "close"]


def test_another_origin_gets_a_connection_of_its_own(reach):
    client, receiver, connector = reach(Answering())
    with client.posting() as posting:
        for host in (HOST, f"x.{HOST}", HOST):
            post(posting, f"http://{host}/")
        post(posting, f"http://{HOST}:8080/")
    assert receiver.connections == len(connector.dialled) == 4


def test_each_new_connection_is_checked_afresh(reach):
    """The name means another address by now: what was let through before is refused."""
    handler = Answering(closes_after=1)
    client, _, connector = reach(handler, answers=[(ADDRESS,), (FORBIDDEN,)])
    with client.posting() as posting:
        assert post(posting).status == 200
        assert handler.closed.wait(5)
        with pytest.raises(DestinationForbidden):
            post(posting)
    assert connector.addresses == [ipaddress.ip_address(ADDRESS)]


def test_a_kept_connection_grows_old(kit, serve):
    receiver, clock = serve(Answering()), kit.manual_clock()
    client = kit.local_client(clock=clock)
    with client.posting() as posting:
        post(posting, f"http://127.0.0.1:{receiver.port}/", deadline_s=60)
        clock.seconds += KEPT_S - 1
        post(posting, f"http://127.0.0.1:{receiver.port}/", deadline_s=60)
        clock.seconds += 2
        post(posting, f"http://127.0.0.1:{receiver.port}/", deadline_s=60)
    assert receiver.connections == 2


def test_a_receiver_that_closed_meanwhile_gets_the_post_on_a_new_connection(reach):
    handler = Answering(closes_after=1)
    client, receiver, _ = reach(handler)
    with client.posting() as posting:
        for _ in range(3):
            assert post(posting).status == 200
            assert handler.closed.wait(5)
    assert receiver.connections == 3


def test_a_receiver_that_closes_on_the_next_post_gets_it_once_more(reach):
    """It answered one, takes the second, and hangs up without a word."""

    class HangsUp(Answering):
        def _next(self, conn):
            super()._next(conn)
            return False

    client, receiver, _ = reach(HangsUp())
    with client.posting() as posting:
        assert [post(posting).status for _ in range(3)] == [200] * 3
    assert receiver.connections == 3


def test_a_deadline_holds_on_a_kept_connection_and_is_not_begun_anew(reach):
    client, receiver, _ = reach(Answering(hangs_after=1))
    with client.posting() as posting:
        post(posting)
        with pytest.raises(EgressFailed) as failed:
            post(posting, deadline_s=0.2)
    assert (failed.value.stage, failed.value.cause) == ("wait", "deadline passed")
    assert receiver.connections == 1


def test_an_answer_that_was_not_read_to_its_end_is_no_connection_to_keep(reach):
    client, receiver, _ = reach(Answering(answer=ok(b"x" * 500)))
    with client.posting() as posting:
        cut = post(posting, max_response_bytes=100)
        assert (len(cut.body), cut.truncated) == (100, True)
        assert len(post(posting).body) == 500
    assert receiver.connections == 2


def test_what_is_sent_after_the_answer_is_not_taken_for_the_next_one(reach):
    """A second answer that nobody asked for would be taken as that to the next message."""
    client, receiver, _ = reach(Answering(answer=OK + b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"))
    with client.posting() as posting:
        assert [post(posting).status for _ in range(2)] == [200, 200]
    assert receiver.connections == 2


def test_the_budget_of_bytes_begins_anew_with_each_post(reach):
    client, receiver, _ = reach(Answering(answer=ok(b"x" * 60_000)))
    with client.posting() as posting:
        assert [len(post(posting).body) for _ in range(4)] == [60_000] * 4
    assert receiver.connections == 1
