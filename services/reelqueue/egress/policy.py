"""What this process may call: the rule of `promises` as one value."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

from reelqueue.egress.addresses import Address, Network, is_public, unwrapped
from reelqueue.egress.destination import Destination, parse
from reelqueue.egress.errors import DestinationForbidden
from reelqueue.egress.names import LOCALHOST, is_reserved
from reelqueue.errors import UrlInvalid

WEB_PORTS: Final = frozenset({80, 443, 8080, 8443})
"""Ports on which strangers serve HTTP. Anything wider makes us a tool to talk to mail, caches and databases."""


def parse_networks(text: str) -> tuple[Network, ...]:
    """Networks from a setting such as `127.0.0.0/8, ::1/128`. Raises `ValueError` if one is malformed."""
    return tuple(ip_network(part) for part in text.replace(",", " ").split())


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """The rule for outgoing requests.

    `allow` holds networks that may be called although they are not public. An address literal inside them, and
    `localhost` if it resolves into them, may have any port and plain http. Other names keep the ordinary ports.
    `fetches_per_host` bounds the downloads from one host at once; `None` does not, for a host that is known.
    `own_hosts` are names, or `host:port`, that are refused even so: ours, and the upstream's for input URLs.
    """

    allow: tuple[Network, ...] = ()
    ports: frozenset[int] = WEB_PORTS
    own_hosts: frozenset[str] = frozenset()
    fetches_per_host: int | None = None
    allow_http: bool = True

    def __post_init__(self) -> None:
        canonical = frozenset(host.lower().removesuffix(".") for host in self.own_hosts)
        object.__setattr__(self, "own_hosts", canonical)

    def destination(self, url: str) -> Destination:
        """Read a URL and judge all that can be judged without a lookup.

        Raises `UrlInvalid` or `DestinationForbidden`.
        """
        return self.judge(parse(url))

    def judge(self, destination: Destination) -> Destination:
        """The destination itself, if no rule refuses it before a lookup. Raises as `destination` does."""
        if self.own_hosts & {destination.host, destination.authority}:
            raise DestinationForbidden("own host")
        if self._is_exception(destination):
            return destination
        if destination.scheme == "http" and not self.allow_http:
            raise UrlInvalid("Only https URLs can be called.")
        if destination.port not in self.ports:
            raise UrlInvalid("This port is not one that is called.")
        if destination.address is None:
            if is_reserved(destination.host):
                raise DestinationForbidden("reserved name")
        elif not is_public(destination.address):
            raise DestinationForbidden("address not public")
        return destination

    def check_answers(self, destination: Destination, addresses: tuple[Address, ...]) -> tuple[Address, ...]:
        """All addresses, IPv4-mapped ones unwrapped, if every one may be dialled for this destination.

        One forbidden address refuses them all: a name that leads to us on some days is no customer's receiver.
        Raises `DestinationForbidden`.
        """
        plain = tuple(unwrapped(address) for address in addresses)
        if not all(self._admits(destination, address) for address in plain):
            raise DestinationForbidden("an address of the name is not public")
        return plain

    def _admits(self, destination: Destination, address: Address) -> bool:
        return self._is_allowed(address) or (destination.host != LOCALHOST and is_public(address))

    def _is_exception(self, destination: Destination) -> bool:
        if destination.address is None:
            return destination.host == LOCALHOST and bool(self.allow)
        return self._is_allowed(destination.address)

    def _is_allowed(self, address: Address) -> bool:
        return any(address in network for network in self.allow)
