"""Connections that are cut, or on which nothing comes (`contract §15.2`, HTTP and SSE)."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BeforeValidator
from starlette.types import Message

from nemotwin.exchange import Exchange
from nemotwin.framing import is_event

FOREVER: Final = 30 * 24 * 3600.0

Work: TypeAlias = Annotated[
    Literal["continuing", "canceled", "partial"],
    BeforeValidator(lambda value: "canceled" if value == "cancelled" else value),
]
"""What becomes of a turn whose client is cut off; the contract's spelling with two `l` is taken as well."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Cut the connection after `at_byte` bytes of the body.

    `work` says what becomes of a turn: it is `continuing`, is `canceled` with no trace and no charge, or ends
    `partial` after its first change. A body shorter than `at_byte` arrives whole.
    """

    at_byte: int = 0
    work: Work = "continuing"
    reset: bool = False

    async def strike(self, exchange: Exchange) -> None:
        """Process, and cut the answer."""
        exchange.fate = self.work
        left = self.at_byte

        async def send(message: Message) -> None:
            nonlocal left
            if exchange.connection.lost:
                return
            body = message.get("body", b"")
            if message["type"] == "http.response.body" and len(body) >= left:
                await exchange.send({**message, "body": body[:left], "more_body": True})
                _cut(exchange, reset=self.reset)
            else:
                left -= len(body)
                await exchange.send(message)

        await exchange.proceed(send)


@dataclass(frozen=True, slots=True)
class DropInside:
    """Cut a stream inside an event, `after_events` whole ones.

    It is cut in the middle of a `line`, within a `character` of several bytes, or between the `event`'s line and the
    blank line that would end it. Heartbeats do not count. `work` is as in `Drop`.
    """

    place: Literal["line", "character", "event"] = "line"
    after_events: int = 0
    work: Work = "continuing"
    reset: bool = False

    async def strike(self, exchange: Exchange) -> None:
        """Process, and cut the stream."""
        exchange.fate = self.work
        seen = 0

        async def send(message: Message) -> None:
            nonlocal seen
            if exchange.connection.lost:
                return
            body = message.get("body", b"")
            if is_event(body):
                seen += 1
            if seen <= self.after_events:
                await exchange.send(message)
                return
            await exchange.send({**message, "body": self._piece(body), "more_body": True})
            _cut(exchange, reset=self.reset)

        await exchange.proceed(send)

    def _piece(self, sent: bytes) -> bytes:
        match self.place:
            case "line":
                return sent[: len(sent) // 2]
            case "event":
                return sent[:-1]
            case "character":
                # Not every event has such a character, so one is put in.
                return b'data: {"sim_sign":"' + "标".encode()[:2]


@dataclass(frozen=True, slots=True)
class Silence:
    """Send nothing for `seconds` virtual, not even heartbeats, once `after_bytes` of the body have gone out."""

    seconds: float = 660.0
    after_bytes: int = 0

    async def strike(self, exchange: Exchange) -> None:
        """Process, and hold the answer up once."""
        sent, held = 0, False

        async def send(message: Message) -> None:
            nonlocal sent, held
            body = message.get("body", b"")
            if message["type"] == "http.response.body" and not held and sent + len(body) > self.after_bytes:
                held = True
                await exchange.wait(self.seconds)
            sent += len(body)
            await exchange.send(message)

        await exchange.proceed(send)


@dataclass(frozen=True, slots=True)
class Hang:
    """Answer nothing for `seconds` virtual, then process; by default never."""

    seconds: float | None = None

    async def strike(self, exchange: Exchange) -> None:
        """Wait, and process only if the client is still there."""
        await exchange.wait(FOREVER if self.seconds is None else self.seconds)
        if not exchange.connection.lost:
            await exchange.proceed()


@dataclass(frozen=True, slots=True)
class SlowHeaders:
    """Process, and answer nothing for `seconds` virtual, or never (`null`). `work` is as in `Drop`."""

    seconds: float | None = 60.0
    work: Work = "continuing"

    async def strike(self, exchange: Exchange) -> None:
        """Process, and hold the head of the answer up."""
        exchange.fate = self.work

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                await exchange.wait(FOREVER if self.seconds is None else self.seconds)
            await exchange.send(message)

        await exchange.proceed(send)


@dataclass(frozen=True, slots=True)
class SlowBody:
    """Send the first piece of the body in `pieces`, spread over `seconds` virtual."""

    seconds: float = 60.0
    pieces: int = 20

    async def strike(self, exchange: Exchange) -> None:
        """Process, and dribble."""
        done = False

        async def send(message: Message) -> None:
            nonlocal done
            body = message.get("body", b"")
            if done or not body:
                await exchange.send(message)
                return
            done = True
            size = max(-(-len(body) // self.pieces), 1)
            for at in range(0, len(body), size):
                await exchange.send({**message, "body": body[at : at + size], "more_body": True})
                await exchange.wait(self.seconds / self.pieces)
            if not message.get("more_body", False):
                await exchange.send({**message, "body": b""})

        await exchange.proceed(send)


@dataclass(frozen=True, slots=True)
class ResetBefore:
    """Reset the connection; the request is not processed."""

    async def strike(self, exchange: Exchange) -> None:
        """Cut."""
        exchange.connection.reset()


@dataclass(frozen=True, slots=True)
class ResetAfter:
    """Reset the connection when the request has been processed (a turn: when it has started) and nothing is answered.

    `work` is as in `Drop`.
    """

    work: Work = "continuing"

    async def strike(self, exchange: Exchange) -> None:
        """Process, and cut instead of the head of the answer."""
        exchange.fate = self.work

        async def send(_message: Message) -> None:
            if not exchange.connection.lost:
                exchange.connection.reset()

        await exchange.proceed(send)


@dataclass(frozen=True, slots=True)
class Refused:
    """Reset the connection unprocessed, and refuse new ones to this origin for `seconds` virtual.

    Idle connections are closed, and the control routes are out of reach as well; what is being answered goes on.
    """

    seconds: float = 30.0

    async def strike(self, exchange: Exchange) -> None:
        """Cut, and shut the door."""
        if exchange.door is not None:
            exchange.door.shut(self.seconds)
        exchange.connection.reset()


def _cut(exchange: Exchange, *, reset: bool) -> None:
    if reset:
        exchange.connection.reset()
    else:
        exchange.connection.drop()
