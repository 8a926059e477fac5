"""Every fault the twin knows (`contract §15.2`), and the table that names them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BeforeValidator
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import Message

from nemotwin.errors import MESSAGES, envelope_error
from nemotwin.exchange import Exchange
from nemotwin.faults import FaultTable

FOREVER: Final = 30 * 24 * 3600.0

Work: TypeAlias = Annotated[
    Literal["continuing", "canceled", "partial"],
    BeforeValidator(lambda value: "canceled" if value == "cancelled" else value),
]
"""What becomes of a turn whose client is cut off; the contract's spelling with two `l` is taken as well."""

_HTML: Final = frozenset({413, 502, 503, 504})
_DETAIL: Final[Mapping[int, str]] = {401: "Not authenticated", 403: "Forbidden", 404: "Session not found"}


@dataclass(frozen=True, slots=True)
class HttpStatus:
    """Answer with an HTTP status, in the kind of body that status usually has here (`contract §3`)."""

    status: int
    retry_after: str | None = None

    async def strike(self, exchange: Exchange) -> None:
        """Answer; the request is not processed."""
        response = self._response()
        if self.retry_after is not None:
            response.headers["retry-after"] = self.retry_after
        await exchange.answer(response)

    def _response(self) -> Response:
        if self.status == 500:
            return PlainTextResponse("Internal Server Error", self.status)
        if self.status in _HTML:
            return HTMLResponse(f"<html><body><h1>{self.status}</h1><hr>nginx</body></html>", self.status)
        if self.status in _DETAIL:
            return JSONResponse({"detail": _DETAIL[self.status]}, self.status)
        return envelope_error(self.status, "refused", status=self.status)


@dataclass(frozen=True, slots=True)
class BodyCode:
    """Answer with one of the body codes in the envelope, as JSON even on the stream endpoint."""

    code: int
    status: int = 200

    async def strike(self, exchange: Exchange) -> None:
        """Answer; the request is not processed."""
        await exchange.answer(envelope_error(self.code, MESSAGES[self.code], status=self.status))


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
                self._cut(exchange)
            else:
                left -= len(body)
                await exchange.send(message)

        await exchange.proceed(send)

    def _cut(self, exchange: Exchange) -> None:
        if self.reset:
            exchange.connection.reset()
        else:
            exchange.connection.drop()


@dataclass(frozen=True, slots=True)
class Silence:
    """Send nothing for `seconds` virtual, not even heartbeats, once `after_bytes` of the body have gone out."""

    seconds: float
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
class TruncatedJson:
    """Answer with the first half of the body, complete as HTTP and broken as JSON."""

    async def strike(self, exchange: Exchange) -> None:
        """Process, and cut the body in two."""
        captured = await exchange.capture()
        half = Response(captured.body[: len(captured.body) // 2], captured.status)
        half.headers["content-type"] = "application/json"
        await exchange.answer(half)


@dataclass(frozen=True, slots=True)
class StuckRender:
    """Keep the render that is submitted or polled at this status for ever."""

    status: Literal["pending", "processing"] = "processing"

    async def strike(self, exchange: Exchange) -> None:
        """Mark the exchange; the render handlers obey."""
        exchange.stuck = self.status
        await exchange.proceed()


@dataclass(frozen=True, slots=True)
class TurnError:
    """Break the turn off with an error frame before it has changed anything; its credits are released."""

    async def strike(self, exchange: Exchange) -> None:
        """Mark the exchange; the turn obeys."""
        exchange.fails = True
        await exchange.proceed()


def _statuses(*statuses: int) -> dict[str, tuple[type[HttpStatus], dict[str, Any]]]:
    return {str(status): (HttpStatus, {"status": status}) for status in statuses}


MISHAPS: Final[FaultTable] = MappingProxyType(
    {
        **_statuses(400, 401, 402, 403, 404, 408, 413, 429, 500, 502, 503, 504),
        **{str(code): (BodyCode, {"code": code}) for code in MESSAGES},
        "drop": (Drop, {}),
        "silence": (Silence, {}),
        "hang": (Hang, {}),
        "reset_before": (ResetBefore, {}),
        "reset_after": (ResetAfter, {}),
        "truncated_json": (TruncatedJson, {}),
        "stuck_render": (StuckRender, {}),
        "turn_error": (TurnError, {}),
    }
)
