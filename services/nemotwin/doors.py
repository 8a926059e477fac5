"""The listening socket of one origin, which can be shut for a while: connections are refused then."""

import asyncio
import functools
import socket
from collections.abc import Callable
from typing import Final

import uvicorn

from nemotwin.clock import Clock
from nemotwin.connections import Connections

BACKLOG: Final = 4096
_RETRY_SECONDS: Final = 0.005


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to this address, which does not listen yet; port 0 takes a free one."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


class Door:
    """The way into a server that is running."""

    def __init__(self, server: uvicorn.Server, address: tuple[str, int], *, clock: Clock, open_: Connections) -> None:
        """Guard `server`, which listens at `address`; its connections are among the `open_` ones."""
        self._server = server
        self._address = address
        self._clock = clock
        self._open = open_
        self._shut: asyncio.Task[None] | None = None

    def shut(self, seconds: float) -> None:
        """Refuse connections for `seconds` virtual, and close those on which nothing is going on.

        What runs goes on. Nothing happens if the door is shut already.
        """
        if self._shut is None or self._shut.done():
            for listening in self._server.servers:
                listening.close()
            self._open.cut_idle()
            self._shut = asyncio.create_task(self._stay_shut(seconds))

    async def _stay_shut(self, seconds: float) -> None:
        # Bound but not listening: nobody can connect, and nobody else can take the port.
        bound = await self._bound()
        try:
            await self._clock.sleep(seconds)
            config = self._server.config
            made: Callable[..., asyncio.Protocol] = config.http_protocol_class
            state = self._server.server_state
            protocol = functools.partial(made, config=config, server_state=state, app_state=self._server.lifespan.state)
            server = await asyncio.get_running_loop().create_server(protocol, sock=bound, backlog=BACKLOG)
        except BaseException:
            bound.close()
            raise
        self._server.servers = [server]

    async def _bound(self) -> socket.socket:
        while True:
            try:
                return bind(*self._address)
            except OSError:
                # The loop closes a listening socket a little after it was told to.
                await asyncio.sleep(_RETRY_SECONDS)
