"""Decide what a turn does about an instruction: make a clip, edit the timeline, ask, or talk."""

from dataclasses import dataclass
from enum import StrEnum

from nemotwin.edits import PORTRAIT, AddEffect, AddTitle, Canvas, Edit, RemoveMusic, SetDuration
from nemotwin.instruction import Instruction

DEFAULT_CLIP_MS = 5000


class Intent(StrEnum):
    """What a turn does."""

    GENERATE = "generate"
    EDIT = "edit"
    ASK = "ask"
    TALK = "talk"


@dataclass(frozen=True, slots=True)
class Scene:
    """What the agent sees before a turn."""

    has_media: bool
    has_clip: bool
    canvas: Canvas | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a turn will do. `lay_media` puts the uploads on an empty timeline first.

    `wording` names what is said; `words`, where there are any, are said instead.
    """

    intent: Intent
    wording: str
    words: str | None = None
    edits: tuple[Edit, ...] = ()
    canvas: Canvas = PORTRAIT
    duration_ms: int = DEFAULT_CLIP_MS
    lay_media: bool = False
    append: bool = False
    wants_music: bool = True


def decide(instruction: Instruction, scene: Scene) -> Plan:
    """Choose by rule.

    Without a clip, a wish for a video (or anything at all about a picture) makes one, plain edits of uploads lay
    them out as a slideshow, and what is vague is answered with a question. With a clip, everything is an edit,
    except another clip or another shape of picture, which have to be generated.
    """
    if instruction.asks_to_be_asked:
        untitled = not instruction.quotes and any(isinstance(edit, AddTitle) for edit in instruction.edits)
        return Plan(Intent.ASK, "ask_title" if untitled else "ask_style")
    if instruction.greets:
        return Plan(Intent.TALK, "greeting")
    if scene.has_clip:
        return _with_clip(instruction, scene)
    if scene.has_media:
        return _with_media(instruction, scene)
    return _with_nothing(instruction, scene)


def _with_nothing(instruction: Instruction, scene: Scene) -> Plan:
    if instruction.names_picture:
        return Plan(Intent.ASK, "ask_picture")
    if not instruction.generates or instruction.vague:
        return Plan(Intent.ASK, "ask_subject")
    return _generate(instruction, scene)


def _with_media(instruction: Instruction, scene: Scene) -> Plan:
    if instruction.slideshow or (instruction.edits and not instruction.generates):
        return _edit(instruction, scene, lay_media=True)
    return _generate(instruction, scene)


def _with_clip(instruction: Instruction, scene: Scene) -> Plan:
    reshaped = instruction.canvas is not None and instruction.canvas != scene.canvas
    if instruction.regenerates or reshaped:
        return _generate(instruction, scene)
    return _edit(instruction, scene, lay_media=False)


def _generate(instruction: Instruction, scene: Scene) -> Plan:
    return Plan(
        Intent.GENERATE,
        "generated",
        edits=tuple(edit for edit in instruction.edits if not isinstance(edit, RemoveMusic)),
        canvas=instruction.canvas or scene.canvas or PORTRAIT,
        duration_ms=instruction.duration_ms or DEFAULT_CLIP_MS,
        append="another" in instruction.text.lower(),
        wants_music=not any(isinstance(edit, RemoveMusic) for edit in instruction.edits),
    )


def _edit(instruction: Instruction, scene: Scene, *, lay_media: bool) -> Plan:
    edits = instruction.edits
    if instruction.duration_ms is not None:
        edits = (*edits, SetDuration(instruction.duration_ms))
    return Plan(
        Intent.EDIT,
        "edited",
        edits=edits or (AddEffect(instruction.text[:60]),),
        canvas=instruction.canvas or scene.canvas or PORTRAIT,
        duration_ms=instruction.duration_ms or DEFAULT_CLIP_MS,
        lay_media=lay_media,
    )
