"""Turn a plan into the steps of a turn: what is said, what is called, what changes, and how long each takes."""

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from nemotwin import drafts, events
from nemotwin.agent import Intent, Plan
from nemotwin.edits import AddEffect, AddMusic, AddTitle, Edit
from nemotwin.events import EDITOR, ROOT, Draught, Event, Scribe
from nemotwin.sessions import Asset, State
from nemotwin.settings import Settings
from nemotwin.wording import say

GENERATOR = "generate_video_with_seedance"
EDITOR_TOOL = "edit_multitrack"

Change = Callable[[State], State]
Words = Callable[[State], str]


class Ending(Protocol):
    """What a stream ends with when its turn breaks off: an event, or bytes that are none."""

    def spell(self, scribe: Scribe, *, at: float) -> Event | bytes:
        """Return it, as of this virtual time."""


@dataclass(frozen=True, slots=True)
class Step:
    """Wait `after` virtual seconds, change the state, then send the event that `draught` makes of the new state.

    With an `ending` the turn breaks off here: nothing changes, and the ending is sent.
    """

    after: float
    draught: Callable[[State], Draught]
    change: Change | None = None
    ending: Ending | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """The steps of a turn, and whether it ends without a word."""

    steps: tuple[Step, ...]
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Cast:
    """What a script is written for."""

    plan: Plan
    pictures: Sequence[Asset]
    chinese: bool
    settings: Settings
    chance: random.Random
    scribe: Scribe
    cdn_url: str


def write(cast: Cast) -> Script:
    """Write the script of a turn."""
    match cast.plan.intent:
        case Intent.GENERATE:
            return _generation(cast)
        case Intent.EDIT:
            return _edit(cast)
        case Intent.ASK | Intent.TALK:
            after = cast.chance.uniform(*cast.settings.span("reply"))
            words = cast.plan.words or say(cast.plan.wording, chinese=cast.chinese, gui=cast.settings.gui_talk)
            return Script((Step(after, _fixed(Draught((events.text(words),)))),))


def _generation(cast: Cast) -> Script:
    """Raw clip after a long silence, then the tracks that were asked for and, unasked, music, a title and a grade."""
    plan, chance = cast.plan, cast.chance
    total = chance.uniform(*cast.settings.span("generation"))
    call_id, clip_id = f"adk-{cast.scribe.new_id()}", f"clip_{chance.getrandbits(40):010x}"
    args = {"duration_ms": plan.duration_ms, "images": len(cast.pictures), **asdict(plan.canvas)}
    opening = Draught(
        (
            events.thought(say("thought_generate", chinese=cast.chinese)),
            events.text(say("starting", chinese=cast.chinese)),
            events.call(GENERATOR, args, call_id),
        ),
        long_running=(call_id,),
    )
    waiting = events.result(GENERATOR, {"status": "pending", "ticket": clip_id}, call_id)
    done = events.result(GENERATOR, {"status": "ok", "clip_id": clip_id, "duration_ms": plan.duration_ms}, call_id)
    raw_clip = events.text(say("raw_clip", chinese=cast.chinese, gui=cast.settings.gui_talk))
    steps = [
        Step(0.01 * total, _fixed(opening)),
        Step(0.01 * total, _fixed(Draught((waiting,), role="user"))),
        Step(0.75 * total, _fixed(Draught((done,), role="user")), _raw_clip(cast, clip_id)),
        Step(0.01 * total, _fixed(Draught((raw_clip,)))),
    ]
    finishing = _finishing(cast)
    if finishing:
        steps.append(Step(0.01 * total, _fixed(Draught(None, transfer_to=EDITOR))))
        together = cast.settings.second_stage_edits == "together"
        for edits in [finishing] if together else [(edit,) for edit in finishing]:
            share = 0.15 * total * len(edits) / len(finishing)
            steps += _edit_steps(cast, edits, total=share, author=EDITOR)
    author = EDITOR if finishing else ROOT
    steps.append(Step(0.04 * total, _closing(cast, author)))
    return Script((*steps, *_trailing(cast, author)))


def _edit(cast: Cast) -> Script:
    """Calls, results, and in most cases a word about it."""
    plan, chance = cast.plan, cast.chance
    total = chance.uniform(*cast.settings.span("edit"))
    silent = chance.random() < cast.settings.silent_rate
    steps = _edit_steps(cast, plan.edits, total=0.9 * total, author=ROOT)
    if silent:
        return Script((*steps, Step(0.1 * total, _fixed(Draught(())))), silent=True)
    return Script((*steps, Step(0.1 * total, _closing(cast, ROOT)), *_trailing(cast, ROOT)))


def _edit_steps(cast: Cast, edits: Sequence[Edit], *, total: float, author: str) -> list[Step]:
    """Call the editor once an edit, all in one event, and take the results in another."""
    ids = [f"adk-{cast.scribe.new_id()}" for _ in edits]
    calls = [
        events.call(EDITOR_TOOL, {"op": type(edit).__name__, **asdict(edit)}, call_id)
        for edit, call_id in zip(edits, ids, strict=True)
    ]
    results = tuple(events.result(EDITOR_TOOL, {"status": "ok"}, call_id) for call_id in ids)
    plan = cast.plan

    def change(state: State) -> State:
        draft = state["draft"]
        delta: State = {}
        if plan.lay_media and not drafts.has_clip(draft):
            sources = [f"asset:{asset.number}" for asset in cast.pictures]
            draft = drafts.lay(sources, ms=plan.duration_ms, name="slideshow", canvas=plan.canvas)
            delta["canvas_config"] = _canvas_config(cast)
        return {"draft": drafts.edited(draft, edits), **delta}

    thinking = events.thought(say("thought_edit", chinese=cast.chinese))
    return [
        Step(0.1 * total, _fixed(Draught((thinking, *calls), author=author))),
        Step(0.9 * total, _fixed(Draught(results, role="user", author=author)), change),
    ]


def _finishing(cast: Cast) -> tuple[Edit, ...]:
    """Return what was asked for and, where the second stage is on, what nobody asked for (`contract §6.3`)."""
    edits = cast.plan.edits
    if not cast.settings.second_stage:
        return edits
    unasked: list[Edit] = []
    if cast.plan.wants_music and not _any(edits, AddMusic):
        unasked.append(AddMusic("Lo-fi"))
    if not _any(edits, AddTitle):
        unasked.append(AddTitle(say("default_title", chinese=cast.chinese), 3000))
    if not _any(edits, AddEffect):
        unasked.append(AddEffect("colour grading"))
    volume_last = [edit for edit in edits if type(edit).__name__ == "SetVolume"]
    first = [edit for edit in edits if edit not in volume_last]
    return (*first, *unasked, *volume_last)


def _raw_clip(cast: Cast, clip_id: str) -> Change:
    plan = cast.plan

    def change(state: State) -> State:
        sources = [f"asset:{asset.number}" for asset in cast.pictures] or [f"gen:{clip_id}"]
        draft = drafts.lay(sources, ms=plan.duration_ms, name="raw clip", canvas=plan.canvas)
        if plan.append and drafts.has_clip(state["draft"]):
            draft = drafts.appended(state["draft"], draft)
        info = {
            "filename": f"{clip_id}.mp4",
            "file_type": "video",
            "cdn_url": f"{cast.cdn_url}/generated/{clip_id}.mp4",
            "duration": plan.duration_ms / 1000,
            "width": plan.canvas.width,
            "height": plan.canvas.height,
            "fps": 24,
        }
        return {
            "draft": draft,
            "canvas_config": _canvas_config(cast),
            "video_infos": [*state["video_infos"], info],
            "generated_media": [*state["generated_media"], {"id": clip_id, **info, "sim_sources": sources}],
            "video_analyses": state["video_analyses"] | {clip_id: {"summary": "slow zoom over the picture"}},
        }

    return change


def _canvas_config(cast: Cast) -> State:
    return {**asdict(cast.plan.canvas), "aspect_ratio": cast.plan.canvas.aspect_ratio()}


def _closing(cast: Cast, author: str) -> Callable[[State], Draught]:
    def draught(state: State) -> Draught:
        tracks = tuple(drafts.summary(state["draft"]))
        words = say(cast.plan.wording, chinese=cast.chinese, tracks=tracks, gui=cast.settings.gui_talk)
        return Draught((events.text(words),), author=author)

    return draught


def _trailing(cast: Cast, author: str) -> list[Step]:
    """Now and then the backend adds a complaint that means nothing (`contract §5.4`)."""
    if cast.chance.random() >= cast.settings.trailing_issue_rate:
        return []
    return [Step(0.0, _fixed(Draught((events.text(say("trailing_issue", chinese=cast.chinese)),), author=author)))]


def _fixed(draught: Draught) -> Callable[[State], Draught]:
    return lambda _state: draught


def _any(edits: Sequence[Edit], kind: type[Edit]) -> bool:
    return any(isinstance(edit, kind) for edit in edits)
