"""Streams whose bytes or events are unusual, while the turn behind them goes its way (`contract §15.2`, SSE)."""

import asyncio
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from starlette.responses import JSONResponse, Response
from starlette.types import Message

from nemotwin.exchange import Exchange
from nemotwin.framing import frame, payload_of

_UNKNOWN: Final = (
    b'data: {"sim_kind":"unheard of","sim_value":[1,2,3]}\n\n',
    b'data: {"type":"sim_unheard_of","content":{"deep":{"er":null}}}\n\n',
    b"data: []\n\n",
    b"data: 42\n\n",
    b"data: null\n\n",
    b'data: "a string"\n\n',
    b"data: not json at all\n\n",
    b"data: {\n\n",
    b"event: sim_weather\nid: 7\nretry: 10\ndata: rain\n\n",
    b"sim_field: x\nsim_field_alone\n\n",
    b'data: {"content":null,"actions":null,"author":"nemo_agent","sim_new":{"a":1}}\n\n',
    b'data: {"content":{"parts":[{"executableCode":{"code":"1"}},{"sim_part":1},null]},"turnComplete":true}\n\n',
    b'data: {"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AA=="}}]},"author":"nemo_agent"}\n\n',
)


async def _rewrite(exchange: Exchange, rewrite: Callable[[bytes], Iterable[bytes]], *, apart: bool = False) -> None:
    """Process, and put each piece of the stream through `rewrite`, which is given `b""` at its end.

    With `apart`, other tasks run between the pieces, so that each is written by itself. What is no stream stays as it
    is.
    """
    streaming = False

    async def send(message: Message) -> None:
        nonlocal streaming
        if message["type"] == "http.response.start":
            media_type = dict(message["headers"]).get(b"content-type", b"")
            streaming = media_type.startswith(b"text/event-stream")
        if message["type"] != "http.response.body" or not streaming:
            await exchange.send(message)
            return
        pieces = list(rewrite(message["body"])) if message.get("body") else []
        if not message.get("more_body", False):
            pieces += rewrite(b"")
        for piece in filter(None, pieces):
            await exchange.send({**message, "body": piece, "more_body": True})
            if apart:
                await asyncio.sleep(0)
        if not message.get("more_body", False):
            await exchange.send({**message, "body": b""})

    await exchange.proceed(send)


@dataclass(frozen=True, slots=True)
class LineEndings:
    """End lines as only few servers do; `mixed` takes each ending in turn."""

    ending: Literal["crlf", "cr", "mixed"] = "crlf"

    async def strike(self, exchange: Exchange) -> None:
        """Process, and end lines otherwise."""
        known = {"crlf": (b"\r\n",), "cr": (b"\r",), "mixed": (b"\r\n", b"\n", b"\r")}
        endings = itertools.cycle(known[self.ending])

        def rewrite(sent: bytes) -> Iterator[bytes]:
            ending = next(endings)
            yield sent.replace(b"\n", ending)

        await _rewrite(exchange, rewrite)


@dataclass(frozen=True, slots=True)
class Bom:
    """Begin the stream with a byte order mark."""

    async def strike(self, exchange: Exchange) -> None:
        """Process, and begin with the mark."""
        first = iter([b"\xef\xbb\xbf"])
        await _rewrite(exchange, lambda sent: [next(first, b"") + sent])


@dataclass(frozen=True, slots=True)
class NoFinalBlankLine:
    """End the stream after the last event's line, with or without the `newline` of that line, and no blank one."""

    newline: bool = True

    async def strike(self, exchange: Exchange) -> None:
        """Process, and keep the end of each event back until there is another."""
        owed = b""

        def rewrite(sent: bytes) -> Iterator[bytes]:
            nonlocal owed
            if not sent:
                return
            kept = 1 if self.newline else 2
            yield owed + sent[:-kept]
            owed = sent[-kept:]

        await _rewrite(exchange, rewrite)


@dataclass(frozen=True, slots=True)
class MultiLineData:
    """Spell each event's JSON over several `data:` lines."""

    async def strike(self, exchange: Exchange) -> None:
        """Process, and break the lines."""

        def rewrite(sent: bytes) -> Iterator[bytes]:
            payload = payload_of(sent)
            if payload is None:
                yield sent
            else:
                lines = json.dumps(payload, ensure_ascii=False, indent=1).encode().split(b"\n")
                yield b"".join(b"data: " + line + b"\n" for line in lines) + b"\n"

        await _rewrite(exchange, rewrite)


@dataclass(frozen=True, slots=True)
class TinyChunks:
    """Send the stream in chunks of `size` bytes, cutting lines and characters anywhere."""

    size: int = 3

    async def strike(self, exchange: Exchange) -> None:
        """Process, and cut into small pieces."""

        def rewrite(sent: bytes) -> Iterator[bytes]:
            for at in range(0, len(sent), self.size):
                yield sent[at : at + self.size]

        await _rewrite(exchange, rewrite, apart=True)


@dataclass(frozen=True, slots=True)
class OneChunk:
    """Hold events and heartbeats back, and send so many `events` in one chunk; `null` is all of them at the end."""

    events: int | None = None

    async def strike(self, exchange: Exchange) -> None:
        """Process, and hold back."""
        held: list[bytes] = []

        def rewrite(sent: bytes) -> Iterator[bytes]:
            if sent:
                held.append(sent)
            if held and (not sent or len(held) == self.events):
                yield b"".join(held)
                held.clear()

        await _rewrite(exchange, rewrite)


@dataclass(frozen=True, slots=True)
class DuplicateEvents:
    """Send everything twice."""

    async def strike(self, exchange: Exchange) -> None:
        """Process, and repeat."""
        await _rewrite(exchange, lambda sent: [sent, sent] if sent else [])


@dataclass(frozen=True, slots=True)
class UnknownEvents:
    """Put frames between the events that nobody has ever heard of, and some that are no JSON."""

    async def strike(self, exchange: Exchange) -> None:
        """Process, and mix them in: all of them after the first event, then one after each."""
        more = itertools.chain([b"".join(_UNKNOWN)], itertools.cycle(_UNKNOWN))
        await _rewrite(exchange, lambda sent: [sent, next(more)] if sent else [])


@dataclass(frozen=True, slots=True)
class HugeEvent:
    """Make one event `megabytes` large: the first that changes the state, or else the last."""

    megabytes: int = 4

    async def strike(self, exchange: Exchange) -> None:
        """Process, and blow the event up."""
        done = False

        def rewrite(sent: bytes) -> Iterator[bytes]:
            nonlocal done
            payload = payload_of(sent)
            delta = (payload or {}).get("actions", {}).get("stateDelta")
            if payload and delta and not done:
                done = True
                delta["sim_padding"] = "x" * (self.megabytes << 20)
                yield frame(payload)
            elif sent:
                yield sent
            elif not done:
                delta = {"sim_padding": "x" * (self.megabytes << 20)}
                yield frame({"author": "nemo_agent", "actions": {"stateDelta": delta}})

        await _rewrite(exchange, rewrite)


@dataclass(frozen=True, slots=True)
class Lopsided:
    """Stream as `streaming: true` does, but send texts in their pieces only, or `whole` only (`contract §5.3`).

    A whole that also has tool calls is sent all the same.
    """

    whole: bool = False

    async def strike(self, exchange: Exchange) -> None:
        """Process, and leave out."""
        exchange.streaming = True
        pieces_seen = False

        def rewrite(sent: bytes) -> Iterator[bytes]:
            nonlocal pieces_seen
            payload = payload_of(sent) or {}
            if payload.get("partial"):
                pieces_seen = True
                left_out = self.whole
            else:
                left_out = pieces_seen and not self.whole and _is_text(payload)
                pieces_seen = pieces_seen and not _is_text(payload)
            if sent and not left_out:
                yield sent

        await _rewrite(exchange, rewrite)


@dataclass(frozen=True, slots=True)
class EmptyStream:
    """Answer with a stream that ends at once.

    The turn is `nothing`: it changes nothing; it is `done` by then, with all its changes; or it goes on (`continuing`).
    """

    work: Literal["nothing", "done", "continuing"] = "nothing"

    async def strike(self, exchange: Exchange) -> None:
        """Process, and say nothing."""
        exchange.fate = "continuing"
        if self.work == "continuing":
            await exchange.proceed_answering(Response(b"", media_type="text/event-stream"))
            return
        exchange.turn = replace(exchange.turn, at_once=True, idle=self.work == "nothing")
        await _rewrite(exchange, lambda _sent: [])


@dataclass(frozen=True, slots=True)
class JsonReply:
    """Answer a turn with JSON instead of a stream: `{"code":0,"data":null}` and the turn not begun, or its events.

    The events come when the turn is `done`.
    """

    work: Literal["nothing", "done"] = "nothing"

    async def strike(self, exchange: Exchange) -> None:
        """Process or not, and answer."""
        if self.work == "nothing":
            await exchange.answer(JSONResponse({"code": 0, "data": None}))
            return
        exchange.turn = replace(exchange.turn, at_once=True)
        captured = await exchange.capture()
        frames = [part + b"\n\n" for part in captured.body.split(b"\n\n")]
        events = [payload for payload in map(payload_of, frames) if payload is not None]
        await exchange.answer(JSONResponse({"code": 0, "data": {"events": events}}))


def _is_text(payload: dict[str, Any]) -> bool:
    parts = (payload.get("content") or {}).get("parts") or []
    return bool(parts) and all("text" in part for part in parts)
