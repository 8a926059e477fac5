"""The way from this command to a receiver that its user named: the service's own client, without its refusals."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from reelqueue.egress import EgressClient, EgressPolicy, Resolver, SystemResolver, tls_context
from reelqueue.egress.addresses import Address
from reelqueue.egress.destination import Destination
from reelqueue.egress.names import LOCALHOST
from reelqueue.kit.clock import Clock, SystemClock

_LOOPBACK: Final = (IPv4Address("127.0.0.1"), IPv6Address("::1"))


@dataclass(frozen=True, slots=True)
class AnyDestination(EgressPolicy):
    """Every address and port may be called. For the command line only: whoever runs it could call them anyway.

    A process that calls for others must never use it.
    """

    def judge(self, destination: Destination) -> Destination:
        """The destination as it is."""
        return destination

    def check_answers(self, destination: Destination, addresses: tuple[Address, ...]) -> tuple[Address, ...]:  # noqa: ARG002
        """All addresses as they are."""
        return addresses


class NearbyResolver:
    """Finds what a browser on this machine finds: names from its hosts file and search list, and both loopbacks."""

    def __init__(self) -> None:
        self._system = SystemResolver(lookup=_with_search_list)

    def resolve(self, host: str, *, timeout_s: float) -> tuple[Address, ...]:
        """See `Resolver`. Development servers listen on one loopback or the other, so `localhost` is both."""
        return _LOOPBACK if host == LOCALHOST else self._system.resolve(host, timeout_s=timeout_s)


def open_way(*, clock: Clock | None = None, resolver: Resolver | None = None) -> EgressClient:
    """A client with the deadlines and limits of the service, that goes wherever it is told."""
    return EgressClient(
        AnyDestination(), resolver or NearbyResolver(), ssl_context=tls_context(), clock=clock or SystemClock()
    )


def _with_search_list(host: bytes, *arguments: Any, **options: Any) -> list[tuple[Any, ...]]:
    return socket.getaddrinfo(host.removesuffix(b"."), *arguments, **options)
