"""From a name to its addresses, within a time, without the resolver's habits."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable
from ipaddress import IPv4Address, ip_address
from typing import Any, Final, Protocol

from reelqueue.egress.addresses import Address
from reelqueue.egress.errors import LookupFailed, NameNotFound
from reelqueue.egress.names import LOCALHOST

RESOLVE_DEADLINE_S: Final = 5.0
_DEFINITE: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})

Lookup = Callable[..., list[tuple[Any, ...]]]


class Resolver(Protocol):
    """What the client needs of DNS."""

    def resolve(self, host: str, *, timeout_s: float) -> tuple[Address, ...]:
        """Every address of the name, in the order to try them.

        Raises `NameNotFound` if there is none, `LookupFailed` if that cannot be told in time.
        """
        ...


class SystemResolver:
    """The operating system's resolver, asked for the full name only (no search domains) and given up in time.

    `getaddrinfo` cannot be interrupted. A lookup that is given up goes on in its own thread; `max_in_flight` bounds
    how many there are, and when all are taken a lookup fails within its own time.
    """

    def __init__(self, *, max_in_flight: int = 64, lookup: Lookup = socket.getaddrinfo) -> None:
        self._slots = threading.BoundedSemaphore(max_in_flight)
        self._lookup = lookup

    def resolve(self, host: str, *, timeout_s: float) -> tuple[Address, ...]:
        """See `Resolver`. `localhost` is 127.0.0.1 and is never asked of anyone (RFC 6761 §6.3)."""
        if host == LOCALHOST:
            return (IPv4Address("127.0.0.1"),)
        if not self._slots.acquire(timeout=timeout_s):
            raise LookupFailed("too many lookups at once")
        answers: queue.SimpleQueue[tuple[Address, ...] | Exception] = queue.SimpleQueue()
        threading.Thread(target=self._ask, args=(host, answers), name="egress-resolve", daemon=True).start()
        try:
            answer = answers.get(timeout=timeout_s)
        except queue.Empty:
            raise LookupFailed("no answer in time") from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _ask(self, host: str, answers: queue.SimpleQueue[tuple[Address, ...] | Exception]) -> None:
        # The final dot keeps the search list out. Bytes keep Python's own, older IDNA out.
        try:
            found = self._lookup(f"{host}.".encode("ascii"), None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
            answers.put(tuple(dict.fromkeys(ip_address(entry[4][0]) for entry in found)))
        except socket.gaierror as error:
            kind = NameNotFound if error.errno in _DEFINITE else LookupFailed
            answers.put(kind(f"resolver error {error.errno}"))
        except (OSError, ValueError) as error:
            answers.put(LookupFailed(type(error).__name__))
        finally:
            self._slots.release()
