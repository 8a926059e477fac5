"""A network of our own for the calling process: its routes are what it can reach. No tool of the system is needed.

A route of the type `local` leads back to this process, whatever the address: whoever listens on `::` answers for a
whole range of addresses. Sources: netlink(7), rtnetlink(7), and `uapi/linux/{netlink,rtnetlink,fib_rules}.h`.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_interface
from typing import Final

_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000

OWN: Final = (ip_interface("10.97.3.11/32"), ip_interface("fd97:3::11/128"))
"""What the process calls from. A local route alone gives no source address."""

_ERROR, _ACK, _REQUEST, _CREATE = 2, 0x4, 0x1, 0x400
_NEW_ADDRESS, _DEL_ADDRESS, _NEW_ROUTE, _NEW_RULE = 20, 21, 24, 32
_LOOPBACK: Final = 1  # the first interface of every network
_LOCAL_TYPE, _THROW_TYPE = 2, 9
_NO_DAD: Final = 2  # IPv6 would first ask whether somebody else has the address, and refuse to use it until then
_HOST: Final = 254  # as far as a local route leads
_STATIC: Final = 4  # a route by hand
_TO_TABLE: Final = 1  # the action of a rule
_SET_FLAGS, _UP = 0x8914, 0x1

_NEEDS: Final = (
    "a network of our own needs root with CAP_SYS_ADMIN, or user namespaces for everybody. In a container that may "
    "mean `--privileged`; on Ubuntu, `sysctl kernel.apparmor_restrict_unprivileged_userns=0`"
)


class NoNamespace(Exception):
    """This machine lets us make no network of our own."""


def enter_network() -> Routes:
    """Leave the machine's network for an empty one. The process must have one thread. Raises `NoNamespace`."""
    libc = ctypes.CDLL(None, use_errno=True)
    reasons = []
    for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET):
        if libc.unshare(flags) == 0:
            break
        reasons.append(f"unshare gave {errno.errorcode.get(ctypes.get_errno())}")
    else:
        raise NoNamespace(f"{', '.join(reasons)}: {_NEEDS}")
    routes = Routes()
    try:
        routes.raise_loopback()
    except PermissionError as error:  # AppArmor gives a user namespace, and no rights in it
        raise NoNamespace(f"{error}: {_NEEDS}") from error
    return routes


class Routes:
    """The routes of the network that the process is in. `OSError` is the kernel's no."""

    def __init__(self) -> None:
        self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._netlink.bind((0, 0))

    def raise_loopback(self) -> None:
        """Packets to ourselves travel over it. `127.0.0.1` and `::1` go, so that routes alone say what is reached."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            fcntl.ioctl(sock, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP))
        self._address(_DEL_ADDRESS, ip_interface("127.0.0.1/8"))
        self._address(_DEL_ADDRESS, ip_interface("::1/128"))
        for own in OWN:
            self._address(_NEW_ADDRESS, own)

    def lead_here(self, network: IPv4Network | IPv6Network, *, table: int) -> None:
        """Whoever is called in this range, we answer."""
        (source,) = (own for own in OWN if own.version == network.version)
        over = _attribute(4, struct.pack("I", _LOOPBACK)) + _attribute(7, source.packed)  # RTA_OIF, RTA_PREFSRC
        self._route(_LOCAL_TYPE, network, table, over)

    def leave_out(self, network: IPv4Network | IPv6Network, *, table: int) -> None:
        """This range is not in the table, though a wider one may be: the next rule is asked."""
        self._route(_THROW_TYPE, network, table, b"")

    def rule(self, family: int, *, table: int, protocol: int, port: int) -> None:
        """What goes to this port looks into the table. All rules are asked until one has a route."""
        body = struct.pack("BBBBBBBBI", family, 0, 0, 0, 0, 0, 0, _TO_TABLE, 0)
        body += _attribute(15, struct.pack("I", table))  # FRA_TABLE
        body += _attribute(22, struct.pack("B", protocol))  # FRA_IP_PROTO
        self._ask(_NEW_RULE, body + _attribute(24, struct.pack("HH", port, port)))  # FRA_DPORT_RANGE

    def _route(self, kind: int, network: IPv4Network | IPv6Network, table: int, attributes: bytes) -> None:
        scope = _HOST if kind == _LOCAL_TYPE else 0
        body = struct.pack("BBBBBBBBI", _family(network), network.prefixlen, 0, 0, 0, _STATIC, scope, kind, 0)
        body += _attribute(1, network.network_address.packed)  # RTA_DST
        self._ask(_NEW_ROUTE, body + _attribute(15, struct.pack("I", table)) + attributes)  # RTA_TABLE

    def _address(self, kind: int, own: IPv4Interface | IPv6Interface) -> None:
        body = struct.pack("BBBBI", _family(own), own.network.prefixlen, _NO_DAD, 0, _LOOPBACK)
        self._ask(kind, body + _attribute(2, own.packed))  # IFA_LOCAL

    def _ask(self, kind: int, body: bytes) -> None:
        flags = _REQUEST | _ACK | _CREATE
        self._netlink.send(struct.pack("IHHII", 16 + len(body), kind, flags, 1, 0) + body)
        answer = self._netlink.recv(65536)
        (found,) = struct.unpack_from("H", answer, 4)
        assert found == _ERROR, found
        (code,) = struct.unpack_from("i", answer, 16)
        if code:
            raise OSError(-code, os.strerror(-code))


def _family(what: IPv4Network | IPv6Network | IPv4Interface | IPv6Interface) -> int:
    return socket.AF_INET if what.version == 4 else socket.AF_INET6


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)
