"""The stream reader on the very bytes of a real ADK API server, streaming on and off, in any pieces."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import groupby
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adk.live import Recording
from adk.outcomes import OUTCOMES, STREAMED, outcome
from adk.replay import assembled, cut_off, decoded, split, watched
from fakes.rawhttp import Peer, RawServer
from reelqueue.domain.upstream import Credential, CutReason, TurnControl, TurnCut, TurnEnd, TurnReport
from reelqueue.nemo.sse import ServerEvent

# The first run builds an environment.
pytestmark = pytest.mark.timeout(300)

TELLINGS = ("whole", "pieces", "pieces of old")
ALL = [(scenario, telling) for scenario in OUTCOMES for telling in TELLINGS]
FEW_BYTES = 100_000
RISKY = re.compile(rb"\n\n|data:|[\xc0-\xff]")
# What an example costs is mostly its recording, and that is made once.
HERE = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

every_recording = pytest.mark.parametrize(("scenario", "telling"), ALL)


def texts_of(event: dict[str, Any]) -> str:
    """The visible text of an event as ADK writes it."""
    parts = event.get("content", {}).get("parts", ())
    return "".join(part.get("text", "") for part in parts if not part.get("thought"))


def calls_of(event: dict[str, Any]) -> list[str]:
    return [
        part["functionCall"]["name"] for part in event.get("content", {}).get("parts", ()) if "functionCall" in part
    ]


def payloads(recording: Recording) -> list[dict[str, Any]]:
    """The stream read by the rule of contract §5.2 alone: an event is one `data:` line and a blank one."""
    *blocks, rest = recording.raw.split(b"\n\n")
    assert rest == b""
    assert all(block.startswith(b"data: ") and b"\n" not in block for block in blocks)
    return [json.loads(block.removeprefix(b"data: ")) for block in blocks]


def places_in(raw: bytes) -> st.SearchStrategy[int]:
    """Where to cut: anywhere, but mostly at what a decoder may stumble over."""
    risky = [found.start() for found in RISKY.finditer(raw)]
    near = st.sampled_from(risky).flatmap(lambda at: st.integers(at, min(len(raw), at + 3)))
    return near | st.integers(0, len(raw))


# --- what the bytes come to ----------------------------------------------------------------------------------------


@every_recording
def test_a_stream(scenario: str, telling: str, record: Any) -> None:
    recording = record(scenario, telling)
    events = decoded([recording.raw])
    report, shown = watched(events)
    assert recording.content_type == "text/event-stream; charset=utf-8"
    assert [json.loads(event.data) for event in events] == payloads(recording)
    assert report == outcome(scenario, streaming=telling != "whole")
    assert not any("secret" in told for told in (*report.texts, *report.tools, *(p.text for p in shown)))


@every_recording
def test_what_is_told_is_what_adk_kept(scenario: str, telling: str, record: Any) -> None:
    """ADK's own record of the session is the witness that no text is doubled and none is lost."""
    recording = record(scenario, telling)
    report = assembled(decoded([recording.raw]))
    kept = [text for text in map(texts_of, recording.history) if text.strip()]
    tools = tuple(name for event in recording.history for name in calls_of(event))
    if telling != "whole" and scenario.startswith(("error_after", "safety_after")):
        report_texts = report.texts[: len(kept)]  # the pieces of a step that broke are nobody's record but ours
    else:
        report_texts = report.texts
    assert sorted(report_texts) == sorted(kept)
    assert report.tools == tools


@pytest.mark.parametrize("scenario", sorted(set(OUTCOMES) - set(STREAMED)))
def test_streaming_makes_no_difference(scenario: str, record: Any) -> None:
    reports = [assembled(decoded([record(scenario, telling).raw])) for telling in TELLINGS]
    assert reports == [reports[0]] * len(TELLINGS)


def test_the_recordings_hold_what_they_are_meant_to(record: Any) -> None:
    """So that a change in ADK cannot quietly empty the tests above."""
    for telling in ("pieces", "pieces of old"):
        assert [event.get("partial") for event in payloads(record("text", telling))][:2] == [True, True]
        crew = [event for event in payloads(record("crew", telling)) if event.get("partial") and texts_of(event)]
        assert len([author for author, _ in groupby(event["author"] for event in crew)]) > 3
        assert len({event["branch"] for event in crew}) == 2
    assert not any(event.get("partial") for event in payloads(record("text", "whole")))
    like = payloads(record("error_after_like_pieces", "pieces"))
    assert [texts_of(event) for event in like[:4]] == ["ha"] * 4
    assert len({event["id"] for event in like[:4]}) == 1  # an id does not tell pieces apart
    assert "error_details" in like[-1]
    assert "\u2028" in record("unicode", "whole").raw.decode()
    assert max(len(event.data) for event in decoded([record("big_state", "whole").raw])) > 1_900_000
    waiting = payloads(record("long_running", "whole"))
    assert [len(event["longRunningToolIds"]) for event in waiting if "longRunningToolIds" in event] == [1]


# --- in any pieces -------------------------------------------------------------------------------------------------


@every_recording
def test_bytes_that_come_one_by_one_decode_alike(scenario: str, telling: str, record: Any) -> None:
    raw = record(scenario, telling).raw
    whole = decoded([raw])
    assert decoded(raw[at : at + 1460] for at in range(0, len(raw), 1460)) == whole
    if len(raw) < FEW_BYTES:
        assert decoded(raw[at : at + 1] for at in range(len(raw))) == whole


@HERE
@given(st.sampled_from(ALL), st.data())
def test_any_chunking_decodes_alike(record: Any, which: tuple[str, str], data: st.DataObject) -> None:
    raw = record(*which).raw
    cuts = data.draw(st.lists(places_in(raw), max_size=12))
    assert decoded(split(raw, cuts)) == decoded([raw])


@every_recording
def test_other_line_ends_and_comments_change_nothing(scenario: str, telling: str, record: Any) -> None:
    raw = record(scenario, telling).raw
    whole = decoded([raw])
    for end in (b"\r\n", b"\r"):
        assert decoded([raw.replace(b"\n", end)]) == whole
    beating = decoded([b": ping\n\n" + raw.replace(b"\n\n", b"\n\n: ping\n\n")])
    assert [event for event in beating if isinstance(event, ServerEvent)] == whole
    expected = outcome(scenario, streaming=telling != "whole")
    assert assembled(beating) == replace(expected, heartbeats=len(whole) + 1)


# --- cut off -------------------------------------------------------------------------------------------------------


@HERE
@given(st.sampled_from(ALL), st.data())
def test_a_cut_anywhere_tells_the_beginning_and_nothing_else(
    record: Any, which: tuple[str, str], data: st.DataObject
) -> None:
    raw = record(*which).raw
    check_a_cut(which[0], cut_off(raw, data.draw(places_in(raw))), assembled(decoded([raw])))


@every_recording
def test_a_cut_between_events_tells_the_beginning_and_nothing_else(scenario: str, telling: str, record: Any) -> None:
    events = decoded([record(scenario, telling).raw])
    for count in range(len(events) + 1):
        check_a_cut(scenario, assembled(events[:count], TurnEnd.INTERRUPTED), assembled(events))


def check_a_cut(scenario: str, report: TurnReport, full: TurnReport) -> None:
    assert report.end is TurnEnd.INTERRUPTED
    assert report.tools == full.tools[: len(report.tools)]
    assert len(report.texts) <= len(full.texts)
    if scenario == "crew":  # two at once: whoever ends first may come first
        assert all(any(whole.startswith(text) for whole in full.texts) for text in report.texts)
    else:
        assert report.texts[:-1] == full.texts[: len(report.texts)][:-1]
        assert all(whole.startswith(text) for whole, text in zip(full.texts, report.texts, strict=False))


@pytest.mark.parametrize("scenario", OUTCOMES)
def test_the_client_reads_a_server_that_streams_unasked(
    scenario: str, record: Any, connect: Any, credential: Credential
) -> None:
    raw: bytes = record(scenario, "pieces").raw

    def handle(peer: Peer) -> None:
        peer.read_request()
        peer.start_stream()
        for at in range(0, len(raw), 4096):
            peer.chunk(raw[at : at + 4096])
        peer.end_chunks()

    with RawServer(handle) as server:
        report = connect(server.base_url).run_turn(
            credential,
            session_id="1",
            text="play",
            control=TurnControl(lambda: None),
            on_progress=lambda progress: None,
        )
    assert report == outcome(scenario, streaming=True)


@pytest.mark.parametrize("telling", TELLINGS)
@pytest.mark.parametrize("scenario", ["tool", "unicode", "error_after_like_pieces", "transfer"])
def test_a_broken_connection_leaves_the_report_so_far(
    scenario: str, telling: str, record: Any, connect: Any, credential: Credential
) -> None:
    raw: bytes = record(scenario, telling).raw
    size = raw.rindex(b"data:") + 9  # in the middle of the last event

    def handle(peer: Peer) -> None:
        peer.read_request()
        peer.start_stream()
        peer.chunk(raw[:size])

    with RawServer(handle) as server, pytest.raises(TurnCut) as caught:
        connect(server.base_url).run_turn(
            credential,
            session_id="1",
            text="play",
            control=TurnControl(lambda: None),
            on_progress=lambda progress: None,
        )
    assert caught.value.reason is CutReason.BROKEN
    assert caught.value.partial == cut_off(raw, size)
