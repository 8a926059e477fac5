"""A guarded connection by itself."""

from __future__ import annotations

import ssl
import threading
from typing import Any

import httpcore
import pytest

from fakes.rawhttp import Peer, RawServer
from reelqueue.kit.clock import SystemClock
from reelqueue.nemo.connect import GuardedBackend, GuardedStream
from reelqueue.nemo.guards import CallGuard


def open_stream(server: RawServer, guard: CallGuard, tls: ssl.SSLContext | None = None) -> Any:
    stream = GuardedBackend(lambda: guard).connect_tcp("127.0.0.1", server.port, timeout=5)
    return stream if tls is None else stream.start_tls(tls, "127.0.0.1", timeout=5)


@pytest.fixture
def guard() -> CallGuard:
    return CallGuard(SystemClock(), 10)


def test_bytes_are_counted_before_they_go(serve: Any, guard: CallGuard) -> None:
    server: RawServer = serve(lambda peer: peer.wait_for_close())
    stream = open_stream(server, guard)
    stream.write(b"")
    assert guard.bytes_sent == 0
    stream.write(b"12345")
    assert guard.bytes_sent == 5
    stream.close()
    with pytest.raises(httpcore.WriteError):
        stream.write(b"678")
    assert guard.bytes_sent == 8


def test_a_write_that_nobody_reads_meets_its_time_limit(serve: Any, guard: CallGuard) -> None:
    done = threading.Event()
    server: RawServer = serve(lambda peer: done.wait(10))
    stream = open_stream(server, guard)
    try:
        with pytest.raises(httpcore.WriteTimeout):
            stream.write(b"x" * 50_000_000, timeout=0.2)
    finally:
        done.set()
        stream.close()


def test_after_hanging_up_nobody_reads_ciphertext(
    serve: Any, guard: CallGuard, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, eventually: Any
) -> None:
    def handle(peer: Peer) -> None:
        peer.send(b"in clear")
        peer.wait_for_close()

    server: RawServer = serve(handle, ssl_context=server_tls)
    stream: GuardedStream = open_stream(server, guard, client_tls)
    assert stream.get_extra_info("ssl_object") is not None
    eventually(lambda: stream.get_extra_info("is_readable"))
    stream.hang_up()
    try:
        assert stream.read(100) == b"in clear"
        with pytest.raises(httpcore.ReadError):
            stream.read(100)
    except httpcore.ReadError:
        pass  # nothing is as good as the clear text
    with pytest.raises(httpcore.WriteError):
        stream.write(b"plain")
    stream.close()


def test_hanging_up_and_closing_may_be_repeated_in_any_order(serve: Any, guard: CallGuard) -> None:
    stream = open_stream(serve(lambda peer: peer.wait_for_close()), guard)
    for action in (stream.hang_up, stream.hang_up, stream.close, stream.hang_up, stream.close):
        action()
    assert stream.get_extra_info("is_readable")
    assert stream.get_extra_info("socket").fileno() == -1
    assert stream.get_extra_info("something_new") is None


def test_a_name_nobody_can_encode_is_a_failure_to_connect(guard: CallGuard) -> None:
    with pytest.raises(httpcore.ConnectError):
        GuardedBackend(lambda: guard).connect_tcp("x" * 300, 80, timeout=5)


def test_no_time_left_is_a_failure_to_connect(serve: Any) -> None:
    server: RawServer = serve(lambda peer: None)
    with pytest.raises(httpcore.ConnectTimeout):
        open_stream(server, CallGuard(SystemClock(), 0))
    assert server.connections == 0
