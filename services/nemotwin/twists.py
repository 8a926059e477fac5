"""What a fault has a handler do otherwise than by itself. A twist with nothing set changes nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from nemotwin import events
from nemotwin.events import Draught, Event, Scribe
from nemotwin.framing import ErrorStyle, error_frame, frame
from nemotwin.script import Script, Step
from nemotwin.sessions import State
from nemotwin.wording import say

TOOL_ERROR = 'RuntimeError: the tool said "no"'
STALE_ERROR = (
    "The session has been modified in storage since it was loaded. "
    "Please reload the session before appending more events."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorFrame:
    """A turn breaks off with an error frame (`contract §5.4`)."""

    text: str = TOOL_ERROR
    style: ErrorStyle = "valid"

    def spell(self, scribe: Scribe, *, at: float) -> bytes:
        """Return what the stream ends with."""
        del scribe
        return error_frame(self.text, self.style, at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEvent:
    """A turn breaks off with an event that carries `errorCode`, and text if there is any."""

    code: str
    message: str
    text: str | None = None

    def spell(self, scribe: Scribe, *, at: float) -> Event:
        """Return what the stream ends with."""
        parts = None if self.text is None else (events.text(self.text),)
        event = scribe.write(Draught(parts), at=at)
        event.pop("finishReason", None)
        return event | {"errorCode": self.code, "errorMessage": self.message}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeFrame:
    """A turn breaks off with an envelope in the stream, as when the credits run out on the way."""

    code: int
    message: str

    def spell(self, scribe: Scribe, *, at: float) -> bytes:
        """Return what the stream ends with."""
        del scribe, at
        return frame({"code": self.code, "message": self.message, "data": None})


Failure: TypeAlias = ErrorFrame | ErrorEvent | EnvelopeFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTwist:
    """How a turn goes. Times are virtual seconds.

    `failure` breaks it off before its first change, or right after it if `late`. `silent` takes all visible words
    away, `idle` all changes. `asks` has it ask this and do nothing else, `talks` say this and do nothing else, `says`
    say this first and no other word; `trailing` adds the noise that `contract §5.4` speaks of. `at_once` takes all
    waiting away, `seconds` spreads the turn evenly over that time, and `quiet` waits as long before the event number
    `quiet_after` (0: the first). Its changes are hidden from the next `lag` polls of the state. `keeps_frozen` neither
    charges nor releases its credits, ever.
    """

    failure: Failure | None = None
    late: bool = False
    silent: bool = False
    idle: bool = False
    asks: str | None = None
    talks: str | None = None
    says: str | None = None
    trailing: bool = False
    at_once: bool = False
    seconds: float | None = None
    quiet: float = 0.0
    quiet_after: int = 0
    lag: int | None = None
    keeps_frozen: bool = False

    def bend(self, script: Script) -> Script:
        """Return the script of the turn as it is to be played; where it breaks off it ends with no closing event."""
        steps = list(script.steps)
        if self.silent or self.says is not None:
            steps = [replace(step, draught=_hushed(step.draught)) for step in steps]
        if self.says is not None:
            words = Draught((events.text(self.says),))
            steps.insert(0, Step(0.0, lambda _state: words))
        if self.trailing:
            noise = Draught((events.text(say("trailing_issue", chinese=False)),))
            steps.append(Step(0.0, lambda _state: noise))
        if self.failure is not None:
            place = _breaking_point(steps, late=self.late)
            after = steps[place].after if place < len(steps) else 0.0
            steps = [*steps[:place], Step(after, lambda _state: Draught(None), ending=self.failure)]
        if self.idle:
            steps = [replace(step, change=None) for step in steps]
        if self.at_once:
            steps = [replace(step, after=0.0) for step in steps]
        if self.seconds is not None and steps:
            steps = [replace(step, after=self.seconds / len(steps)) for step in steps]
        if self.quiet and steps:
            place = min(self.quiet_after, len(steps) - 1)
            steps[place] = replace(steps[place], after=steps[place].after + self.quiet)
        return Script(tuple(steps), silent=(script.silent or self.silent) and self.says is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadTwist:
    """How an upload goes: the last `bad` files are not stored, with a complaint (code 4001) or without; or all are
    stored, but not applied to the session.
    """

    bad: int = 0
    complains: bool = False
    applied: bool = True


ProgressStyle: TypeAlias = Literal["usual", "backwards", "missing", "fraction", "text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderTwist:
    """How a render goes from now on: `stuck` at a status, `fails` with this error, tells its progress in a strange
    way, or hides its URL from so many polls once it is completed; and how this one download is answered.
    """

    stuck: Literal["pending", "processing"] | None = None
    fails: str | None = None
    progress: ProgressStyle | None = None
    hidden_urls: int = 0
    download: Literal["bytes", "json", "redirect"] | None = None


def _breaking_point(steps: list[Step], *, late: bool) -> int:
    """Return how many steps are played. Without a change to come after, a late failure comes at the end."""
    if not late:
        return 1 if len(steps) > 1 else 0
    changing = (place + 1 for place, step in enumerate(steps) if step.change is not None)
    return next(changing, len(steps))


def _hushed(draught: Callable[[State], Draught]) -> Callable[[State], Draught]:
    def hushed(state: State) -> Draught:
        whole = draught(state)
        return whole if whole.parts is None else replace(whole, parts=tuple(filter(_kept, whole.parts)))

    return hushed


def _kept(part: dict[str, Any]) -> bool:
    return bool(part.get("thought")) or "text" not in part
