"""An HTTP client that sends exactly the bytes a test wants, and reads what comes back."""

from __future__ import annotations

import json
import socket
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


def read_answer(sock: socket.socket) -> RawAnswer | None:
    """The next answer; `None` if the server closed before its end."""
    buffer = b""
    try:
        while b"\r\n\r\n" not in buffer:
            buffer += _some(sock)
        head, _, body = buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(headers.get("content-length", "0")):
            body += _some(sock)
    except OSError:
        return None
    return RawAnswer(int(first.split(" ")[1]), headers, body)


def _answers(sock: socket.socket) -> Any:
    while (answer := read_answer(sock)) is not None:
        yield answer
        if answer.headers.get("connection") == "close":
            return
        sock.settimeout(0.3)


def _some(sock: socket.socket) -> bytes:
    data = sock.recv(65_536)
    if not data:
        raise ConnectionResetError
    return data
