"""What an owner hears of a turn while it runs."""

from __future__ import annotations

import pytest

from fakes.engine import HandClock, MemoryClaims, make_claim, make_job, snapshot
from reelqueue.domain.jobs import EventType
from reelqueue.domain.upstream import TurnProgress
from reelqueue.errors import UpstreamUnavailable
from reelqueue.jobs.turn_log import MOST_LOOKS, MOST_TOLD, TurnLog

GENERATOR = "generate_video_with_seedance"


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def claims():
    return MemoryClaims(make_job())


def listen(claims, clock, *heard, look=lambda: snapshot("a"), every_s=0.0, speed=1.0):
    with TurnLog(claims, clock, speed=speed).listening(make_claim(), snapshot("a"), look) as on_progress:
        for progress in heard:
            clock.forward(every_s)
            on_progress(progress)
    return claims.told


def test_words_are_told_without_the_talk_of_buttons_and_tools_by_name_only(claims, clock):
    told = listen(
        claims,
        clock,
        TurnProgress("tool", "edit_multitrack"),
        TurnProgress("heartbeat"),
        TurnProgress("text", "Added the title. Click the Export button to download it."),
    )
    [(kind, data)] = told
    assert kind is EventType.PROGRESS
    assert (data["kind"], data["tools"], data["heartbeats"]) == ("text", ["edit_multitrack"], 1)
    assert "Added the title." in data["text"]
    assert "Export" not in data["text"]


def test_a_text_that_is_nothing_but_buttons_is_not_told(claims, clock):
    assert listen(claims, clock, TurnProgress("text", "Click the Export button.")) == []


@pytest.mark.parametrize(("speed", "every_s", "expected"), [(1.0, 50.0, 2), (10.0, 5.0, 2), (1.0, 20.0, 1)])
def test_a_long_turn_says_every_two_minutes_of_the_upstream_that_it_works(claims, clock, speed, every_s, expected):
    told = listen(claims, clock, *[TurnProgress("heartbeat")] * 6, every_s=every_s, speed=speed)
    assert [data["kind"] for _, data in told] == ["working"] * expected
    assert told[0][1]["seconds"] >= 120


def test_an_agent_that_never_stops_talking_does_not_fill_the_feed(claims, clock):
    told = listen(claims, clock, *[TurnProgress("text", f"Step {n} is done.") for n in range(100)])
    assert len(told) == MOST_TOLD


def test_the_first_clip_is_told_once_when_it_lies_on_the_timeline(claims, clock):
    looks = iter([snapshot("a"), snapshot("b"), snapshot("c")])
    told = listen(claims, clock, *[TurnProgress("result", GENERATOR)] * 3, look=lambda: next(looks))
    assert [kind for kind, _ in told] == [EventType.PREVIEW_READY]
    assert told[0][1]["timeline"]["object"] == "timeline"


def test_the_session_is_looked_at_a_few_times_at_most_and_never_in_vain(claims, clock):
    looks = []

    def look():
        looks.append(1)
        raise UpstreamUnavailable

    told = listen(
        claims, clock, *[TurnProgress("result", GENERATOR)] * 9, TurnProgress("result", "edit_multitrack"), look=look
    )
    assert (told, len(looks)) == ([], MOST_LOOKS)
