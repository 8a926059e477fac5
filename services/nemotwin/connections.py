"""The TCP connection under a request, so that a fault can cut it and a stream can notice that its client has gone."""

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_remote_addr


class Connection:
    """One client connection; `lost` once it has gone, whoever closed it, and `busy` with so many requests."""

    def __init__(self, transport: asyncio.Transport | None) -> None:
        """Stand for `transport`; without one (a test without a socket) cutting only sets `lost`."""
        self._transport = transport
        self._watchers: set[Callable[[], None]] = set()
        self._closed = asyncio.Event()
        self.lost = False
        self.busy = 0
        if transport is None:
            self._closed.set()

    def watch(self, watcher: Callable[[], None]) -> None:
        """Have `watcher` called when the connection is lost."""
        self._watchers.add(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Take back `watch`. Safe to repeat."""
        self._watchers.discard(watcher)

    def drop(self) -> None:
        """Send what was written, then close without the end of the body."""
        if self._transport is not None:
            self._transport.close()
        self.lose()

    def reset(self) -> None:
        """Cut the connection with a TCP reset; what was written last may never arrive."""
        if self._transport is not None:
            wired = self._transport.get_extra_info("socket")
            # The option belongs to the socket, not to the descriptor: a duplicate sets it for the original.
            with socket.socket(fileno=os.dup(wired.fileno())) as duplicate:
                duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        self.lose()

    def write(self, raw: bytes) -> None:
        """Send bytes past the server, which knows nothing of them."""
        if self._transport is not None and not self.lost:
            self._transport.write(raw)

    def end(self) -> None:
        """Note that the socket is closed, which is a little later than `drop` and `reset`."""
        self.lose()
        self._closed.set()

    async def wait_closed(self) -> None:
        """Wait until the socket is closed."""
        await self._closed.wait()

    def lose(self) -> None:
        """Note that the connection has gone, and tell the watchers. Safe to repeat."""
        if not self.lost:
            self.lost = True
            for watcher in list(self._watchers):
                watcher()


class Connections:
    """The open connections by the client's address."""

    def __init__(self) -> None:
        """Begin with none."""
        self._by_client: dict[tuple[str, int] | None, Connection] = {}

    def of(self, client: tuple[str, int] | None) -> Connection:
        """Return the connection of the client at this address, or one without a socket."""
        return self._by_client.get(client) or Connection(None)

    def cut_all(self) -> None:
        """Abort every connection, as a crash would."""
        for connection in list(self._by_client.values()):
            connection.reset()

    def cut_idle(self) -> None:
        """Close every connection on which no request is being answered."""
        for connection in list(self._by_client.values()):
            if not connection.busy:
                connection.drop()

    def protocol(self) -> type[asyncio.Protocol]:
        """Return a server protocol that keeps this registry."""
        registry = self._by_client

        class TrackedProtocol(HttpToolsProtocol):
            def connection_made(self, transport: Any) -> None:
                super().connection_made(transport)
                self.tracked = Connection(transport)
                self.tracked_as = get_remote_addr(transport)
                registry[self.tracked_as] = self.tracked

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                self.tracked.end()
                if registry.get(self.tracked_as) is self.tracked:
                    del registry[self.tracked_as]

        return TrackedProtocol
