"""The draft: tracks and segments in the invented `sim_` keys of `contract §7.2`. Every function returns a new draft."""

import copy
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, assert_never

from nemotwin.edits import (
    AddEffect,
    AddMusic,
    AddTitle,
    Canvas,
    ChangeSpeed,
    Edit,
    RemoveMusic,
    RemoveTitles,
    SetDuration,
    SetVolume,
    TrimEnd,
    TrimStart,
)

Draft: TypeAlias = dict[str, Any]

VIDEO, AUDIO, TEXT, EFFECT = 0, 1, 7, 42
SHORTEST_MS = 500
DEFAULT_VOLUME = 0.5


def lay(sources: Sequence[str], *, ms: int, name: str, canvas: Canvas) -> Draft:
    """Lay `sources` one after the other on one video track, `ms` long together."""
    each, rest = divmod(ms, len(sources))
    segments, at = [], 0
    for place, source in enumerate(sources):
        length = each + (rest if place == len(sources) - 1 else 0)
        segments.append({"d": length, "sim_start": at, "sim_src": source})
        at += length
    return {
        "d": ms,
        "m": {"title": name, "width": canvas.width, "height": canvas.height},
        "t": [{"tt": VIDEO, "m": {"name": name}, "sg": segments}],
    }


def appended(draft: Draft, more: Draft) -> Draft:
    """Put the video of `more` behind that of `draft`."""
    result = copy.deepcopy(draft)
    track = next(track for track in result["t"] if track["tt"] == VIDEO)
    for segment in _segments(more, VIDEO):
        track["sg"].append(segment | {"sim_start": segment["sim_start"] + draft["d"]})
    result["d"] = draft["d"] + more["d"]
    return result


def edited(draft: Draft, edits: Iterable[Edit]) -> Draft:
    """Apply `edits` in order."""
    result = copy.deepcopy(draft)
    for edit in edits:
        _apply(result, edit)
    return result


def has_clip(draft: Draft) -> bool:
    """Say whether there is anything to look at on the timeline."""
    return bool(_segments(draft, VIDEO))


def ready(draft: Draft) -> bool:
    """Say whether the draft can be exported (`contract §7.1`)."""
    tracks = draft.get("t")
    return isinstance(tracks, list) and any(isinstance(track, dict) and track.get("sg") for track in tracks)


def summary(draft: Draft) -> list[str]:
    """Describe each track as the contract's timeline summaries do: `BGM: Lo-fi (0-10s, 35%)`."""
    lines = []
    labels = {VIDEO: "Video", AUDIO: "BGM", TEXT: "Title"}
    for track in draft.get("t", []):
        meta, segments = track.get("m", {}), track.get("sg", [])
        start = min((segment.get("sim_start", 0) for segment in segments), default=0)
        end = max((segment.get("sim_start", 0) + segment.get("d", 0) for segment in segments), default=0)
        name = meta.get("name", "untitled")
        if track["tt"] == TEXT:
            name = f'"{name}"'
        span = f"{start / 1000:g}-{end / 1000:g}s"
        if track["tt"] == AUDIO:
            span += f", {round(meta.get('sim_volume', DEFAULT_VOLUME) * 100)}%"
        lines.append(f"{labels.get(track['tt'], 'Effect')}: {name} ({span})")
    return lines


def _segments(draft: Draft, kind: int) -> list[dict[str, Any]]:
    return [segment for track in draft.get("t", []) if track.get("tt") == kind for segment in track.get("sg", [])]


def _apply(draft: Draft, edit: Edit) -> None:
    length = draft["d"]
    if isinstance(edit, TrimStart | TrimEnd | SetDuration | ChangeSpeed):
        _retime(draft, edit)
        return
    match edit:
        case AddTitle(text=text, ms=ms):
            segment = {"d": min(ms, length), "sim_start": 0, "sim_text": text}
            draft["t"].append({"tt": TEXT, "m": {"name": text}, "sg": [segment]})
        case AddMusic(name=name):
            _remove(draft, AUDIO)
            segment = {"d": length, "sim_start": 0, "sim_src": f"lib:{name.lower()}"}
            draft["t"].append({"tt": AUDIO, "m": {"name": name, "sim_volume": DEFAULT_VOLUME}, "sg": [segment]})
        case AddEffect(name=name):
            draft["t"].append({"tt": EFFECT, "m": {"name": name}, "sg": [{"d": length, "sim_start": 0}]})
        case RemoveTitles():
            _remove(draft, TEXT)
        case RemoveMusic():
            _remove(draft, AUDIO)
        case SetVolume(volume=volume):
            for track in draft["t"]:
                if track["tt"] == AUDIO:
                    track["m"]["sim_volume"] = volume
        case _:
            assert_never(edit)


def _retime(draft: Draft, edit: TrimStart | TrimEnd | SetDuration | ChangeSpeed) -> None:
    length = draft["d"]
    match edit:
        case TrimStart(ms=ms):
            _cut(draft, min(ms, max(length - SHORTEST_MS, 0)), length)
        case TrimEnd(ms=ms):
            _cut(draft, 0, max(length - ms, SHORTEST_MS))
        case SetDuration(ms=ms):
            _stretch(draft, max(ms, SHORTEST_MS) / length)
        case ChangeSpeed(factor=factor):
            _stretch(draft, 1 / factor)
        case _:
            assert_never(edit)


def _remove(draft: Draft, kind: int) -> None:
    draft["t"] = [track for track in draft["t"] if track["tt"] != kind]


def _cut(draft: Draft, start: int, end: int) -> None:
    """Keep the video between `start` and `end`; what lies beside it stays where it is, as long as it fits."""
    length = end - start
    for track in draft["t"]:
        kept = []
        shift = start if track["tt"] == VIDEO else 0
        for segment in track["sg"]:
            left = max(segment["sim_start"] - shift, 0)
            right = min(segment["sim_start"] + segment["d"] - shift, length)
            if right > left:
                hidden = max(shift - segment["sim_start"], 0)
                trim = {"sim_trim": segment.get("sim_trim", 0) + hidden} if hidden else {}
                kept.append(segment | {"d": right - left, "sim_start": left} | trim)
        track["sg"] = kept
    draft["t"] = [track for track in draft["t"] if track["sg"]]
    draft["d"] = length


def _stretch(draft: Draft, factor: float) -> None:
    """Make the video `factor` times as long; music and effects follow, titles keep their time as far as it fits."""
    draft["d"] = length = round(draft["d"] * factor)
    for track in draft["t"]:
        at = 0
        for segment in track["sg"]:
            if track["tt"] == VIDEO:
                segment["sim_start"], segment["d"] = at, round(segment["d"] * factor)
                at += segment["d"]
            elif track["tt"] == TEXT:
                segment["d"] = max(min(segment["d"], length - segment["sim_start"]), 1)
            else:
                segment["sim_start"], segment["d"] = 0, length
        if track["tt"] == VIDEO:
            track["sg"][-1]["d"] += length - at
