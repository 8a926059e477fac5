"""How a twist bends the script of a turn."""

import random

import pytest

from nemotwin import events
from nemotwin.events import Draught, Scribe
from nemotwin.script import Script, Step
from nemotwin.twists import EnvelopeFrame, ErrorEvent, ErrorFrame, TurnTwist

FAILURE = ErrorFrame()


def step(after, *parts, changes=False):
    return Step(after, lambda _state: Draught(parts), (lambda _state: {"draft": {"d": 1}}) if changes else None)


SCRIPT = Script(
    (
        step(1.0, events.thought("hm"), events.text("Working"), events.call("t", {}, "adk-1")),
        step(2.0, events.result("t", {}, "adk-1"), changes=True),
        step(3.0, events.text("Done")),
    )
)


def parts(script):
    return [step.draught({}).parts for step in script.steps]


def waits(script):
    return [step.after for step in script.steps]


def changing(script):
    return [step.change is not None for step in script.steps]


def test_nothing_set_changes_nothing():
    assert TurnTwist().bend(SCRIPT) == SCRIPT


def test_a_silent_turn_keeps_thoughts_calls_and_changes():
    bent = TurnTwist(silent=True).bend(SCRIPT)
    assert parts(bent) == [
        (events.thought("hm"), events.call("t", {}, "adk-1")),
        (events.result("t", {}, "adk-1"),),
        (),
    ]
    assert changing(bent) == [False, True, False]
    assert bent.silent


def test_an_idle_turn_says_what_it_says():
    bent = TurnTwist(idle=True).bend(SCRIPT)
    assert parts(bent) == parts(SCRIPT)
    assert changing(bent) == [False, False, False]


def test_noise_comes_last_and_outlives_silence():
    bent = TurnTwist(silent=True, trailing=True).bend(SCRIPT)
    assert parts(bent)[-1][0]["text"].startswith("I encountered a temporary issue")
    assert parts(bent)[-2] == ()


def test_times():
    assert waits(TurnTwist(at_once=True).bend(SCRIPT)) == [0.0, 0.0, 0.0]
    assert waits(TurnTwist(seconds=960.0).bend(SCRIPT)) == [320.0, 320.0, 320.0]
    assert waits(TurnTwist(quiet=600.0).bend(SCRIPT)) == [601.0, 2.0, 3.0]
    assert waits(TurnTwist(quiet=600.0, quiet_after=2).bend(SCRIPT)) == [1.0, 2.0, 603.0]
    assert waits(TurnTwist(quiet=600.0, quiet_after=9).bend(SCRIPT)) == [1.0, 2.0, 603.0]


@pytest.mark.parametrize(("late", "played"), [(False, 1), (True, 2)])
def test_where_a_turn_breaks_off(late, played):
    bent = TurnTwist(failure=FAILURE, late=late).bend(SCRIPT)
    assert waits(bent) == waits(SCRIPT)[: played + 1]
    assert [step.ending for step in bent.steps] == [*([None] * played), FAILURE]


def test_a_turn_of_one_step_breaks_off_before_it_and_late_after_it():
    short = Script((step(5.0, events.text("Hi")),))
    assert [step.ending for step in TurnTwist(failure=FAILURE).bend(short).steps] == [FAILURE]
    assert [step.ending for step in TurnTwist(failure=FAILURE, late=True).bend(short).steps] == [None, FAILURE]


def test_an_error_event_has_text_or_no_content():
    scribe = Scribe(random.Random(1))
    bare = ErrorEvent(code="SAFETY", message="no").spell(scribe, at=1.0)
    assert (bare["errorCode"], bare["errorMessage"]) == ("SAFETY", "no")
    assert "content" not in bare
    told = ErrorEvent(code="MAX_TOKENS", message="no", text="so far").spell(scribe, at=1.0)
    assert told["content"]["parts"] == [{"text": "so far"}]
    assert told["invocationId"] == bare["invocationId"]


def test_an_envelope_in_the_stream():
    spelled = EnvelopeFrame(code=2001, message="none left").spell(Scribe(random.Random(1)), at=1.0)
    assert spelled == b'data: {"code":2001,"message":"none left","data":null}\n\n'
