"""From frames to what a turn said and did (contract §5.3, §5.4). Pure.

With streaming on, a text arrives in pieces and then once more as a whole; with streaming off, only as a whole; and a
step that broke leaves pieces without a whole. Each author has at most one text in the making, at its place in the
order of the turn; the whole takes that place, and pieces that nothing follows are kept as they are. So no text is
doubled and none is lost.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Final, assert_never

from reelqueue.domain.upstream import TurnEnd, TurnProgress, TurnReport
from reelqueue.nemo import errors
from reelqueue.nemo.frames import (
    AgentEvent,
    EnvelopeFrame,
    ErrorFrame,
    FlatEvent,
    FlatKind,
    Frame,
    KeepAlive,
    Unknown,
)

MAX_TEXT_CHARS: Final = 1024 * 1024
"""All texts of a turn together; what comes after is dropped, so that a stream cannot fill the worker."""

MAX_TOOLS: Final = 1000

_NOISE = re.compile(r"\W*I encountered a temporary issue", re.IGNORECASE)
_REMEMBERED_EVENTS = 64


@dataclass(slots=True, eq=False)
class _Slot:
    """One text of the turn, in its place; in pieces as long as it is in the making."""

    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class TurnAssembler:
    """Takes the frames of one turn in order and tells what became visible by each."""

    def __init__(self) -> None:
        self._slots: list[_Slot] = []
        self._open: dict[tuple[str, str, str], _Slot] = {}
        self._room = MAX_TEXT_CHARS
        self._recent: deque[int] = deque(maxlen=_REMEMBERED_EVENTS)
        self._last_flat: str | None = None
        self._tools: list[str] = []
        self._call_ids: set[str] = set()
        self._heartbeats = 0
        self._unknown = 0
        self._failed = False
        self._error: str | None = None
        self._error_code: str | None = None
        self._gateway_code: int | None = None

    @property
    def failed(self) -> bool:
        """Whether a frame said that the turn as a whole has failed."""
        return self._failed

    def feed(self, frame: Frame) -> list[TurnProgress]:
        """Take the next frame. The progress is for showing; the report is what counts."""
        match frame:
            case KeepAlive():
                self._heartbeats += 1
                return [TurnProgress("heartbeat")]
            case AgentEvent():
                return self._agent(frame)
            case FlatEvent():
                return self._flat(frame)
            case ErrorFrame(text=text, code=code, gateway_code=number):
                self._fail(text, code, number)
            case EnvelopeFrame(code=number, text=text):
                self._fail(text or f"code {number}", None, number)
            case Unknown():
                self._unknown += 1
            case _:
                assert_never(frame)
        return []

    def report(self, end: TurnEnd) -> TurnReport:
        """The turn so far, and how it ended. Texts still in the making are part of it, perhaps cut short.

        A last "I encountered a temporary issue" is noise when the turn did anything else; alone, it is the turn's
        failure.
        """
        texts = [slot.text for slot in self._slots if slot.text.strip()]
        error, code = self._error, self._error_code
        if texts and _NOISE.match(texts[-1]):
            noise = texts.pop()
            if not texts and not self._tools and error is None:
                error, code = noise, code or "TEMPORARY_ISSUE"
        return TurnReport(
            end=TurnEnd.ERROR_FRAME if self._failed and end is TurnEnd.CLOSED else end,
            texts=tuple(texts),
            tools=tuple(self._tools),
            heartbeats=self._heartbeats,
            unknown_events=self._unknown,
            error=error,
            error_code=code,
            gateway_code=self._gateway_code,
        )

    def _agent(self, event: AgentEvent) -> list[TurnProgress]:
        if event.event_id is not None:
            known = hash(event)
            if known in self._recent:
                return []
            self._recent.append(known)
        author = (event.invocation, event.author, event.branch)
        shown: list[TurnProgress] = []
        for other in [key for key in self._open if key[0] != event.invocation]:
            shown += self._close(other)
        if event.visible:
            shown += self._add(author, event.visible) if event.partial else self._complete(author, event.visible)
        if not event.partial:
            shown += self._call(event)
        if event.results:
            shown += self._close(author)
        if errors.is_failure(event.error_code) if event.error_code is not None else event.error is not None:
            self._error, self._error_code = event.error or event.error_code, event.error_code
        return shown

    def _flat(self, event: FlatEvent) -> list[TurnProgress]:
        match event.kind:
            case FlatKind.TEXT:
                again, self._last_flat = self._last_flat == event.text, event.text
                return [] if again or not event.text else self._complete(("", "", ""), event.text)
            case FlatKind.TOOL_CALL:
                self._last_flat = None
                return self._note(event.tool)
            case FlatKind.TOOL_RESULT:
                self._last_flat = None
                noted = [] if event.tool in self._tools else self._note(event.tool)
                return [*noted, TurnProgress("result", event.tool)]
            case FlatKind.THOUGHT:
                return []
            case _:
                assert_never(event.kind)

    def _add(self, author: tuple[str, str, str], piece: str) -> list[TurnProgress]:
        slot = self._open.get(author)
        if slot is None:
            slot = self._open[author] = _Slot()
            self._slots.append(slot)
        slot.pieces.append(self._fitting(piece))
        return []

    def _complete(self, author: tuple[str, str, str], text: str) -> list[TurnProgress]:
        """A whole text. It replaces the author's pieces, except those of an earlier step whose whole never came."""
        slot = self._open.pop(author, None)
        if slot is None:
            slot = _Slot()
            self._slots.append(slot)
        pieces = slot.text
        if len(pieces) > len(text) and pieces.endswith(text):
            slot.pieces = [pieces.removesuffix(text)]
            at, slot = self._slots.index(slot) + 1, _Slot()
            self._slots.insert(at, slot)
            self._room += len(text)
        else:
            self._room += len(pieces)
        slot.pieces = [self._fitting(text)]
        return _shown(slot.text)

    def _close(self, author: tuple[str, str, str]) -> list[TurnProgress]:
        slot = self._open.pop(author, None)
        return [] if slot is None else _shown(slot.text)

    def _call(self, event: AgentEvent) -> list[TurnProgress]:
        """Tools by their calls, and by their results where the call was only ever partial."""
        shown: list[TurnProgress] = []
        for call in event.calls:
            shown += self._note(call.name, call.call_id)
        for result in event.results:
            known = result.call_id in self._call_ids if result.call_id else result.name in self._tools
            shown += [] if known else self._note(result.name, result.call_id)
            shown.append(TurnProgress("result", result.name))
        return shown

    def _note(self, tool: str, call_id: str | None = None) -> list[TurnProgress]:
        if len(self._tools) >= MAX_TOOLS:
            return []
        if call_id is not None:
            self._call_ids.add(call_id)
        self._tools.append(tool)
        return [TurnProgress("tool", tool)]

    def _fail(self, text: str, code: str | None, gateway_code: int | None) -> None:
        self._failed = True
        self._error, self._error_code, self._gateway_code = text, code, gateway_code

    def _fitting(self, text: str) -> str:
        text = text[: self._room]
        self._room -= len(text)
        return text


def _shown(text: str) -> list[TurnProgress]:
    return [] if not text.strip() or _NOISE.match(text) else [TurnProgress("text", text)]
