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
from nemotwin.storyboard import UnrenderableError, from_draft, renderable
from nemotwin.twists import ProgressStyle, RenderTwist

Status: TypeAlias = Literal["pending", "processing", "completed", "failed", "canceled"]

PENDING_SHARE = 0.1
"""The part of its time that a render waits in the queue."""

PENDING_PROGRESS = 5

EXPIRES = "sim_expires"
"""The parameter of a result URL that says when it ends, in virtual epoch seconds."""

_QUEUE_LOOK_SECONDS = 2.0


@dataclass(slots=True, kw_only=True)
class Render:
    """One render. Times are virtual epoch seconds; `seconds` is how long it takes at least, once it has begun.

    What a fault has in store for it: it is `stuck` at a status, `doomed` to fail with this error, tells its `progress`
    in a strange way (by the number of `looks` taken at it), and hides its URL from so many replies when it is done.
    """

    render_id: str
    session_id: str
    user_id: str
    draft: Any
    output: dict[str, Any]
    created_at: float
    seconds: float
    began_at: float | None = None
    waits: bool = False
    stuck: Literal["pending", "processing"] | None = None
    doomed: str | None = None
    progress: ProgressStyle = "usual"
    looks: int = 0
    hidden_urls: int = 0
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

    def twist(self, twist: RenderTwist) -> None:
        """Go on as a fault wants it; once it is over, only its replies can still be strange."""
        if self.open:
            self.stuck = twist.stuck or self.stuck
            self.doomed = twist.fails or self.doomed
        self.progress = twist.progress or self.progress
        self.hidden_urls = twist.hidden_urls or self.hidden_urls

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
        began_at = self.created_at if self.began_at is None else self.began_at
        share = (now - began_at) / self.seconds if self.seconds else 1.0
        if self.waits or share < PENDING_SHARE:
            return "pending", PENDING_PROGRESS
        return "processing", min(max(round(100 * min(share, self.film_share)), 10), 99)


def duplicate(render_id: str) -> RefusalError:
    """Refuse an id that is taken."""
    return render_refusal(409, f"render id already exists: {render_id}")


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
        """Accept a render and start on it.

        Refuses an id that was ever used and, where the settings say so, a draft without segments, which else fails
        later, and a second open render of a session.
        """
        if render_id in self.by_id:
            raise duplicate(render_id)
        if self._dials.now.empty_draft == "refused" and not renderable(draft):
            raise render_refusal(400, "draft has no segments")
        if self._dials.now.renders_per_session == "reject" and self._open_before(session.session_id):
            raise render_refusal(409, "another render of this session is running")
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
        """Cancel a render, if the settings let one of its status be canceled; refuses with 409 else."""
        rule, status = self._dials.now.render_cancel, render.look(self._clock.now())[0]
        if rule == "missing":
            raise RefusalError(404, {"detail": "Not Found"})
        if rule == "ignored":
            return
        if status != "pending" and not (rule == "open" and render.open):
            raise render_refusal(409, f"a render that is {status} cannot be canceled")
        render.canceled = True
        if task := self._tasks.get(render.render_id):
            task.cancel()

    def url(self, render: Render) -> str:
        """Return where the film can be fetched, on the other origin; for a while only, if the settings say so."""
        url = f"{self.cdn_url}/render-result/{quote(render.render_id, safe='')}.mp4"
        lasts = self._dials.now.result_url_seconds
        return f"{url}?{EXPIRES}={int(self._clock.now() + lasts)}" if lasts else url

    def expired(self, expires: str | None) -> bool:
        """Say whether a URL with this value of `EXPIRES` has had its time; one without lives for ever."""
        return expires is not None and (not expires.isdigit() or int(expires) <= self._clock.now())

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
        def end(_task: asyncio.Task[None]) -> None:
            del self._tasks[render.render_id]
            entry.status = render.look(self._clock.now())[0]

        self._tasks[render.render_id] = task = asyncio.create_task(self._work(render, entry))
        # Not at the end of the work: a task that is cancelled before its first step never enters its body.
        task.add_done_callback(end)

    async def _work(self, render: Render, entry: RenderEntry) -> None:
        try:
            began_at = await self._turn_of(render)
            film = await self._film(render)
            await self._clock.sleep(began_at + render.seconds - self._clock.now())
        except UnrenderableError as error:
            render.error = entry.refusal = str(error)
        except StoppedError:
            return
        except Exception as error:  # noqa: BLE001 - whatever the encoder dislikes is a failed render, as upstream
            render.error = entry.refusal = f"render failed: {type(error).__name__}"
        else:
            render.path, render.size = str(film), film.stat().st_size
            if render.doomed is not None:
                render.error = entry.refusal = render.doomed
            elif render.stuck is None:
                render.completed_at = self._clock.now()

    async def _turn_of(self, render: Render) -> float:
        """Wait for the renders before it, where a session has them one by one; return when this one begins."""
        if self._dials.now.renders_per_session == "queue":
            render.waits = True
            while self._open_before(render.session_id, render):
                await self._clock.sleep(_QUEUE_LOOK_SECONDS)
            render.waits, render.began_at = False, self._clock.now()
        return render.created_at if render.began_at is None else render.began_at

    def _open_before(self, session_id: str, render: Render | None = None) -> bool:
        for other in self.by_id.values():
            if other is render:
                return False
            if other.session_id == session_id and other.open:
                return True
        return False

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
