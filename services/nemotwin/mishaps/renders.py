"""Renders that go wrong, and films that do not arrive as they are (`contract §15.2`, render)."""

import json
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field
from starlette.responses import JSONResponse, Response

from nemotwin.exchange import Captured, Exchange
from nemotwin.twists import ProgressStyle


@dataclass(frozen=True, slots=True)
class StuckRender:
    """Keep the render that is submitted or polled at this status for ever."""

    status: Literal["pending", "processing"] = "processing"

    async def strike(self, exchange: Exchange) -> None:
        """Process, and have it stuck."""
        exchange.render = replace(exchange.render, stuck=self.status)
        await exchange.proceed()


@dataclass(frozen=True, slots=True)
class RenderFails:
    """Let the render that is submitted or polled fail with this error when its time is over."""

    error: str = "render worker crashed"

    async def strike(self, exchange: Exchange) -> None:
        """Process, and have it fail."""
        exchange.render = replace(exchange.render, fails=self.error)
        await exchange.proceed()


@dataclass(frozen=True, slots=True)
class StrangeProgress:
    """Tell the progress of the render in a strange way from now on."""

    style: ProgressStyle = "backwards"

    async def strike(self, exchange: Exchange) -> None:
        """Process, and have it told so."""
        exchange.render = replace(exchange.render, progress=self.style)
        await exchange.proceed()


@dataclass(frozen=True, slots=True)
class NoUrl:
    """Leave the URL out of the next `polls` replies that call the render completed."""

    polls: int = 2

    async def strike(self, exchange: Exchange) -> None:
        """Process, and have it hidden."""
        exchange.render = replace(exchange.render, hidden_urls=self.polls)
        await exchange.proceed()


@dataclass(frozen=True, slots=True)
class StatusWord:
    """Put this word in the place of the render's status, in this one reply."""

    word: str = "archiving"

    async def strike(self, exchange: Exchange) -> None:
        """Process, and change the word."""
        captured = await exchange.capture()
        answer = json.loads(captured.body)
        for place in (answer, answer.get("data") or {}):
            for key in ("status", "state"):
                if key in place:
                    place[key] = self.word
        await exchange.answer(JSONResponse(answer, captured.status))


@dataclass(frozen=True, slots=True)
class DuplicateId:
    """Refuse a render because its id is taken, although it is new; the render is `accepted` all the same, or not.

    A gateway that repeats a request by itself makes such an answer of its own second try.
    """

    accepted: bool = False
    status: int = 409

    async def strike(self, exchange: Exchange) -> None:
        """Process or not, and refuse."""
        render_id = json.loads(await exchange.body()).get("id")
        if self.accepted:
            await exchange.capture()
        body = {"success": False, "error": f"render id already exists: {render_id}"}
        await exchange.answer(JSONResponse(body, self.status))


@dataclass(frozen=True, slots=True)
class DownloadAs:
    """Answer the download with the render's reply as JSON, or with a redirect to the other origin."""

    how: Literal["json", "redirect"] = "json"

    async def strike(self, exchange: Exchange) -> None:
        """Process, and have it answered so."""
        exchange.render = replace(exchange.render, download=self.how)
        await exchange.proceed()


@dataclass(frozen=True, slots=True)
class TruncatedFilm:
    """Serve only this `share` of the bytes, complete as HTTP."""

    share: Annotated[float, Field(ge=0, le=1)] = 0.5

    async def strike(self, exchange: Exchange) -> None:
        """Process, and cut short."""
        captured = await exchange.capture()
        body = captured.body[: int(len(captured.body) * self.share)]
        await exchange.answer(_film(captured, body, len(body)))


@dataclass(frozen=True, slots=True)
class WrongLength:
    """Serve all bytes under a `Content-Length` that says `more` or `less`, and close."""

    says: Literal["more", "less"] = "more"

    async def strike(self, exchange: Exchange) -> None:
        """Process, and miscount."""
        captured = await exchange.capture()
        right = len(captured.body)
        if self.says == "more":
            head = _film(captured, b"", right + 1000)
            await exchange.send(
                {"type": "http.response.start", "status": head.status_code, "headers": head.raw_headers}
            )
            await exchange.send({"type": "http.response.body", "body": captured.body, "more_body": True})
        else:
            told = right // 2
            await exchange.answer(_film(captured, captured.body[:told], told))
            exchange.connection.write(captured.body[told:])
        exchange.connection.drop()


def _film(captured: Captured, body: bytes, length: int) -> Response:
    response = Response(body, captured.status)
    kept = [pair for pair in captured.headers if pair[0].lower() not in {b"content-length", b"etag"}]
    response.raw_headers = [*kept, (b"content-length", str(length).encode())]
    return response
