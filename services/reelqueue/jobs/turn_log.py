"""What an owner hears of a turn while it runs: the bar, the agent's words, that it is still at work, the first clip.

Thoughts and tool calls stay inside. Nothing here may end a turn: whatever fails is logged by the stream's reader and
the stream is read on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

from reelqueue.domain.claims import Claim
from reelqueue.domain.event_data import preview_data, progress_data
from reelqueue.domain.gui_talk import translate_all
from reelqueue.domain.jobs import EventType
from reelqueue.domain.turns import Snapshot
from reelqueue.domain.upstream import TurnProgress
from reelqueue.errors import UpstreamError
from reelqueue.jobs.ports import ClaimStore
from reelqueue.jobs.progress import ProgressBars
from reelqueue.kit.clock import Clock

STILL_WORKING_S: Final = 120.0
"""How often a turn that goes on says so, in the upstream's seconds (contract §5.1)."""
MOST_TOLD: Final = 20
"""How many texts of one turn become events; the receipt has them all."""
MOST_LOOKS: Final = 4
"""How often the session is looked at for a first clip: a long tool answers first that it has begun."""
_GENERATORS: Final = ("generate_video", "seedance")

Look = Callable[[], Snapshot]


class TurnLog:
    """Tells of running turns."""

    def __init__(self, claims: ClaimStore, clock: Clock, *, speed: float) -> None:
        self._claims = claims
        self._clock = clock
        self._speed = speed
        self._bars = ProgressBars(claims, clock, speed=speed)

    @contextmanager
    def listening(self, claim: Claim, before: Snapshot, look: Look) -> Iterator[Callable[[TurnProgress], None]]:
        """Gives the callback for the turn's stream. `look` reads the session as it is now."""
        heard = _Heard(began=self._clock.monotonic(), before=before, look=look)
        heard.told_at = heard.began
        with self._bars.moving(claim) as move:

            def on_progress(progress: TurnProgress) -> None:
                move(progress)
                self._hear(claim, heard, progress)

            yield on_progress

    def _hear(self, claim: Claim, heard: _Heard, progress: TurnProgress) -> None:
        match progress.kind:
            case "text":
                self._said(claim, heard, progress.text)
            case "tool":
                heard.tools.append(progress.text)
            case "heartbeat":
                heard.heartbeats += 1
            case "result" if any(word in progress.text for word in _GENERATORS):
                self._preview(claim, heard)
        if (self._clock.monotonic() - heard.told_at) * self._speed >= STILL_WORKING_S:
            self._tell(claim, heard, "working", None)

    def _said(self, claim: Claim, heard: _Heard, text: str) -> None:
        for said in translate_all((text,)).texts:
            if heard.texts < MOST_TOLD:
                heard.texts += 1
                self._tell(claim, heard, "text", said)

    def _tell(self, claim: Claim, heard: _Heard, kind: Literal["text", "working"], text: str | None) -> None:
        now = self._clock.monotonic()
        heard.told_at = now
        data = progress_data(
            instruction=claim.job.instruction_index + 1,
            kind=kind,
            text=text,
            tools=heard.tools,
            heartbeats=heard.heartbeats,
            seconds=round((now - heard.began) * self._speed),
        )
        self._claims.tell(claim, EventType.PROGRESS, data)

    def _preview(self, claim: Claim, heard: _Heard) -> None:
        """A generator has answered: whether its clip lies on the timeline now is for the session to say."""
        if heard.previewed or heard.looks >= MOST_LOOKS:
            return
        heard.looks += 1
        try:
            now = heard.look()
        except UpstreamError:
            return
        if now.exportable and now.digest != heard.before.digest:
            heard.previewed = True
            data = preview_data(instruction=claim.job.instruction_index + 1, timeline=now.seen)
            self._claims.tell(claim, EventType.PREVIEW_READY, data)


@dataclass(slots=True)
class _Heard:
    """What one turn has shown so far."""

    began: float
    before: Snapshot
    look: Look
    told_at: float = 0.0
    texts: int = 0
    heartbeats: int = 0
    looks: int = 0
    previewed: bool = False
    tools: list[str] = field(default_factory=list)
