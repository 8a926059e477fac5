"""The draft and its edits."""

import copy

import pytest

from nemotwin import drafts
from nemotwin.edits import (
    AddEffect,
    AddMusic,
    AddTitle,
    Canvas,
    ChangeSpeed,
    RemoveMusic,
    RemoveTitles,
    SetDuration,
    SetVolume,
    TrimEnd,
    TrimStart,
)


@pytest.fixture
def draft():
    laid = drafts.lay(["asset:1", "asset:2", "asset:3"], ms=10_000, name="trip", canvas=Canvas(1080, 1920))
    return drafts.edited(laid, [AddTitle("Golden Hour", 3000), AddMusic("Lo-fi")])


def track(draft, kind):
    return next(track for track in draft["t"] if track["tt"] == kind)


def lengths(draft, kind):
    return [(segment["sim_start"], segment["d"]) for segment in track(draft, kind)["sg"]]


def test_pictures_share_the_time(draft):
    assert lengths(draft, drafts.VIDEO) == [(0, 3333), (3333, 3333), (6666, 3334)]
    assert draft["d"] == 10_000
    assert draft["m"] == {"title": "trip", "width": 1080, "height": 1920}


def test_only_documented_and_invented_keys(draft):
    def keys(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield key
                yield from keys(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from keys(inner)

    known = {"d", "m", "t", "tt", "sg", "title", "width", "height", "name"}
    assert {key for key in keys(draft) if not key.startswith("sim_")} <= known


def test_trim_start_moves_the_video_and_leaves_the_title(draft):
    cut = drafts.edited(draft, [TrimStart(5000)])
    assert cut["d"] == 5000
    assert lengths(cut, drafts.VIDEO) == [(0, 1666), (1666, 3334)]
    assert track(cut, drafts.VIDEO)["sg"][0]["sim_trim"] == 1667
    assert lengths(cut, drafts.AUDIO) == [(0, 5000)]
    assert lengths(cut, drafts.TEXT) == [(0, 3000)]


def test_trim_end(draft):
    cut = drafts.edited(draft, [TrimEnd(8000)])
    assert cut["d"] == 2000
    assert lengths(cut, drafts.VIDEO) == [(0, 2000)]
    assert lengths(cut, drafts.TEXT) == [(0, 2000)]


def test_a_trim_leaves_something(draft):
    assert drafts.edited(draft, [TrimStart(60_000)])["d"] == drafts.SHORTEST_MS
    assert drafts.edited(draft, [TrimEnd(60_000)])["d"] == drafts.SHORTEST_MS


@pytest.mark.parametrize(
    ("edit", "ms"), [(SetDuration(5000), 5000), (ChangeSpeed(2.0), 5000), (ChangeSpeed(0.5), 20_000)]
)
def test_stretch_keeps_the_tracks_together(draft, edit, ms):
    stretched = drafts.edited(draft, [edit])
    assert stretched["d"] == ms
    assert sum(length for _, length in lengths(stretched, drafts.VIDEO)) == ms
    assert lengths(stretched, drafts.AUDIO) == [(0, ms)]
    assert lengths(stretched, drafts.TEXT) == [(0, 3000)]


def test_music_is_replaced_and_its_volume_set(draft):
    louder = drafts.edited(draft, [AddMusic("Piano"), SetVolume(0.35)])
    assert [t["m"] for t in louder["t"] if t["tt"] == drafts.AUDIO] == [{"name": "Piano", "sim_volume": 0.35}]


def test_removals(draft):
    bare = drafts.edited(draft, [RemoveMusic(), RemoveTitles()])
    assert [t["tt"] for t in bare["t"]] == [drafts.VIDEO]


def test_edits_return_a_new_draft(draft):
    before = copy.deepcopy(draft)
    drafts.edited(draft, [AddEffect("fade"), TrimStart(1000), SetVolume(0.1)])
    assert draft == before


def test_append(draft):
    more = drafts.lay(["asset:4"], ms=5000, name="more", canvas=Canvas(1080, 1920))
    longer = drafts.appended(draft, more)
    assert longer["d"] == 15_000
    assert lengths(longer, drafts.VIDEO)[-1] == (10_000, 5000)


def test_summary(draft):
    assert drafts.summary(drafts.edited(draft, [SetVolume(0.35)])) == [
        "Video: trip (0-10s)",
        'Title: "Golden Hour" (0-3s)',
        "BGM: Lo-fi (0-10s, 35%)",
    ]


def test_ready(draft):
    assert drafts.ready(draft)
    assert not drafts.ready({})
    assert not drafts.ready({"t": [{"tt": 0, "sg": []}]})
