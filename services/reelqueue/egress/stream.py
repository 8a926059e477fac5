"""A socket that knows when its request must be over."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from reelqueue.egress.progress import Progress
from reelqueue.kit.http import httpcore

T = TypeVar("T")


class GuardedStream(httpcore.NetworkStream):
    """One connection under one deadline and one byte budget.

    The timeouts that httpcore passes are ignored: they hold for one call, so a peer that sends two bytes a second
    never meets them. Here every call gets what is left of the whole.
    Raises `EgressFailed`, except that a broken connection while sending is left to httpcore: the other side may have
    answered before it closed.
    """

    def __init__(self, sock: socket.socket, progress: Progress) -> None:
        self._sock = sock
        self._progress = progress
        self._send_broke = False
        self._head = b""

    def begin(self, progress: Progress) -> None:
        """The next request on the same connection: with a deadline and a budget of its own."""
        self._progress = progress
        self._send_broke = False
        self._head = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - see the class
        """Up to `max_bytes`; empty at the end of the stream."""
        progress = self._progress
        if progress.stage == "send" and not self._send_broke:
            progress.stage = "wait"
        size = min(max_bytes, progress.read_size, progress.may_read)
        if size <= 0:
            raise progress.failed("answer over its limit")
        data = self._call(partial(self._sock.recv, size))
        progress.may_read -= len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - see the class
        """Send all of it. Not `sendall`: on TLS that starts the time anew with each part.

        A head that has a body goes out with it: in one packet, most times, for which the other side wakes once.
        """
        progress = self._progress
        progress.stage = "send"
        if progress.has_body and not self._head:
            self._head, progress.has_body = buffer, False
            return
        rest, self._head = memoryview(self._head + buffer), b""
        while rest:
            try:
                sent = self._call(partial(self._sock.send, rest), broken=httpcore.WriteError)
            except httpcore.WriteError:
                self._send_broke = True
                raise
            progress.sent += sent
            rest = rest[sent:]

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - see the class
    ) -> GuardedStream:
        """Verify the name and go on encrypted. The connection is closed if that fails."""
        self._progress.stage = "tls"
        try:
            self._sock.settimeout(self._progress.remaining())
            wrapped = ssl_context.wrap_socket(
                self._sock, server_hostname=server_hostname, do_handshake_on_connect=False
            )
            self._sock = wrapped
            self._call(wrapped.do_handshake)
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise self._progress.failed(f"certificate: {error.verify_message}") from error
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Close it. Never raises, never waits."""
        with contextlib.suppress(OSError):
            self._sock.close()

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks of a stream."""
        if info == "ssl_object":
            return self._sock if isinstance(self._sock, ssl.SSLSocket) else None
        if info == "is_readable":
            # Between two requests nothing is to come but the end.
            # Not `select`, which takes no descriptor from 1,024 on.
            poll = select.poll()
            poll.register(self._sock, select.POLLIN)
            return bool(poll.poll(0))
        return None

    def _call(self, call: Callable[[], T], *, broken: type[Exception] | None = None) -> T:
        progress = self._progress
        self._sock.settimeout(progress.remaining())
        try:
            return call()
        except ssl.SSLCertVerificationError:
            raise
        except TimeoutError as error:
            raise progress.failed("deadline passed") from error
        except OSError as error:
            raise (broken() if broken else progress.failed(error)) from error
