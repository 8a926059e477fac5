"""States and uploads that are not what they should be (`contract §15.2`, state and upload)."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from starlette.responses import JSONResponse

from nemotwin.endpoints import session_in
from nemotwin.errors import envelope_error
from nemotwin.exchange import Exchange
from nemotwin.oddities import Oddity
from nemotwin.twists import UploadTwist


async def _restate(exchange: Exchange, change: Callable[[dict[str, Any]], None]) -> None:
    """Process, and let `change` have the state in the answer; an answer without one stays as it is."""
    captured = await exchange.capture()
    answer = json.loads(captured.body)
    if isinstance(answer, dict) and answer.get("data"):
        change(answer["data"]["state"])
    await exchange.answer(JSONResponse(answer, captured.status))


@dataclass(frozen=True, slots=True)
class MissingKeys:
    """Leave these keys out of the state, or give them as `null`."""

    keys: tuple[str, ...] = ("canvas_config", "generated_media", "video_analyses")
    null: bool = False

    async def strike(self, exchange: Exchange) -> None:
        """Process, and take away."""

        def change(state: dict[str, Any]) -> None:
            for key in self.keys:
                state.pop(key, None)
                if self.null:
                    state[key] = None

        await _restate(exchange, change)


@dataclass(frozen=True, slots=True)
class DraftString:
    """Give the draft as a string of JSON."""

    async def strike(self, exchange: Exchange) -> None:
        """Process, and quote."""

        def change(state: dict[str, Any]) -> None:
            state["draft"] = json.dumps(state["draft"], ensure_ascii=False)

        await _restate(exchange, change)


@dataclass(frozen=True, slots=True)
class MediaByKey:
    """Give the lists of media as objects: by id, or else by place (`contract §7.3`)."""

    async def strike(self, exchange: Exchange) -> None:
        """Process, and turn them over."""

        def change(state: dict[str, Any]) -> None:
            for key in ("generated_media", "video_infos"):
                state[key] = {str(media.get("id", place)): media for place, media in enumerate(state[key])}

        await _restate(exchange, change)


@dataclass(frozen=True, slots=True)
class OddDraft:
    """Put an oddity into the session's drafts, as they are shown from now on; its agent does not see it."""

    oddity: Oddity = "strange"

    async def strike(self, exchange: Exchange) -> None:
        """Mark the session, and process."""
        if session := exchange.sessions.by_id.get(session_in(exchange.scope["path"]) or ""):
            session.oddity = self.oddity
        await exchange.proceed()


@dataclass(frozen=True, slots=True)
class PartialUpload:
    """Store all but the last `bad` files; say nothing of it, or complain (code 4001) although the others are stored."""

    bad: int = 1
    complains: bool = False

    async def strike(self, exchange: Exchange) -> None:
        """Process, without the bad ones."""
        exchange.upload = replace(exchange.upload, bad=self.bad, complains=self.complains)
        await exchange.proceed()


@dataclass(frozen=True, slots=True)
class NotApplied:
    """Store the files and do not apply them to the session, which `session_state_applied: false` tells."""

    async def strike(self, exchange: Exchange) -> None:
        """Process, without the session."""
        exchange.upload = UploadTwist(applied=False)
        await exchange.proceed()


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Refuse an upload because its URL cannot be reached."""

    async def strike(self, exchange: Exchange) -> None:
        """Answer; the request is not processed."""
        await exchange.answer(envelope_error(400, "url not reachable", status=400))
