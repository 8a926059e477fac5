"""How a turn ended, in the seven classes a backend can act on (contract §6.5)."""

from __future__ import annotations

import enum

from reelqueue.domain.questions import question_in
from reelqueue.domain.upstream import CutReason, TurnEnd, TurnReport


class TurnOutcome(enum.StrEnum):
    """What the owner of an instruction has to know about its turn."""

    TEXT = "text"
    """It said something."""
    SILENT_CHANGED = "silent_changed"
    """It said nothing, and the session is another."""
    SILENT_UNCHANGED = "silent_unchanged"
    QUESTION = "question"
    """It asks its owner for something."""
    FAILED = "failed"
    """The stream told of an error."""
    INTERRUPTED = "interrupted"
    """The stream broke; what it did was, or is to be, found out by looking."""
    TIMEOUT = "timeout"
    """It took longer than a turn may, or showed nothing for too long."""


_TIMEOUTS = frozenset({CutReason.IDLE, CutReason.TOO_LONG})


def turn_outcome(
    report: TurnReport | None, *, changed: bool | None, cut: CutReason | None = None, failed: bool = False
) -> TurnOutcome:
    """The class of a turn.

    `report` is what the stream said where it was heard to its end, `cut` why it was not. `changed` is the verdict of
    the two snapshots, `None` where there is no second one. `failed` is the caller's ruling on an error inside the
    stream; an error frame counts by itself.
    """
    if cut is not None:
        return TurnOutcome.TIMEOUT if cut in _TIMEOUTS else TurnOutcome.INTERRUPTED
    if report is None or report.end is TurnEnd.INTERRUPTED:
        return TurnOutcome.INTERRUPTED
    if failed or report.end is TurnEnd.ERROR_FRAME:
        return TurnOutcome.FAILED
    if question_in(report.texts, changed=bool(changed)) is not None:
        return TurnOutcome.QUESTION
    if any(text.strip() for text in report.texts):
        return TurnOutcome.TEXT
    if changed is None:
        return TurnOutcome.INTERRUPTED
    return TurnOutcome.SILENT_CHANGED if changed else TurnOutcome.SILENT_UNCHANGED
