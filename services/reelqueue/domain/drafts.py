"""Reading a timeline without owning it.

The draft is opaque JSON (contract §7.1): only `t`, `tt`, `sg`, `d` and `m` are known, anything may be missing, and
unknown keys are everywhere. Nothing here changes a draft, and nothing here raises on a strange one.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from reelqueue.domain.upstream import SessionState

KINDS: Final = {0: "video", 1: "audio", 7: "text"}
"""The three track types that are public (contract §7.1)."""
LONGEST_NAME: Final = 200


def digest(state: SessionState) -> str:
    """A fingerprint of everything an edit can change: the draft, the canvas and the media lists."""
    content = [state.draft, state.canvas, state.uploads, state.generated]
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=list)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def is_exportable(draft: Mapping[str, Any] | None) -> bool:
    """At least one track has a segment (contract §7.1)."""
    return any(_segments(track) for track in _tracks(draft))


def summarize(draft: Mapping[str, Any] | None) -> tuple[dict[str, Any], ...]:
    """One line a track: `{index, kind, name, duration_ms, segments, volume}`, `index` from 1."""
    return tuple(
        {
            "index": index,
            "kind": _kind(track.get("tt")),
            "name": _name(track),
            "duration_ms": _duration_ms(track),
            "segments": len(_segments(track)),
            "volume": _volume(track),
        }
        for index, track in enumerate(_tracks(draft), start=1)
    )


def compare(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """What an edit did to the tracks, place by place: `{added, removed, changed: [{before, after}]}`."""
    common = min(len(before), len(after))
    changed = [{"before": old, "after": new} for old, new in zip(before, after, strict=False) if old != new]
    return {"added": list(after[common:]), "removed": list(before[common:]), "changed": changed}


def _tracks(draft: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    tracks = draft.get("t") if isinstance(draft, Mapping) else None
    return (track for track in tracks if isinstance(track, Mapping)) if isinstance(tracks, list) else iter(())


def _kind(track_type: object) -> str:
    return KINDS.get(track_type, "other") if isinstance(track_type, int) else "other"


def _segments(track: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    segments = track.get("sg")
    return [segment for segment in segments if isinstance(segment, Mapping)] if isinstance(segments, list) else []


def _duration_ms(track: Mapping[str, Any]) -> int | None:
    lengths = [length for segment in _segments(track) if (length := _number(segment.get("d"))) is not None]
    own = _number(track.get("d"))
    total = _number(sum(lengths)) if lengths else own
    return None if total is None else int(total)


def _name(track: Mapping[str, Any]) -> str | None:
    for holder in (track.get("m"), *(segment.get("m") for segment in _segments(track)), track):
        if isinstance(holder, Mapping):
            for key in ("name", "title"):
                if isinstance(holder.get(key), str) and (name := _line(holder[key])):
                    return name
    return None


def _line(text: str) -> str:
    """The text as one line that can be stored, compared and shown: no control characters, no lone surrogates."""
    return "".join(char for char in text[: 2 * LONGEST_NAME] if char.isprintable())[:LONGEST_NAME]


def _volume(track: Mapping[str, Any]) -> float | None:
    """The volume as a fraction, if any key of the track's metadata ends in `volume`."""
    metadata = track.get("m")
    if isinstance(metadata, Mapping):
        for key, value in metadata.items():
            if isinstance(key, str) and key.endswith("volume"):
                return _number(value)
    return None


def _number(value: object) -> float | None:
    """A finite number, or nothing."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
