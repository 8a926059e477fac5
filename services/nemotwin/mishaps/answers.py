"""Answers that are wrong in themselves, at any endpoint (`contract §15.2`, HTTP)."""

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import Message

from nemotwin.errors import MESSAGES, envelope_error, storage_error
from nemotwin.exchange import Captured, Exchange

_HTML: Final = frozenset({413, 502, 503, 504})
_DETAIL: Final = {401: "Not authenticated", 403: "Forbidden", 404: "Session not found"}
_PADDING: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class HttpStatus:
    """Answer with an HTTP status, in the kind of body that status usually has here (`contract §3`).

    The request is `processed` or not; a turn goes on then.
    """

    status: int = 500
    retry_after: str | None = None
    processed: bool = False

    async def strike(self, exchange: Exchange) -> None:
        """Answer."""
        response = self._response()
        if self.retry_after is not None:
            response.headers["retry-after"] = self.retry_after
        if self.processed:
            exchange.fate = "continuing"
            await exchange.proceed_answering(response)
        else:
            await exchange.answer(response)

    def _response(self) -> Response:
        if self.status == 500:
            return PlainTextResponse("Internal Server Error", self.status)
        if self.status in _HTML:
            return HTMLResponse(f"<html><body><h1>{self.status}</h1><hr>nginx</body></html>", self.status)
        if self.status == 422:
            missing = {"type": "missing", "loc": ["body", "userId"], "msg": "Field required", "input": None}
            return JSONResponse({"detail": [missing]}, self.status)
        if self.status in _DETAIL:
            return JSONResponse({"detail": _DETAIL[self.status]}, self.status)
        return envelope_error(self.status, "refused", status=self.status)


@dataclass(frozen=True, slots=True)
class BodyCode:
    """Answer with one of the body codes in the envelope, as JSON even on the stream endpoint."""

    code: int = 1001
    status: int = 200
    message: str | None = None

    async def strike(self, exchange: Exchange) -> None:
        """Answer; the request is not processed."""
        message = self.message or MESSAGES.get(self.code, "refused")
        await exchange.answer(envelope_error(self.code, message, status=self.status))


@dataclass(frozen=True, slots=True)
class StorageError:
    """Answer as the storage behind the CDN does when a URL has expired or was never good."""

    status: int = 403
    code: str = "AccessDenied"
    message: str = "Request has expired"

    async def strike(self, exchange: Exchange) -> None:
        """Answer."""
        await exchange.answer(storage_error(self.status, self.code, self.message))


@dataclass(frozen=True, slots=True)
class Mangled:
    """Process, and answer with the right status and something else for a body, complete as HTTP.

    `empty` is nothing, `half` the first half, `garbage` no JSON, `html` a page, `huge` the right body and
    `megabytes` of blanks behind it.
    """

    body: Literal["empty", "half", "garbage", "html", "huge"] = "empty"
    megabytes: int = 50

    async def strike(self, exchange: Exchange) -> None:
        """Process, and mangle the answer."""
        captured = await exchange.capture()
        media_type = dict(captured.headers).get(b"content-type", b"application/json").decode("latin-1")
        match self.body:
            case "huge":
                await self._pad(exchange, captured)
                return
            case "html":
                page = "<!doctype html><title>Just a moment...</title><p>Checking your browser"
                response: Response = HTMLResponse(page, captured.status)
            case "empty":
                response = Response(b"", captured.status, media_type=media_type)
            case "half":
                response = Response(captured.body[: len(captured.body) // 2], captured.status, media_type=media_type)
            case "garbage":
                response = Response(b"{'code': 0, 'data': ", captured.status, media_type=media_type)
        response.headers["content-type"] = "text/html" if self.body == "html" else media_type
        await exchange.answer(response)

    async def _pad(self, exchange: Exchange, captured: Captured) -> None:
        headers = [(name, value) for name, value in captured.headers if name != b"content-length"]
        length = len(captured.body) + self.megabytes * _PADDING
        headers.append((b"content-length", str(length).encode()))
        await exchange.send({"type": "http.response.start", "status": captured.status, "headers": headers})
        await exchange.send({"type": "http.response.body", "body": captured.body, "more_body": True})
        for _ in range(self.megabytes):
            if exchange.connection.lost:
                return
            await exchange.send({"type": "http.response.body", "body": b" " * _PADDING, "more_body": True})
        await exchange.send({"type": "http.response.body", "body": b"", "more_body": False})


@dataclass(frozen=True, slots=True)
class WrongContentType:
    """Process, and answer rightly under a wrong content type."""

    media_type: str = "text/html; charset=utf-8"

    async def strike(self, exchange: Exchange) -> None:
        """Process, and change the header."""

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [pair for pair in message["headers"] if pair[0].lower() != b"content-type"]
                message = {**message, "headers": [*headers, (b"content-type", self.media_type.encode())]}
            await exchange.send(message)

        await exchange.proceed(send)


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send the caller elsewhere; the request is not processed. Without a `location` it is sent to the same place."""

    status: int = 307
    location: str | None = None

    async def strike(self, exchange: Exchange) -> None:
        """Answer."""
        location = self.location or f"{quote(exchange.scope['path'])}?sim_hop=1"
        await exchange.answer(Response(b"", self.status, headers={"location": location}))
