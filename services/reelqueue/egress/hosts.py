"""The host part of a URL, brought to the one spelling that is checked, resolved and sent."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

import idna

from reelqueue.egress.addresses import Address, unwrapped
from reelqueue.errors import UrlInvalid

_MAX_CHARS: Final = 253
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_IPV6_CHARS: Final = re.compile(r"[0-9A-Fa-f:.]+")


def parse_host(raw: str) -> tuple[str, Address | None]:
    """The canonical host, and its address if it is a literal.

    A name comes back as lower-case ASCII labels without the final dot. A literal comes back in the canonical spelling
    of its address; an IPv4-mapped one as the IPv4 address it stands for.

    Raises `UrlInvalid`.
    """
    if raw.startswith("["):
        return _ipv6_literal(raw)
    name = _ascii_name(raw)
    if not _NUMBER.fullmatch(name.rpartition(".")[2]):
        return name, None
    # A resolver takes 127.1, 0x7f.1, 2130706433 and 0177.0.0.1 for addresses. One spelling is enough.
    try:
        address = IPv4Address(name)
    except AddressValueError as error:
        raise UrlInvalid("The host ends in a number but is no IPv4 address in dotted form.") from error
    if raw != str(address):
        raise UrlInvalid("Write the IPv4 address in plain dotted form.")
    return name, address


def _ipv6_literal(raw: str) -> tuple[str, Address]:
    inside = raw[1:-1]
    if not raw.endswith("]") or not _IPV6_CHARS.fullmatch(inside):
        raise UrlInvalid("The host in brackets is no IPv6 address.")
    try:
        address = unwrapped(IPv6Address(inside))
    except AddressValueError as error:
        raise UrlInvalid("The host in brackets is no IPv6 address.") from error
    return str(address), address


def _ascii_name(raw: str) -> str:
    if not raw or len(raw) > _MAX_CHARS + 1:
        raise UrlInvalid("The host name is empty or too long.")
    lowered = raw.lower()
    # Plain names skip IDNA, which refuses hyphens in third and fourth place although large media hosts have them.
    if not raw.isascii() or any(label.startswith("xn--") for label in lowered.split(".")):
        try:
            lowered = idna.encode(raw, uts46=True, std3_rules=True).decode("ascii")
        except (UnicodeError, IndexError, ValueError) as error:
            raise UrlInvalid("The host is no valid internationalized domain name.") from error
    name = lowered.removesuffix(".")
    if len(name) > _MAX_CHARS or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise UrlInvalid("The host is no valid domain name.")
    return name
