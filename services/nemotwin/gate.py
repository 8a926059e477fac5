"""The way into the twin: every request is written down, and what is to go wrong does so before anyone looks at it.

An armed fault is nearer to the wire than what the session's scenario says.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nemotwin.connections import Connection
from nemotwin.endpoints import name_of
from nemotwin.exchange import SCOPE_KEY, Exchange, header_map
from nemotwin.faults import strike
from nemotwin.ledger import RequestEntry, attributed, fingerprint, headers_of, masked
from nemotwin.world import Origin, World

CONTROL = ("/_twin/", "/healthz")


def bearer_of(scope: Scope) -> str:
    """The token that a request brings, or nothing."""
    return header_map(scope).get("authorization", "").partition(" ")[2].strip()


class Gate:
    """ASGI middleware for one of the two origins. Control routes pass it unseen."""

    def __init__(self, app: ASGIApp, world: World, *, origin: Origin) -> None:
        """Guard `app`."""
        self._app = app
        self._world = world
        self._origin = origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write down, strike or let pass."""
        client = scope.get("client")
        connection = self._world.connections.of((client[0], client[1]) if client else None)
        connection.busy += 1
        try:
            await self._pass(scope, receive, send, connection)
        finally:
            connection.busy -= 1

    async def _pass(self, scope: Scope, receive: Receive, send: Send, connection: Connection) -> None:
        if scope["type"] != "http" or (self._origin == "api" and scope["path"].startswith(CONTROL)):
            if scope.get("method") == "POST":
                self._world.touched = True
            await self._app(scope, receive, send)
            return
        world, entry = self._world, self._note(scope)
        world.touched = True

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
            await send(message)

        exchange = Exchange(
            app=self._app,
            scope=scope,
            receive=receive,
            send=noting,
            clock=world.clock,
            connection=connection,
            door=world.doors.get(self._origin),
            accounts=world.accounts,
            sessions=world.sessions,
            entry=entry,
        )
        scope[SCOPE_KEY] = exchange
        if self._origin == "api" and (refusal := world.limits.enter(bearer_of(scope))) is not None:
            await exchange.answer(refusal.response())
            return
        armed, cue = world.faults.take(entry.endpoint), await world.stage.cue(exchange, world.renders)
        struck = [one for one in (armed, cue) if one is not None]
        entry.fault = "+".join(one.name for one in struck) or None
        await strike([fault for one in struck for fault in one.faults], exchange)
        if connection.lost:
            # The server would complain of an answer without an end before it learns why there is none.
            await connection.wait_closed()

    def _note(self, scope: Scope) -> RequestEntry:
        headers = header_map(scope)
        bearer = bearer_of(scope)
        raw_url = f"{scope['path']}?{scope.get('query_string', b'').decode('latin-1')}".removesuffix("?")
        endpoint = "cdn" if self._origin == "cdn" else name_of(scope["method"], scope["path"]) or "unknown"
        at, real_at = self._world.ledger.stamp()
        entry = RequestEntry(
            at=at,
            real_at=real_at,
            token=fingerprint(bearer) if bearer else None,
            headers=headers_of(headers),
            attributed=attributed(headers),
            method=scope["method"],
            path=masked(raw_url),
            endpoint=endpoint,
            origin=self._origin,
        )
        self._world.ledger.add_request(entry, raw_url=raw_url)
        return entry
