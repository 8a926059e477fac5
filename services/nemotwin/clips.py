"""The raw clips of stage one (`contract §6.3`), each filmed when somebody first asks for it."""

import asyncio
from pathlib import Path
from typing import Any

from nemotwin import drafts
from nemotwin.edits import Canvas
from nemotwin.films import Films
from nemotwin.sessions import Session, Sessions
from nemotwin.settings import Dials
from nemotwin.storyboard import Storyboard, from_draft


class Clips:
    """Finds clips in the `generated_media` of the sessions; nothing is kept but the films."""

    def __init__(self, *, dials: Dials, films: Films, sessions: Sessions) -> None:
        """Film what `sessions` have generated."""
        self._dials = dials
        self._films = films
        self._sessions = sessions
        self._making: dict[str, asyncio.Task[Path]] = {}

    async def film(self, clip_id: str) -> Path | None:
        """Return the film of a clip, which takes a second or so the first time; `None` if there is no such clip."""
        found = self._find(clip_id)
        if found is None:
            return None
        if self._dials.now.instant:
            return await self._films.tiny()
        making = self._making.get(clip_id)
        if making is None or (making.done() and (making.cancelled() or making.exception())):
            making = asyncio.create_task(self._films.make(self._board(*found), clip_id, lambda _share: None))
            self._making[clip_id] = making
        # Whoever asked first may go away while others wait.
        return await asyncio.shield(making)

    def _find(self, clip_id: str) -> tuple[Session, dict[str, Any]] | None:
        for session in self._sessions.by_id.values():
            for media in session.state["generated_media"]:
                if media["id"] == clip_id:
                    return session, media
        return None

    def _board(self, session: Session, media: dict[str, Any]) -> Storyboard:
        settings = self._dials.now
        canvas = Canvas(media["width"], media["height"])
        sources = media.get("sim_sources") or [f"gen:{media['id']}"]
        draft = drafts.lay(sources, ms=round(media["duration"] * 1000), name="raw clip", canvas=canvas)
        pictures = {f"asset:{asset.number}": asset.path for asset in session.assets}
        return from_draft(draft, output={}, pictures=pictures, fps=settings.film_fps, max_side=settings.film_max_side)
