"""What goes out in a request, and what an answer is, whoever sends it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reelqueue.egress.addresses import Address
from reelqueue.egress.destination import Destination
from reelqueue.kit.http import httpcore

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")
_OURS: Final = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "te", "trailer", "upgrade"}
    | {"expect", "keep-alive", "proxy-authorization", "proxy-connection"}
)


@dataclass(frozen=True, slots=True)
class EgressResponse:
    """An answer to a POST, whatever its status.

    `headers` have lower-case names, repeated ones joined by commas. `truncated`: reading stopped at the limit, and
    whether there was more is not known.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool
    elapsed_s: float
    address: Address


def request_to(
    destination: Destination,
    method: str,
    *,
    headers: tuple[tuple[str, str], ...],
    body: bytes | None,
    keeps: bool = False,
) -> httpcore.Request:
    """A request with the headers that are ours to set. Unless it `keeps`, the connection ends with the answer."""
    url = httpcore.URL(
        scheme=destination.scheme, host=destination.host, port=destination.port, target=destination.target
    )
    own = [("Host", destination.host_header), ("Accept-Encoding", "identity")]
    if not keeps:
        own.append(("Connection", "close"))
    return httpcore.Request(method, url, headers=[*own, *headers], content=body)


def received_headers(response: httpcore.Response) -> dict[str, str]:
    """Names in lower case, repeated ones joined by commas."""
    joined: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("ascii").lower(), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def checked_headers(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The caller's headers. Raises `ValueError` if one is malformed or not for the caller to set."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS:
            raise ValueError("a header's name is malformed or not for the caller to set")
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"the value of header {name} is malformed")
    return tuple(headers.items())
