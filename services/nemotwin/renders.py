"""Renders: one film each, under an id that the caller chose (`contract §4.7` to `§4.10`)."""

import asyncio
import hashlib
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

from nemotwin.clock import Clock
from nemotwin.errors import RefusalError, render_refusal
from nemotwin.film import StoppedError
from nemotwin.films import Films
from nemotwin.ledger import RenderEntry
from nemotwin.sessions import Session, Sessions
from nemotwin.settings import Dials
from nemotwin.storyboard import UnrenderableError, from_draft

Status: TypeAlias = Literal["pending", "processing", "completed", "failed", "canceled"]

PENDING_SHARE = 0.1
"""The part of its time that a render waits in the queue."""

PENDING_PROGRESS = 5


@dataclass(slots=True, kw_only=True)
class Render:
    """One render. Times are virtual epoch seconds; `seconds` is how long it takes at least."""

    render_id: str
    session_id: str
    user_id: str
    draft: Any
    output: dict[str, Any]
    created_at: float
    seconds: float
    stuck: Literal["pending", "processing"] | None = None
    canceled: bool = False
    error: str | None = None
    film_share: float = 0.0
    film_seconds: float = 0.0
    path: str | None = None
    size: int = 0
    completed_at: float | None = None

    @property
    def open(self) -> bool:
        """Whether it may still change."""
        return not (self.canceled or self.error or self.completed_at is not None)

    def look(self, now: float) -> tuple[Status, int]:
        """Return status and progress at a virtual time."""
        if self.canceled:
            return "canceled", 0
        if self.error is not None:
            return "failed", 0
        if self.stuck is not None:
            return self.stuck, PENDING_PROGRESS if self.stuck == "pending" else 50
        if self.completed_at is not None:
            return "completed", 100
        share = (now - self.created_at) / self.seconds if self.seconds else 1.0
        if share < PENDING_SHARE:
            return "pending", PENDING_PROGRESS
        return "processing", min(max(round(100 * min(share, self.film_share)), 10), 99)


class Renders:
    """All renders by id."""

    def __init__(
        self, *, clock: Clock, dials: Dials, films: Films, sessions: Sessions, renders: Iterable[Render] = ()
    ) -> None:
        """Continue with the renders of an earlier run; `resume` sets those to work that had not ended."""
        self._clock = clock
        self._dials = dials
        self._films = films
        self._sessions = sessions
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.by_id = {render.render_id: render for render in renders}
        self.cdn_url = ""

    @property
    def working(self) -> int:
        """How many renders are being worked on."""
        return len(self._tasks)

    def submit(
        self, session: Session, render_id: str, draft: Any, output: Mapping[str, Any], *, entry: RenderEntry
    ) -> Render:
        """Accept a render and start on it. Refuses an id that was ever used; a draft without segments fails later."""
        if render_id in self.by_id:
            raise render_refusal(409, f"render id already exists: {render_id}")
        seconds = random.Random(f"{self._dials.now.seed}/{len(self.by_id)}").uniform(*self._dials.now.span("render"))
        render = Render(
            render_id=render_id,
            session_id=session.session_id,
            user_id=session.user_id,
            draft=draft,
            output=dict(output),
            created_at=self._clock.now(),
            seconds=seconds,
        )
        self.by_id[render_id] = render
        self._begin(render, entry)
        return render

    def get(self, render_id: str, user_id: str) -> Render:
        """Return a render of this user; refuses with 404 what is unknown or another's."""
        render = self.by_id.get(render_id)
        if render is None or render.user_id != user_id:
            raise RefusalError(404, {"success": False, "error": "render not found"})
        return render

    def cancel(self, render: Render) -> None:
        """Cancel a render that is still pending; refuses with 409 later."""
        if render.look(self._clock.now())[0] != "pending":
            raise render_refusal(409, "only a pending render can be canceled")
        render.canceled = True
        if task := self._tasks.get(render.render_id):
            task.cancel()

    def url(self, render: Render) -> str:
        """Return where the film can be fetched, on the other origin."""
        return f"{self.cdn_url}/render-result/{quote(render.render_id, safe='')}.mp4"

    def resume(self, entries: Iterable[RenderEntry]) -> None:
        """Set the renders to work that an earlier run left open."""
        for entry in entries:
            render = self.by_id.get(entry.render_id)
            if entry.accepted and render is not None and render.open:
                self._begin(render, entry)

    async def stop_all(self) -> None:
        """Break off the work on all renders."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, render: Render, entry: RenderEntry) -> None:
        task = asyncio.create_task(self._work(render, entry))
        self._tasks[render.render_id] = task
        task.add_done_callback(lambda _task: self._tasks.pop(render.render_id, None))

    async def _work(self, render: Render, entry: RenderEntry) -> None:
        try:
            film = await self._film(render)
            await self._clock.sleep(render.created_at + render.seconds - self._clock.now())
        except UnrenderableError as error:
            render.error = entry.refusal = str(error)
        except StoppedError:
            return
        except Exception as error:  # noqa: BLE001 - whatever the encoder dislikes is a failed render, as upstream
            render.error = entry.refusal = f"render failed: {type(error).__name__}"
        else:
            render.path, render.size = str(film), film.stat().st_size
            if render.stuck is None:
                render.completed_at = self._clock.now()
        entry.status = render.look(self._clock.now())[0]

    async def _film(self, render: Render) -> Path:
        settings = self._dials.now
        session = self._sessions.by_id[render.session_id]
        board = from_draft(
            render.draft,
            output=render.output,
            pictures={f"asset:{asset.number}": asset.path for asset in session.assets},
            fps=settings.film_fps,
            max_side=settings.film_max_side,
        )
        render.film_seconds = board.seconds
        if settings.instant:
            return await self._films.tiny()
        # The id is the caller's, and so no file name.
        name = hashlib.sha256(render.render_id.encode()).hexdigest()[:32]

        def progress(share: float) -> None:
            render.film_share = share

        return await self._films.make(board, name, progress)
