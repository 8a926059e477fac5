from __future__ import annotations

import json
import random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reelqueue.domain.drafts import digest, is_exportable, summarize
from reelqueue.domain.upstream import SessionState

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=10
)
KEYS = st.sampled_from(["t", "tt", "sg", "d", "m", "name", "title", "x_volume", "other"])
NEARLY = st.recursive(
    SCALARS | st.sampled_from([0, 1, 7, 1e308, float("inf"), float("nan"), 10**400, "a\0b", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=15,
)
"""JSON that looks like a draft and keeps none of its promises."""


calmly = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def state(draft=None, *, canvas=None, uploads=(), generated=()):
    return SessionState(draft=draft, uploads=uploads, generated=generated, canvas=canvas)


def shuffled(value, rng):
    """The same JSON with its members in another order."""
    if isinstance(value, dict):
        items = [(key, shuffled(inner, rng)) for key, inner in value.items()]
        rng.shuffle(items)
        return dict(items)
    return [shuffled(inner, rng) for inner in value] if isinstance(value, list) else value


# --- nothing raises ---------------------------------------------------------------------------------------------------


@calmly
@given(JSON | NEARLY)
@example({"t": [{"tt": [1]}]})
@example({"t": [{"tt": {}, "sg": [{"d": float("inf")}]}]})
@example({"t": [{"sg": [{"d": 1e308}, {"d": 1e308}]}]})
@example({"t": [{"d": float("nan")}]})
@example({"t": [{"sg": [{"d": 10**400}]}]})
def test_no_draft_is_too_strange_to_be_read(draft):
    assert is_exportable(draft) in {True, False}
    assert [track["index"] for track in summarize(draft)] == list(range(1, len(summarize(draft)) + 1))


@calmly
@given(NEARLY)
@example({"t": [{"m": {"name": "a\0b\ud800", "volume": float("nan")}, "d": 10**400}]})
def test_what_is_read_out_of_a_draft_can_be_stored_and_shown(draft):
    text = json.dumps(summarize(draft), allow_nan=False, ensure_ascii=False)
    assert "\\u0000" not in text
    text.encode()


@calmly
@given(JSON)
def test_no_state_is_too_strange_for_a_fingerprint(value):
    assert len(digest(state(value if isinstance(value, dict) else {"t": value}))) == 64


# --- the fingerprint --------------------------------------------------------------------------------------------------


@calmly
@given(st.dictionaries(st.text(), JSON, max_size=4), st.integers(0, 99))
def test_the_order_of_members_does_not_change_the_fingerprint(draft, seed):
    assert digest(state(draft)) == digest(state(shuffled(draft, random.Random(seed))))


@pytest.mark.parametrize(
    "other",
    [
        state({"t": []}),
        state({}, canvas={"w": 1}),
        state({}, uploads=({"name": "a"},)),
        state({}, generated=({"name": "a"},)),
        state(None),
    ],
)
def test_whatever_an_edit_can_change_changes_the_fingerprint(other):
    assert digest(other) != digest(state({}))


def test_the_place_of_a_thing_counts():
    assert digest(state({}, uploads=({"a": 1},))) != digest(state({}, generated=({"a": 1},)))


# --- the summary ------------------------------------------------------------------------------------------------------


def test_a_track_is_told_in_one_line():
    draft = {
        "t": [
            {"tt": 0, "sg": [{"d": 1500, "m": {"name": "clip.mp4"}}, {"d": 500.0}]},
            {"tt": 1, "d": 3000, "m": {"title": "BGM", "bgm_volume": 0.3}},
            {"tt": 7, "m": {"name": "Golden Hour"}, "sg": [{}]},
            {"tt": 99},
            "no track",
        ]
    }
    video, audio, text, other = summarize(draft)
    assert (video["index"], video["kind"], video["name"], video["duration_ms"]) == (1, "video", "clip.mp4", 2000)
    assert video["segments"] == 2
    assert (audio["kind"], audio["name"], audio["duration_ms"], audio["volume"]) == ("audio", "BGM", 3000, 0.3)
    assert (text["kind"], text["name"], text["duration_ms"]) == ("text", "Golden Hour", None)
    assert (other["kind"], other["index"], other["segments"]) == ("other", 4, 0)


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        (None, False),
        ({}, False),
        ({"t": []}, False),
        ({"t": [{"sg": []}]}, False),
        ({"t": [{"sg": ["x"]}]}, False),
        ({"t": [{}, {"sg": [{}]}]}, True),
    ],
)
def test_a_timeline_can_be_exported_once_a_track_has_a_segment(draft, expected):
    assert is_exportable(draft) is expected


def test_a_name_as_long_as_a_book_is_cut():
    [track] = summarize({"t": [{"m": {"name": "x" * 100_000}}]})
    assert len(track["name"]) <= 1000
