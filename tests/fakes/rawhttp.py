"""A server that speaks exactly the bytes a test wants, over loopback. One handler, one thread a connection."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Seen:
    """One request as it arrived. Header names are lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Peer:
    """One accepted connection, in the hands of a handler."""

    def __init__(self, sock: socket.socket, server: RawServer) -> None:
        self.sock = sock
        self.server = server
        self._buffer = b""

    def receive(self) -> bytes:
        data = self.sock.recv(65536)
        if data:
            self.server.bytes_received += len(data)
            self.server.got_bytes.set()
        return data

    def read_request(self) -> Seen | None:
        """The next request on this connection, or None if the client closed first."""
        while b"\r\n\r\n" not in self._buffer:
            data = self.receive()
            if not data:
                return None
            self._buffer += data
        head, _, rest = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size = int(headers.get("content-length", "0"))
        while len(rest) < size:
            data = self.receive()
            if not data:
                return None
            rest += data
        self._buffer = rest[size:]
        seen = Seen(method, target, headers, rest[:size])
        self.server.requests.append(seen)
        return seen

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def reply(
        self,
        body: Any = b"",
        *,
        status: int = 200,
        content_type: str | None = "application/json",
        headers: dict[str, str] | None = None,
    ) -> None:
        """A whole answer. Anything but bytes is sent as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(data)}"]
        if content_type:
            lines.append(f"Content-Type: {content_type}")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + data)

    def start_stream(self, *, content_type: str = "text/event-stream; charset=utf-8", chunked: bool = True) -> None:
        framing = b"Transfer-Encoding: chunked" if chunked else b"Connection: close"
        self.send(b"HTTP/1.1 200 OK\r\nContent-Type: " + content_type.encode() + b"\r\n" + framing + b"\r\n\r\n")

    def chunk(self, data: bytes) -> None:
        self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def end_chunks(self) -> None:
        self.send(b"0\r\n\r\n")

    def reset(self) -> None:
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def wait_for_close(self) -> None:
        """Until the client hangs up."""
        while self.receive():
            pass


Handler = Callable[[Peer], None]


class RawServer:
    """Accepts on port 0 of 127.0.0.1 and gives each connection to `handler`. A context manager."""

    def __init__(self, handler: Handler, *, ssl_context: ssl.SSLContext | None = None) -> None:
        self.handler = handler
        self.requests: list[Seen] = []
        self.connections = 0
        self.bytes_received = 0
        self.got_bytes = threading.Event()
        self.accepted = threading.Event()
        self.handshaken = threading.Event()
        self.closed = threading.Event()
        self.failures: list[BaseException] = []
        self._ssl = ssl_context
        self._stopping = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._socks: list[socket.socket] = []

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def base_url(self) -> str:
        return f"{'http' if self._ssl is None else 'https'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping = True
        with socket.create_connection(self._listener.getsockname()):
            pass
        for sock in self._socks:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._listener.close()
        if exc[0] is None and self.failures:
            raise self.failures[0]

    def _spawn(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self._stopping:
                sock.close()
                return
            self.connections += 1
            self.accepted.set()
            self._socks.append(sock)
            self._spawn(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        try:
            if self._ssl is not None:
                sock = self._ssl.wrap_socket(sock, server_side=True)
                self._socks.append(sock)
                self.handshaken.set()
            self.handler(Peer(sock, self))
        except OSError:
            pass  # the client, or the end of the test, closed the connection
        except BaseException as exc:  # noqa: BLE001 - raised again when the server stops
            self.failures.append(exc)
        finally:
            sock.close()
            self.closed.set()


def always(body: Any, **reply: Any) -> Handler:
    """A handler that answers every request of every connection alike."""

    def handle(peer: Peer) -> None:
        while peer.read_request() is not None:
            peer.reply(body, **reply)

    return handle


def events(*payloads: object) -> bytes:
    """Server-sent events, one a payload; a string goes as it is, anything else as JSON."""
    return b"".join(
        b"data: " + (item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)).encode() + b"\n\n"
        for item in payloads
    )
