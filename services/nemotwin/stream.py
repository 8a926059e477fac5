"""The bytes of `/run_sse`: framing, heartbeats, dialects, and the response that follows a turn (`contract §5`)."""

import json
from collections.abc import AsyncIterator
from itertools import cycle
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from nemotwin.clock import Clock
from nemotwin.events import Event, Scribe, flat, in_pieces
from nemotwin.exchange import Exchange
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


def frame(payload: Any) -> bytes:
    """Frame one payload as ADK does: a `data:` line of compact JSON in raw UTF-8, and a blank line."""
    return b"data: " + json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def error_frame(text: str) -> bytes:
    """Frame an error as ADK does, which spells this one payload with spaces (`contract §5.4`)."""
    return f"data: {json.dumps({'error': text})}\n\n".encode()


def encode(event: Event, scribe: Scribe, dials: Dials, *, streaming: bool) -> list[bytes]:
    """Spell one event in the dialect in force; several frames where it comes in pieces, none where it has no word."""
    settings = dials.now
    if "error" in event:
        return [error_frame(event["error"])]
    if settings.dialect == "flat":
        return [frame(payload) for payload in flat(event)]
    if streaming:
        ids = (scribe.new_id(), scribe.new_id())
        return [frame(piece) for piece in in_pieces(event, style=settings.aggregate, new_ids=ids)]
    return [frame(event)]


class TurnStream(Response):
    """Follows a turn's feed until the turn ends, with heartbeats in between; then closes without any end mark.

    When the client goes first, the turn meets the fate that a fault or the settings have chosen for it.
    """

    media_type = "text/event-stream"

    def __init__(
        self, turn: Turn, turns: Turns, *, clock: Clock, dials: Dials, exchange: Exchange, streaming: bool
    ) -> None:
        """Follow `turn`; `streaming` is what the caller asked for."""
        super().__init__()
        del self.headers["content-length"]
        self._turn = turn
        self._turns = turns
        self._clock = clock
        self._dials = dials
        self._exchange = exchange
        self._streaming = streaming

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
        sent = 0
        while not connection.lost:
            while sent < len(feed.events):
                event, sent = feed.events[sent], sent + 1
                for chunk in encode(event, self._turn.scribe, self._dials, streaming=self._streaming):
                    yield chunk
            if feed.closed:
                return
            if not await feed.wait(self._clock, self._dials.now.heartbeat_seconds):
                spelling = self._dials.now.heartbeat
                beat = next(mixed) if spelling == "mixed" else _SPELLINGS.get(spelling)
                if beat:
                    yield beat
