from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelqueue.domain.upstream import TurnEnd, TurnProgress, TurnReport
from reelqueue.nemo import turn
from reelqueue.nemo.frames import (
    AgentEvent,
    EnvelopeFrame,
    ErrorFrame,
    FlatEvent,
    FlatKind,
    Frame,
    KeepAlive,
    TextPart,
    ToolUse,
    Unknown,
)
from reelqueue.nemo.turn import TurnAssembler

NOISE = "I encountered a temporary issue while processing. Please try again."


def run(*frames: Frame, end: TurnEnd = TurnEnd.CLOSED) -> TurnReport:
    assembler = TurnAssembler()
    for frame in frames:
        assembler.feed(frame)
    return assembler.report(end)


def say(text: str, *, partial: bool = False, author: str = "a", invocation: str = "i", **more: object) -> AgentEvent:
    return replace(AgentEvent((TextPart(text),), partial=partial, author=author, invocation=invocation), **more)


def result(name: str = "edit", call_id: str | None = None, author: str = "a") -> AgentEvent:
    return AgentEvent(results=(ToolUse(name, call_id),), author=author, invocation="i")


# --- a model of what an agent does, and the ways a server may tell it ----------------------------------------------


@dataclass(frozen=True)
class Step:
    """One step of the model: its words in pieces, its thoughts, a tool, and whether the whole is ever sent."""

    pieces: tuple[str, ...]
    thought: str
    tool: str
    whole: bool
    author: str

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def steps(whole: st.SearchStrategy[bool]) -> st.SearchStrategy[list[Step]]:
    word = st.text(alphabet="ab c\n", min_size=1, max_size=4)
    return st.lists(
        st.builds(
            Step,
            st.lists(word, max_size=4).map(tuple),
            st.sampled_from(["", "hm"]),
            st.sampled_from(["", "edit", "generate"]),
            whole,
            st.sampled_from(["root", "helper"]),
        ),
        max_size=6,
    )


def told(step: Step, number: int, *, streaming: bool) -> list[Frame]:
    """The events of one step, as contract §5.3 has them."""
    base = AgentEvent(author=step.author, invocation="i")
    frames: list[Frame] = []
    thought = (TextPart(step.thought, thought=True),) if step.thought else ()
    if streaming:
        frames += [
            replace(base, parts=(*thought, TextPart(piece)), partial=True, event_id=f"{number}.{place}")
            for place, piece in enumerate(step.pieces)
        ]
        if step.tool:
            frames.append(
                replace(base, calls=(ToolUse(step.tool, f"p{number}"),), partial=True, event_id=f"{number}.c")
            )
    if step.whole or not streaming:
        frames.append(
            replace(
                base,
                parts=(*thought, *((TextPart(step.text),) if step.text else ())),
                calls=(ToolUse(step.tool, f"c{number}"),) if step.tool else (),
                event_id=f"{number}.w",
            )
        )
    if step.tool:
        frames.append(replace(base, results=(ToolUse(step.tool, f"c{number}"),), event_id=f"{number}.r"))
    return frames


def expected(model: list[Step]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(s.text for s in model if s.text.strip()), tuple(s.tool for s in model if s.tool)


@given(steps(st.just(value=True)), st.booleans(), st.data())
def test_text_is_never_doubled_and_never_lost(model: list[Step], streaming: bool, data: st.DataObject) -> None:
    frames = [frame for number, step in enumerate(model) for frame in told(step, number, streaming=streaming)]
    for _ in range(data.draw(st.integers(0, 3))):
        frames.insert(data.draw(st.integers(0, len(frames))), data.draw(st.sampled_from([KeepAlive(), Unknown()])))
    report = run(*frames)
    assert (report.texts, report.tools) == expected(model)
    doubled = run(
        *(copy for frame in frames for copy in ((frame, frame) if isinstance(frame, AgentEvent) else (frame,)))
    )
    assert (doubled.texts, doubled.tools) == expected(model)


@given(steps(st.booleans()))
def test_pieces_whose_whole_never_comes_are_kept(model: list[Step]) -> None:
    # Each step without a whole ends in a tool's result, as in a server that broke the whole off.
    model = [step if step.whole else replace(step, tool=step.tool or "edit") for step in model]
    frames = [frame for number, step in enumerate(model) for frame in told(step, number, streaming=True)]
    report = run(*frames)
    assert (report.texts, report.tools) == expected(model)


@given(steps(st.just(value=True)), st.data())
def test_a_cut_stream_keeps_what_was_shown(model: list[Step], data: st.DataObject) -> None:
    frames = [frame for number, step in enumerate(model) for frame in told(step, number, streaming=True)]
    place = data.draw(st.integers(0, len(frames)))
    report = run(*frames[:place], end=TurnEnd.INTERRUPTED)
    said = "".join(expected(model)[0])
    assert "".join(report.texts).strip() == "" or "".join(report.texts).replace(" ", "").replace("\n", "") in "".join(
        "".join(step.text for step in model)
    ).replace(" ", "").replace("\n", "")
    assert len("".join(report.texts)) <= len("".join(step.text for step in model))
    assert report.end is TurnEnd.INTERRUPTED
    if place == len(frames):
        assert "".join(report.texts) == said


@given(st.lists(st.text(alphabet="abc ", min_size=1, max_size=3), min_size=1, max_size=5), st.data())
def test_two_authors_at_once_do_not_disturb_each_other(pieces: list[str], data: st.DataObject) -> None:
    streams = {
        author: [say(p, partial=True, author=author) for p in pieces] + [say("".join(pieces), author=author)]
        for author in ("left", "right")
    }
    frames = []
    while any(streams.values()):
        author = data.draw(st.sampled_from([name for name, rest in streams.items() if rest]))
        frames.append(streams[author].pop(0))
    text = "".join(pieces)
    assert run(*frames).texts == ((text, text) if text.strip() else ())


# --- cases by name -------------------------------------------------------------------------------------------------


def test_the_whole_replaces_its_pieces() -> None:
    assert run(say("Hel", partial=True), say("lo", partial=True), say("Hello")).texts == ("Hello",)


def test_a_whole_that_differs_from_its_pieces_wins() -> None:
    assert run(say("Helo", partial=True), say("Hello!")).texts == ("Hello!",)


def test_pieces_of_a_broken_step_are_not_swallowed_by_the_next_whole() -> None:
    assert run(say("Cut o", partial=True), say("Next", partial=True), say("Next")).texts == ("Cut o", "Next")


def test_a_call_without_text_keeps_the_pieces() -> None:
    call = AgentEvent(calls=(ToolUse("edit", "1"),), author="a", invocation="i")
    assert run(say("Wait", partial=True), call, say("Wait")).texts == ("Wait",)


def test_another_invocation_ends_the_pieces() -> None:
    assert run(say("One", partial=True), say("Two", invocation="j")).texts == ("One", "Two")


def test_thoughts_are_never_shown() -> None:
    assert run(AgentEvent((TextPart("secret", thought=True), TextPart("seen")), author="a")).texts == ("seen",)


def test_an_event_that_comes_twice_counts_once() -> None:
    call = AgentEvent(calls=(ToolUse("edit", "1"),), author="a", event_id="x")
    report = run(call, call, say("Hi", event_id="y"), say("Hi", event_id="y"))
    assert (report.texts, report.tools) == (("Hi",), ("edit",))


def test_pieces_of_one_step_may_share_an_id() -> None:
    pieces = [say("ha", partial=True, event_id="1", timestamp=float(at)) for at in (1, 2, 2, 3)]
    assert run(*pieces).texts == ("hahaha",)
    assert run(*pieces, say("hahaha", event_id="1", timestamp=4.0)).texts == ("hahaha",)


def test_the_same_words_twice_in_different_events_are_two_texts() -> None:
    assert run(say("Ok", event_id="1"), result(), say("Ok", event_id="2")).texts == ("Ok", "Ok")


def test_a_tool_seen_only_by_its_result_is_a_tool() -> None:
    partial_call = AgentEvent(calls=(ToolUse("edit", "p"),), partial=True, author="a", invocation="i")
    assert run(partial_call, result("edit", "c")).tools == ("edit",)


def test_a_long_running_tool_answers_twice_and_counts_once() -> None:
    call = AgentEvent(calls=(ToolUse("generate", "1"),), author="a", invocation="i")
    assert run(call, result("generate", "1"), result("generate", "1")).tools == ("generate",)


def test_parallel_calls_are_all_told() -> None:
    call = AgentEvent(calls=(ToolUse("edit", "1"), ToolUse("edit", "2")), author="a", invocation="i")
    assert run(call, result("edit", "2"), result("edit", "1")).tools == ("edit", "edit")


def test_a_silent_turn() -> None:
    report = run(AgentEvent(calls=(ToolUse("edit", "1"),), author="a"), result("edit", "1"), AgentEvent(author="a"))
    assert report == TurnReport(TurnEnd.CLOSED, tools=("edit",))


@pytest.mark.parametrize("tool", [(), (ToolUse("edit", "1"),)])
def test_a_silent_ending_is_no_error_though_the_server_calls_it_one(tool: tuple[ToolUse, ...]) -> None:
    ending = AgentEvent(author="a", error="The model returned no content.", error_code="MODEL_RETURNED_NO_CONTENT")
    report = run(AgentEvent(calls=tool, author="a"), ending)
    assert report == TurnReport(TurnEnd.CLOSED, tools=tuple(one.name for one in tool))
    assert run(ending, say("x", error_code="SAFETY")).error_code == "SAFETY"


def test_trailing_noise_is_dropped_after_text() -> None:
    report = run(say("Title added."), say(NOISE))
    assert (report.texts, report.error) == (("Title added.",), None)


def test_trailing_noise_is_dropped_after_tools() -> None:
    report = run(AgentEvent(calls=(ToolUse("edit"),), author="a"), result(), say(NOISE))
    assert (report.texts, report.error) == ((), None)


def test_noise_alone_is_the_turns_failure() -> None:
    report = run(KeepAlive(), say(NOISE))
    assert (report.end, report.texts, report.error, report.error_code) == (
        TurnEnd.CLOSED,
        (),
        NOISE,
        "TEMPORARY_ISSUE",
    )


def test_noise_in_the_middle_is_a_text() -> None:
    assert run(say(NOISE), result(), say("Done.")).texts == (NOISE, "Done.")


def test_an_error_frame_ends_the_turn_and_keeps_what_came_before() -> None:
    report = run(say("Half", partial=True), ErrorFrame("boom", "ValueError"))
    assert report == TurnReport(TurnEnd.ERROR_FRAME, texts=("Half",), error="boom", error_code="ValueError")


def test_a_code_in_the_stream_is_a_failure_with_that_code() -> None:
    report = run(EnvelopeFrame(2001, "no credits"))
    assert (report.end, report.error) == (TurnEnd.ERROR_FRAME, "no credits")
    assert (report.gateway_code, report.error_code) == (2001, None)


def test_the_same_digits_from_the_agent_are_a_word_of_its_own() -> None:
    report = run(say("", error_code="429"))
    assert (report.end, report.gateway_code, report.error_code) == (TurnEnd.CLOSED, None, "429")
    report = run(ErrorFrame("boom", None, 503))
    assert (report.end, report.gateway_code, report.error_code) == (TurnEnd.ERROR_FRAME, 503, None)


def test_an_error_code_beside_a_text_keeps_both() -> None:
    report = run(say("Once upon", error_code="MAX_TOKENS"))
    assert (report.end, report.texts, report.error_code) == (TurnEnd.CLOSED, ("Once upon",), "MAX_TOKENS")


def test_a_cut_after_an_error_frame_is_still_told_as_cut_when_asked() -> None:
    assert run(say("x"), end=TurnEnd.INTERRUPTED).end is TurnEnd.INTERRUPTED


def test_the_flat_dialect() -> None:
    report = run(
        FlatEvent(FlatKind.THOUGHT, "hm"),
        FlatEvent(FlatKind.TEXT, "One"),
        FlatEvent(FlatKind.TEXT, "One"),
        FlatEvent(FlatKind.TOOL_CALL, tool="edit"),
        FlatEvent(FlatKind.TOOL_RESULT, tool="edit"),
        FlatEvent(FlatKind.TEXT, "One"),
        FlatEvent(FlatKind.TEXT, ""),
    )
    assert (report.texts, report.tools) == (("One", "One"), ("edit",))


def test_heartbeats_and_strangers_are_counted() -> None:
    report = run(KeepAlive(), Unknown(), KeepAlive())
    assert (report.heartbeats, report.unknown_events) == (2, 1)


def test_progress_tells_finished_texts_tools_and_heartbeats_once() -> None:
    assembler = TurnAssembler()
    shown = [
        progress
        for frame in (
            KeepAlive(),
            say("He", partial=True),
            say("Hey"),
            AgentEvent(calls=(ToolUse("edit", "1"),), author="a", invocation="i"),
            result("edit", "1"),
            say("cut", partial=True),
            result("edit", "1"),
            say(NOISE),
            say(" "),
        )
        for progress in assembler.feed(frame)
    ]
    assert shown == [
        TurnProgress("heartbeat"),
        TurnProgress("text", "Hey"),
        TurnProgress("tool", "edit"),
        TurnProgress("result", "edit"),
        TurnProgress("result", "edit"),
        TurnProgress("text", "cut"),
    ]


def test_an_endless_talker_cannot_fill_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "MAX_TEXT_CHARS", 10)
    monkeypatch.setattr(turn, "MAX_TOOLS", 2)
    calls = AgentEvent(calls=tuple(ToolUse("t", str(n)) for n in range(5)), author="a", invocation="i")
    report = run(say("12345", partial=True), say("67890abc", partial=True), say("1234567890abc"), say("more"), calls)
    assert report.texts == ("1234567890",)
    assert report.tools == ("t", "t")
