"""The bytes of `/run_sse`: framing, heartbeats, dialects, and the response that follows a turn (`contract §5`)."""

from collections.abc import AsyncIterator
from itertools import cycle

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from nemotwin.clock import Clock
from nemotwin.events import Event, Scribe, flat, in_pieces, judged
from nemotwin.exchange import Exchange
from nemotwin.framing import frame
from nemotwin.settings import Dials, HeartbeatSpelling
from nemotwin.turns import Fate, Turn, Turns

_SPELLINGS: dict[HeartbeatSpelling, bytes] = {
    "type": b'data: {"type":"heartbeat"}\n\n',
    "word": b"data: heartbeat\n\n",
    "empty": b"data:\n\n",
    "comment": b": heartbeat\n\n",
    "colon": b":\n\n",
    "event": b"event: heartbeat\ndata: {}\n\n",
    "ping_event": b"event: ping\ndata: ping\n\n",
    "ping_comment": b": ping - 2026-03-13 17:40:13.616000+00:00\n\n",
}


def encode(event: Event | bytes, scribe: Scribe, dials: Dials, *, streaming: bool) -> list[bytes]:
    """Spell one event in the dialect in force; several frames where it comes in pieces, none where it has no word.

    What is bytes already is a frame of its own.
    """
    settings = dials.now
    if isinstance(event, bytes):
        return [event]
    if settings.dialect == "flat":
        return [frame(payload) for payload in flat(event)]
    newest = settings.adk == "2"
    if streaming:
        new_id = (lambda: str(event["id"])) if newest else scribe.new_id
        return [frame(piece) for piece in in_pieces(event, style=settings.aggregate, new_id=new_id)]
    return [frame(judged(event) if newest else event)]


class TurnStream(Response):
    """Follows a turn's feed until the turn ends, with heartbeats in between; then closes without any end mark.

    When the client goes first, the turn meets the fate that a fault or the settings have chosen for it.
    """

    media_type = "text/event-stream"

    def __init__(
        self, turn: Turn, turns: Turns, *, clock: Clock, dials: Dials, exchange: Exchange, streaming: bool
    ) -> None:
        """Follow `turn`; `streaming` is what the caller asked for, which settings and faults overrule."""
        super().__init__()
        del self.headers["content-length"]
        self._turn = turn
        self._turns = turns
        self._clock = clock
        self._dials = dials
        self._exchange = exchange
        self._streaming = _streaming(dials, exchange, asked=streaming)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send head, frames and end."""
        del scope, receive
        connection = self._exchange.connection
        nudge = self._turn.feed.nudge
        connection.watch(nudge)
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for chunk in self._frames():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            if not connection.lost:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            connection.unwatch(nudge)
            if connection.lost or not self._turn.feed.closed:
                policy: Fate = "continuing" if self._dials.now.on_disconnect == "continue" else "stopped"
                self._turns.abandon(self._turn, self._exchange.fate or policy)

    async def _frames(self) -> AsyncIterator[bytes]:
        feed, connection = self._turn.feed, self._exchange.connection
        mixed = cycle(_SPELLINGS.values())
        began = self._clock.now()
        sent = 0
        while not connection.lost:
            while sent < len(feed.events):
                event, sent = feed.events[sent], sent + 1
                for chunk in encode(event, self._turn.scribe, self._dials, streaming=self._streaming):
                    yield chunk
            if feed.closed:
                return
            settings = self._dials.now
            pause = settings.heartbeat_seconds
            if settings.stream_limit_seconds:
                left = began + settings.stream_limit_seconds - self._clock.now()
                if left <= 0:
                    connection.drop()
                    return
                pause = min(pause, left)
            if not await feed.wait(self._clock, pause):
                spelling = settings.heartbeat
                beat = next(mixed) if spelling == "mixed" else _SPELLINGS.get(spelling)
                if beat:
                    yield beat


def _streaming(dials: Dials, exchange: Exchange, *, asked: bool) -> bool:
    if exchange.streaming is not None:
        return exchange.streaming
    rule = dials.now.streaming
    return asked if rule == "asked" else rule == "always"
