"""An HTTP client that sends exactly the bytes a test wants, and reads what comes back."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RawAnswer:
    """One answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def exchange(address: tuple[str, int], data: bytes, *, timeout: float = 20.0) -> list[RawAnswer]:
    """Every answer to these bytes, until the server closes or says nothing more for a while."""
    with socket.create_connection(address, timeout=timeout) as sock:
        with suppress(OSError):  # refused before all of it was sent; the answer may be there all the same
            sock.sendall(data)
        return list(_answers(sock))


def request(
    method: str, target: str, headers: list[tuple[str, str]], body: bytes = b"", *, close: bool = True
) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {target} HTTP/1.1", "Host: gateway"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    if close:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def _answers(sock: socket.socket) -> Iterator[RawAnswer]:
    """What has come, one answer after the other, until the connection ends or falls silent."""
    buffer = b""
    with suppress(OSError):
        while True:
            while b"\r\n\r\n" not in buffer:
                buffer += _some(sock)
            head, _, buffer = buffer.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            size = int(headers.get("content-length", "0"))
            while len(buffer) < size:
                buffer += _some(sock)
            body, buffer = buffer[:size], buffer[size:]
            yield RawAnswer(int(first.split(" ")[1]), headers, body)
            if headers.get("connection") == "close":
                return
            sock.settimeout(0.3)


def _some(sock: socket.socket) -> bytes:
    data = sock.recv(65_536)
    if not data:
        raise ConnectionResetError
    return data
