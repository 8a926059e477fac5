"""A draft read, told, and compared: typed changes with words, whatever keys it has."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelqueue.domain.change_words import change_text
from reelqueue.domain.drafts import digest, is_exportable, read_timeline
from reelqueue.domain.receipts import receipt
from reelqueue.domain.timeline_changes import compare
from reelqueue.domain.timeline_rows import timeline_document, timeline_facts, timeline_from, track_rows
from reelqueue.domain.timeline_words import timeline_text
from reelqueue.domain.turns import Snapshot
from reelqueue.domain.unasked import unasked
from reelqueue.domain.upstream import Balance, SessionState, TurnEnd, TurnReport

DRAFT = {
    "d": 10_000,
    "m": {"title": "Golden Hour"},
    "t": [
        {"tt": 0, "m": {"name": "city timelapse"}, "sg": [{"d": 10_000, "sim_start": 0}]},
        {"tt": 1, "m": {"name": "Lo-fi", "sim_volume": 0.35}, "sg": [{"d": 10_000}]},
        {"tt": 7, "m": {"name": "Urban Dreams"}, "sg": [{"d": 3_000, "sim_start": 0, "sim_text": "Urban Dreams"}]},
    ],
}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["t", "tt", "sg", "d", "m", "name", "sim_start", "x"]), inner, max_size=5)
    ),
    max_leaves=25,
)


def edited(**changes):
    """The draft after an edit: `volume`, `title`, `without` (a track's place), `new` (a track)."""
    draft = copy.deepcopy(DRAFT)
    if "volume" in changes:
        draft["t"][1]["m"]["sim_volume"] = changes["volume"]
    if "title" in changes:
        draft["t"][2]["m"]["name"] = draft["t"][2]["sg"][0]["sim_text"] = changes["title"]
    if "seconds" in changes:
        draft["t"][0]["sg"][0]["d"] = draft["d"] = changes["seconds"] * 1000
    if "without" in changes:
        del draft["t"][changes["without"]]
    if "new" in changes:
        draft["t"].append(changes["new"])
    return draft


def words(before, after):
    return [change_text(change) for change in compare(read_timeline(before), read_timeline(after)).changes]


def snapshot(draft, available=100.0, frozen=0.0):
    state = SessionState(draft=draft, uploads=(), generated=(), canvas=None)
    return Snapshot.of(state, Balance(available, frozen, available + frozen))


def heard(*texts):
    return TurnReport(end=TurnEnd.CLOSED, texts=texts, tools=("edit_multitrack",))


def test_the_timeline_is_told_as_everybody_tells_it():
    assert timeline_text(read_timeline(DRAFT)) == (
        "Timeline (3 tracks): 1. Video: city timelapse (0-10s) 2. BGM: Lo-fi (0-10s, 35%) "
        '3. Title: "Urban Dreams" (0-3s)'
    )
    assert timeline_text(read_timeline(None)) == "Timeline (0 tracks)"


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ({"volume": 0.5}, "BGM volume 35% -> 50%"),
        ({"title": "Paradise"}, 'Title changed: "Urban Dreams" -> "Paradise"'),
        ({"seconds": 5}, "Video shortened 10s -> 5s"),
        ({"without": 1}, "BGM removed: Lo-fi"),
        ({"new": {"tt": 7, "m": {"name": "End"}, "sg": [{"d": 1000}]}}, 'Title added: "End" (0-1s)'),
    ],
)
def test_each_edit_is_one_change_in_words(after, said):
    assert said in words(DRAFT, edited(**after))


@settings(deadline=None, max_examples=150)
@given(ANY_JSON)
def test_no_draft_is_too_strange_and_none_differs_from_itself(draft):
    timeline = read_timeline(draft)
    assert compare(timeline, read_timeline(draft)).changes == ()
    assert isinstance(is_exportable(draft), bool)
    json.dumps(timeline_document(timeline))
    kept = timeline_from(json.loads(json.dumps(track_rows(timeline))), timeline_facts(timeline))
    assert compare(timeline, kept).changes == ()


@settings(deadline=None, max_examples=80)
@given(ANY_JSON, ANY_JSON)
def test_any_two_drafts_can_be_compared_and_every_change_told(before, after):
    for change in compare(read_timeline(before), read_timeline(after)).changes:
        assert change_text(change)


def test_reading_changes_nothing_and_unknown_keys_count():
    draft = {**DRAFT, "sim_secret": {"deep": [1, 2.0, None]}}
    before = copy.deepcopy(draft)
    read_timeline(draft)
    assert draft == before
    other = {**draft, "sim_secret": {"deep": [1, 2.0, 3]}}
    states = [SessionState(draft=one, uploads=(), generated=(), canvas=None) for one in (draft, other)]
    assert digest(states[0]) != digest(states[1])


def test_a_silent_edit_is_explained_like_any_other():
    told = receipt(1, snapshot(DRAFT), snapshot(edited(volume=0.5), available=50.0), heard(), asked="quieter music")
    assert (told["verdict"], told["outcome"]) == ("changed", "silent_changed")
    assert told["words"] == ["BGM volume 35% -> 50%", "Credits 100 -> 50"]
    assert (told["credits"]["before"], told["credits"]["after"]) == (100.0, 50.0)


def test_what_did_not_change_is_said_and_what_cannot_be_known_too():
    assert receipt(1, snapshot(DRAFT), snapshot(DRAFT), heard("Sorry."))["words"] == ["Nothing changed"]
    unknown = receipt(1, snapshot(DRAFT), None, None)
    assert (unknown["verdict"], unknown["timeline"], unknown["changes"]) == ("undetermined", None, None)


@pytest.mark.parametrize(
    ("instruction", "extra"),
    [
        ("animate this", ["Lo-fi", "Urban Dreams"]),
        ("animate this and add lo-fi music", ["Urban Dreams"]),
        ('add a title "Urban Dreams"', ["Lo-fi"]),
        ("no music please", ["Lo-fi", "Urban Dreams"]),
        ("make a video with a title and music", []),
        ("制作视频，不要音乐", ["Lo-fi", "Urban Dreams"]),
        ("制作视频，加上音乐和标题", []),
    ],
)
def test_tracks_that_nobody_asked_for_are_named(instruction, extra):
    assert [track.name for track in unasked(read_timeline(DRAFT).tracks, instruction)] == extra
