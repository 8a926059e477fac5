"""One request and its answer, as a fault sees them: it may answer, let the twin answer, or cut the connection."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nemotwin.accounts import Accounts
from nemotwin.clock import Clock
from nemotwin.connections import Connection
from nemotwin.doors import Door
from nemotwin.ledger import RequestEntry
from nemotwin.sessions import Sessions
from nemotwin.turns import Fate
from nemotwin.twists import RenderTwist, TurnTwist, UploadTwist

SCOPE_KEY = "nemotwin.exchange"


@dataclass(slots=True, kw_only=True)
class Captured:
    """An answer that was made and not sent."""

    status: int = 200
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""


@dataclass(slots=True, kw_only=True)
class Exchange:
    """What a fault works with. The request's handler obeys what it leaves in `fate`, `streaming` and the twists."""

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send
    clock: Clock
    connection: Connection
    door: Door | None
    accounts: Accounts
    sessions: Sessions
    entry: RequestEntry
    fate: Fate | None = None
    streaming: bool | None = None
    turn: TurnTwist = field(default_factory=TurnTwist)
    upload: UploadTwist = field(default_factory=UploadTwist)
    render: RenderTwist = field(default_factory=RenderTwist)

    async def proceed(self, send: Send | None = None) -> None:
        """Let the twin answer, through `send` if one is given."""
        await self.app(self.scope, self.receive, send or self.send)

    async def answer(self, response: Response) -> None:
        """Answer with `response`; the twin never sees the request."""
        await response(self.scope, self.receive, self.send)

    async def proceed_answering(self, response: Response) -> None:
        """Let the twin do its work, and send `response` in place of its answer as soon as that would begin."""
        answered = False

        async def send(_message: Message) -> None:
            nonlocal answered
            if not answered:
                answered = True
                await self.answer(response)

        await self.proceed(send)

    async def body(self) -> bytes:
        """Return the body of the request, and leave it to be read again."""
        body, more = b"", True
        while more:
            message = await self.receive()
            body += message.get("body", b"")
            more = message["type"] == "http.request" and message.get("more_body", False)
        receive, unread = self.receive, [body]

        async def again() -> Message:
            if unread:
                return {"type": "http.request", "body": unread.pop(), "more_body": False}
            return await receive()

        self.receive = again
        return body

    def token(self) -> str | None:
        """Return the bearer token that came with the request, good or bad."""
        value = header_map(self.scope).get("authorization", "").partition(" ")[2].strip()
        return value or None

    async def capture(self) -> Captured:
        """Let the twin answer, and keep the answer back until it is whole."""
        captured = Captured()

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                captured.status, captured.headers = message["status"], list(message["headers"])
            else:
                captured.body += message.get("body", b"")

        await self.proceed(keep)
        return captured

    async def wait(self, seconds: float) -> None:
        """Wait for `seconds` virtual, or until the client has gone."""
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def end() -> None:
            if not gone.done():
                gone.set_result(None)

        self.connection.watch(end)
        try:
            if not self.connection.lost:
                await self.clock.wait(gone, seconds)
        finally:
            self.connection.unwatch(end)


def exchange_of(scope: Scope) -> Exchange:
    """Return the exchange that a handler is part of."""
    exchange = scope[SCOPE_KEY]
    if not isinstance(exchange, Exchange):
        raise TypeError(SCOPE_KEY)
    return exchange


def header_map(scope: Scope) -> Mapping[str, str]:
    """Return the request's headers by lower-case name."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
