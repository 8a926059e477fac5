"""From a destination to a socket at an address that was checked."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from typing import Any, Final

from reelqueue.egress.addresses import Address
from reelqueue.egress.destination import Destination
from reelqueue.egress.errors import LookupFailed, NameNotFound, NoSuchName
from reelqueue.egress.policy import EgressPolicy
from reelqueue.egress.progress import Progress
from reelqueue.egress.resolver import RESOLVE_DEADLINE_S, Resolver
from reelqueue.egress.stream import GuardedStream
from reelqueue.kit.http import httpcore

MAX_DIALS: Final = 4
DIAL_TIMEOUT_S: Final = 5.0
"""For one address; the next is tried after it. The request's deadline goes before."""

Connector = Callable[[Address, int, float], socket.socket]
"""Opens a TCP connection to an address and port within seconds. Raises `OSError`."""


def dial(address: Address, port: int, timeout_s: float) -> socket.socket:
    """The real connector. It is given an address, so there is no name left that could be resolved a second time."""
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout_s)
        sock.connect((str(address), port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def checked_addresses(
    destination: Destination, policy: EgressPolicy, *, resolver: Resolver, progress: Progress
) -> tuple[Address, ...]:
    """Resolve once and check every answer.

    Raises `NameNotFound`, `DestinationForbidden`, or `EgressFailed` at `resolve` if the resolver could not tell.
    """
    if destination.address is not None:
        return policy.check_answers(destination, (destination.address,))
    try:
        found = resolver.resolve(destination.host, timeout_s=min(RESOLVE_DEADLINE_S, progress.remaining()))
    except LookupFailed as error:
        raise progress.failed(str(error)) from error
    if not found:
        raise NameNotFound("no addresses")
    return policy.check_answers(destination, found)


class GuardedBackend(httpcore.NetworkBackend):
    """What httpcore opens connections with: each new one is resolved and checked afresh."""

    def __init__(
        self,
        destination: Destination,
        policy: EgressPolicy,
        *,
        resolver: Resolver,
        connector: Connector,
        progress: Progress,
    ) -> None:
        self._destination = destination
        self._policy = policy
        self._resolver = resolver
        self._connector = connector
        self._progress = progress
        self._stream: GuardedStream | None = None

    def use(self, progress: Progress) -> None:
        """From now on another request is under way on the connection, if there is one."""
        if self._stream is not None and progress is not self._progress:
            progress.address = self._progress.address
            self._stream.begin(progress)
        self._progress = progress

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline stands in `progress`
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> GuardedStream:
        """Connect to the first checked address that answers. Raises `DestinationForbidden` or `EgressFailed`."""
        assert (host, port) == (self._destination.host, self._destination.port)
        progress = self._progress
        progress.stage = "resolve"
        try:
            addresses = checked_addresses(self._destination, self._policy, resolver=self._resolver, progress=progress)
        except NameNotFound as error:
            raise NoSuchName from error
        progress.stage = "connect"
        cause: str | OSError = "no address"
        for address in addresses[:MAX_DIALS]:
            try:
                sock = self._connector(address, port, min(DIAL_TIMEOUT_S, progress.remaining()))
            except OSError as error:
                cause = error
                continue
            progress.address = address
            self._stream = GuardedStream(sock, progress)
            return self._stream
        raise progress.failed(cause)


def connection_to(
    destination: Destination, backend: GuardedBackend, *, ssl_context: ssl.SSLContext
) -> httpcore.HTTPConnection:
    """One connection, opened by the first request: HTTP/1.1, and nothing is tried again below us."""
    origin = httpcore.Origin(destination.scheme.encode(), destination.host.encode(), destination.port)
    return httpcore.HTTPConnection(
        origin, ssl_context=ssl_context, http1=True, http2=False, retries=0, network_backend=backend
    )
