"""Connections of our own under the HTTP library, each operation of which asks a guard first.

The library's own streams cannot say whether a byte has left, cannot be ended from another thread, and know no
deadline but that of a single read.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from reelqueue.kit.http import httpcore
from reelqueue.nemo.guards import Guard

KEEPALIVE_S: Final = 15
KEEPALIVE_PROBES: Final = 4
"""TCP keep-alive finds a dead peer after about a minute; a healthy stream may be silent for five."""


class GuardedBackend(httpcore.NetworkBackend):
    """Opens connections that obey the guard which `current` names at each operation."""

    def __init__(self, current: Callable[[], Guard]) -> None:
        self._current = current

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A tuned TCP connection. The name's resolution is bounded by the system's resolver, not by us."""
        del local_address, socket_options  # ours to decide, not the pool's
        guard = self._current()
        with _translated(httpcore.ConnectTimeout, httpcore.ConnectError):
            sock = socket.create_connection((host, port), guard.allow(timeout))
            stream = GuardedStream(sock, self._current)
            with _closing_on_error(stream):
                _tune(sock)
                guard.opened(stream.hang_up)
        return stream


class GuardedStream(httpcore.NetworkStream):
    """One connection, plain or TLS."""

    def __init__(self, sock: socket.socket, current: Callable[[], Guard]) -> None:
        self._sock = sock
        self._current = current
        self._lock = threading.RLock()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """The next bytes, or b'' at the end that the peer announced."""
        guard = self._current()
        with _translated(httpcore.ReadTimeout, httpcore.ReadError):
            self._sock.settimeout(guard.allow(timeout))
            data = self._sock.recv(max_bytes)
            if not data:
                guard.allow(timeout)  # a connection that we ended looks like one that the peer ended
            return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Hand over all bytes. What `Guard.admit` raises comes out as it is, and then none has left."""
        if not buffer:
            return
        guard = self._current()
        guard.admit()
        with _translated(httpcore.WriteTimeout, httpcore.WriteError):
            guard.sending(len(buffer))
            left = memoryview(buffer)
            while left:
                self._sock.settimeout(guard.allow(timeout))
                left = left[self._sock.send(left) :]

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same connection under TLS. An end without the peer's TLS farewell is an error, not an end."""
        guard = self._current()
        with _translated(httpcore.ConnectTimeout, httpcore.ConnectError), _closing_on_error(self):
            self._sock.settimeout(guard.allow(timeout))
            sock = ssl_context.wrap_socket(
                self._sock,
                server_hostname=server_hostname,
                suppress_ragged_eofs=False,
                do_handshake_on_connect=False,
            )
            stream = GuardedStream(sock, self._current)
            with _closing_on_error(stream):
                guard.opened(stream.hang_up)
                sock.do_handshake()
        return stream

    def hang_up(self) -> None:
        """Wake whoever blocks on this connection; it is then of no more use. From any thread, at any time."""
        with self._lock, suppress(OSError):
            # Not SSLSocket.shutdown: that drops the TLS layer, and a read under way would return ciphertext.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close. Under the lock, since `hang_up` on a closed descriptor could hit a stranger's connection."""
        with self._lock, suppress(OSError):
            self._sock.close()

    def get_extra_info(self, info: str) -> Any:
        """What the pool asks: is TLS in use, and is there something to read on an idle connection?"""
        match info:
            case "ssl_object":
                return self._sock if isinstance(self._sock, ssl.SSLSocket) else None
            case "is_readable":
                return _readable(self._sock)
            case "socket":
                return self._sock
            case _:
                return None


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_S),
        ("TCP_KEEPALIVE", KEEPALIVE_S),  # macOS's name for the same
        ("TCP_KEEPINTVL", KEEPALIVE_S),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
    ):
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _readable(sock: socket.socket) -> bool:
    if sock.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


@contextmanager
def _translated(timeout: type[Exception], failure: type[Exception]) -> Iterator[None]:
    """The system's errors as the HTTP library's; anything else passes."""
    try:
        yield
    except TimeoutError as exc:
        raise timeout(str(exc)) from exc
    except (OSError, UnicodeError) as exc:
        raise failure(str(exc)) from exc


@contextmanager
def _closing_on_error(stream: GuardedStream) -> Iterator[None]:
    try:
        yield
    except BaseException:
        stream.close()
        raise
