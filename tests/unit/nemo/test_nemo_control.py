from __future__ import annotations

from reelqueue.domain.upstream import CutReason, TurnControl, TurnCut, TurnEnd, TurnLimits, TurnReport
from reelqueue.errors import TurnInterrupted


def test_abort_reaches_a_connection_that_comes_later_or_came_before() -> None:
    calls: list[str] = []
    early = TurnControl(lambda: None)
    early.abort()
    early.bind(lambda: calls.append("early"))
    late = TurnControl(lambda: None)
    late.bind(lambda: calls.append("late"))
    assert calls == ["early"]
    late.abort()
    assert calls == ["early", "late"]
    assert early.aborted
    assert late.aborted


def test_the_limits_of_the_contract_are_the_default() -> None:
    assert TurnControl(lambda: None).limits == TurnLimits(total_s=900, idle_s=600)


def test_bytes_add_up() -> None:
    control = TurnControl(lambda: None)
    control.count(3)
    control.count(4)
    assert control.bytes_sent == 7


def test_a_cut_turn_says_why_in_public_and_what_was_shown_in_private() -> None:
    partial = TurnReport(TurnEnd.INTERRUPTED, texts=("Half",))
    cut = TurnCut(reason=CutReason.IDLE, partial=partial)
    assert isinstance(cut, TurnInterrupted)
    assert cut.code == TurnInterrupted.code
    assert cut.partial is partial
    assert cut.detail == {"reason": "idle"}
    assert "Half" not in str(cut)
