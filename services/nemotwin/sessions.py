"""Sessions: one timeline each, with its uploads and the state the agent keeps (`contract §4.2`, `§4.6`, `§7`)."""

import copy
import random
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from nemotwin import drafts
from nemotwin.agent import Scene
from nemotwin.clock import Clock
from nemotwin.edits import Canvas
from nemotwin.errors import CodeError
from nemotwin.oddities import Oddity, odd
from nemotwin.settings import Dials

State: TypeAlias = dict[str, Any]
FileType: TypeAlias = Literal["video", "image", "audio"]

_SNOWFLAKE_EPOCH_MS = 1_262_304_000_000
"""2010-01-01: keeps the ids at 19 digits until 2079."""


def empty_state() -> State:
    """Return the state of a session in which nothing has happened."""
    return {"video_infos": [], "draft": {}, "canvas_config": {}, "generated_media": [], "video_analyses": {}}


@dataclass(slots=True)
class Asset:
    """An uploaded file. `number` is its place in the session, which the draft's `asset:N` names."""

    number: int
    filename: str
    file_type: FileType
    sha256: str
    path: str
    size: int


@dataclass(slots=True)
class Session:
    """One project. `state` is what `GET …/latest` shows, unless it still lags behind (`stale_polls` left).

    With an `oddity` every draft that leaves the twin has strange things in it. `writes` counts the changes by turns.
    """

    session_id: str
    task_id: str
    user_id: str
    task_name: str
    language: str
    ordinal: int
    used_at: float
    state: State = field(default_factory=empty_state)
    assets: list[Asset] = field(default_factory=list)
    turns: int = 0
    edit_charged: bool = False
    question: str | None = None
    question_kind: str | None = None
    writes: int = 0
    oddity: Oddity | None = None
    lost: bool = False
    stale: State | None = None
    stale_polls: int = 0

    def apply(self, delta: State, *, lag: int) -> None:
        """Put `delta` into the state; the next `lag` polls still see the state from before."""
        if lag and self.stale is None:
            self.stale = copy.deepcopy(self.state)
        if lag:
            self.stale_polls = lag
        self.state = self.state | copy.deepcopy(delta)

    def poll(self) -> State:
        """Return the state as a poll sees it."""
        if self.stale is not None and self.stale_polls > 0:
            self.stale_polls -= 1
            return self.decorated(self.stale)
        self.stale = None
        return self.decorated(self.state)

    def decorated(self, state: State) -> State:
        """Return a state, or what has changed of one, as callers see it."""
        if self.oddity is None or not state.get("draft"):
            return state
        return state | {"draft": odd(state["draft"], self.oddity)}

    def scene(self) -> Scene:
        """Say what the agent sees before a turn."""
        canvas = self.state["canvas_config"]
        return Scene(
            has_media=bool(self.pictures()),
            has_clip=drafts.has_clip(self.state["draft"]),
            canvas=Canvas(canvas["width"], canvas["height"]) if canvas else None,
        )

    def pictures(self) -> list[Asset]:
        """Return the uploads that can be looked at, a file sent twice only once."""
        seen: dict[str, Asset] = {}
        for asset in self.assets:
            if asset.file_type != "audio":
                seen.setdefault(asset.sha256, asset)
        return list(seen.values())


class Sessions:
    """All sessions by id."""

    def __init__(self, *, clock: Clock, dials: Dials, sessions: Iterable[Session] = ()) -> None:
        """Continue with the sessions of an earlier run."""
        self._clock = clock
        self._dials = dials
        self.by_id = {session.session_id: session for session in sessions}

    def create(self, *, user_id: str, task_name: str, language: str) -> Session:
        """Create a session with a 19-digit id."""
        session = Session(
            session_id=self._snowflake(),
            task_id=f"task_{secrets.token_hex(6)}",
            user_id=user_id,
            task_name=task_name,
            language=language,
            ordinal=len(self.by_id) + 1,
            used_at=self._clock.now(),
        )
        self.by_id[session.session_id] = session
        return session

    def get(self, session_id: str, user_id: str) -> Session:
        """Return a session of this user and mark it used.

        Raises code 1002 for one that never was, is another user's, was lost, or lay idle too long.
        """
        session = self.by_id.get(session_id)
        if session is None or session.user_id != user_id or session.lost:
            raise CodeError(1002)
        now, idle = self._clock.now(), self._dials.now.session_idle_seconds
        if idle and now - session.used_at > idle:
            session.lost = True
            raise CodeError(1002)
        session.used_at = now
        return session

    def chance(self, session: Session) -> random.Random:
        """Return the random source of the session's next turn: it depends on the seed and on nothing that races."""
        session.turns += 1
        return random.Random(f"{self._dials.now.seed}/{session.ordinal}/{session.turns}")

    def _snowflake(self) -> str:
        ms = int(self._clock.now() * 1000) - _SNOWFLAKE_EPOCH_MS
        while (candidate := str((ms << 22) | secrets.randbits(22))) in self.by_id:
            pass
        return candidate
