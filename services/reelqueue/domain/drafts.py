"""Reading a timeline without owning it.

The draft is opaque JSON (contract §7.1): only `t`, `tt`, `sg`, `d` and `m` are known, anything may be missing, and
unknown keys are everywhere. Names, texts, volumes and places have no public key; one tolerant reader looks for keys
that end in the word. Nothing here changes a draft, and nothing here raises on a strange one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from reelqueue.domain.lenient import as_count, as_line, as_milliseconds, as_volume, is_mapping
from reelqueue.domain.timeline import Kind, Segment, Timeline, Track
from reelqueue.domain.timeline_rows import track_rows
from reelqueue.domain.upstream import SessionState

KINDS: Final[Mapping[int, Kind]] = MappingProxyType({0: Kind.VIDEO, 1: Kind.AUDIO, 7: Kind.TEXT})
"""The three track types that are public (contract §7.1)."""

_START_KEYS: Final = ("start", "start_ms")
_SOURCE_WORDS: Final = ("trim", "source", "src", "media")
"""A start with one of these in its key is a place in the material, not on the timeline."""


def digest(state: SessionState) -> str:
    """A fingerprint of everything an edit can change: the draft, the canvas and the media lists."""
    content = [state.draft, state.canvas, state.uploads, state.generated]
    return hashlib.sha256(_canonical(content)).hexdigest()


def draft_digest(draft: Mapping[str, Any]) -> str:
    """A fingerprint of the draft alone: the same timeline, the same text."""
    return hashlib.sha256(_canonical(draft)).hexdigest()


def is_exportable(draft: Mapping[str, Any] | None) -> bool:
    """At least one track has a segment (contract §7.1)."""
    return any(_segments(track) for track in _tracks(draft))


def summarize(draft: Mapping[str, Any] | None) -> tuple[dict[str, Any], ...]:
    """The tracks as rows that are kept, one a track; see `timeline_rows.track_rows`."""
    return track_rows(read_timeline(draft))


def read_timeline(draft: Mapping[str, Any] | None) -> Timeline:
    """The draft as values. What is no draft at all is an empty timeline."""
    tracks = tuple(_track(index, track) for index, track in enumerate(_tracks(draft), start=1))
    whole: Mapping[str, Any] = draft if is_mapping(draft) else {}
    metadata = _metadata(whole)
    ends = [track.end_ms for track in tracks if track.end_ms is not None]
    length = as_milliseconds(whole.get("d"))
    return Timeline(
        tracks=tracks,
        duration_ms=length if length is not None else max(ends, default=None),
        title=as_line(metadata.get("title")) or as_line(metadata.get("name")),
        width=as_count(metadata.get("width")),
        height=as_count(metadata.get("height")),
        track_count=len(tracks),
    )


def _tracks(draft: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    tracks = draft.get("t") if is_mapping(draft) else None
    return (track for track in tracks if is_mapping(track)) if isinstance(tracks, list) else iter(())


def _segments(track: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    segments = track.get("sg")
    return [segment for segment in segments if is_mapping(segment)] if isinstance(segments, list) else []


def _track(index: int, track: Mapping[str, Any]) -> Track:
    code = _type_code(track.get("tt"))
    kind = Kind.OTHER if code is None else KINDS.get(code, Kind.OTHER)
    raw = _segments(track)
    segments = tuple(_segment(segment) for segment in raw)
    start, end, length = _extent(segments, as_milliseconds(track.get("d")))
    return Track(
        index=index,
        kind=kind,
        type_code=code,
        name=_track_name(track, raw, segments),
        volume=_volume(track, raw),
        start_ms=start,
        end_ms=end,
        duration_ms=length,
        segment_count=len(segments),
        segments=segments,
        mark=_mark(track),
    )


def _segment(segment: Mapping[str, Any]) -> Segment:
    places = [key for key in segment if _is_place(key)]
    identity = {key: value for key, value in segment.items() if key != "d" and key not in places}
    holders = (segment, _metadata(segment))
    starts = (as_milliseconds(holder[key]) for holder in holders for key in sorted(holder) if _is_place(key))
    texts = (as_line(value) for holder in holders for value in _ending_in("text", holder))
    return Segment(
        start_ms=next((start for start in starts if start is not None), None),
        duration_ms=as_milliseconds(segment.get("d")),
        name=_own_name(_metadata(segment)) or _own_name(segment),
        text=next((text for text in texts if text), None),
        mark=_mark(identity),
    )


def _extent(segments: Iterable[Segment], own: int | None) -> tuple[int | None, int | None, int | None]:
    """Where a track's segments begin and end, and how long they are together, in milliseconds."""
    at, total = 0, 0
    starts: list[int] = []
    ends: list[int] = []
    for segment in segments:
        start = at if segment.start_ms is None else segment.start_ms
        if segment.duration_ms is not None:
            at = start + segment.duration_ms
            total += segment.duration_ms
            starts.append(start)
            ends.append(at)
    if ends:
        return min(starts), max(ends), total
    return (None, None, None) if own is None else (0, own, own)


def _type_code(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = int(value) if isinstance(value, int) or value.is_integer() else None
    return number if number is not None and abs(number) < 2**31 else None


def _track_name(track: Mapping[str, Any], raw: Iterable[Mapping[str, Any]], segments: Iterable[Segment]) -> str | None:
    names = (_own_name(holder) for holder in (_metadata(track), *(_metadata(segment) for segment in raw), track))
    found = next((name for name in names if name), None)
    return found or next((label for segment in segments if (label := segment.name or segment.text)), None)


def _own_name(holder: Mapping[str, Any]) -> str | None:
    return as_line(holder.get("name")) or as_line(holder.get("title"))


def _volume(track: Mapping[str, Any], raw: Iterable[Mapping[str, Any]]) -> float | None:
    """The track's volume; where only segments have one, theirs, if they agree."""
    own = _first_volume(_metadata(track), track)
    if own is not None:
        return own
    volumes = {_first_volume(_metadata(segment), segment) for segment in raw}
    return volumes.pop() if len(volumes) == 1 else None


def _first_volume(*holders: Mapping[str, Any]) -> float | None:
    volumes = (as_volume(value) for holder in holders for value in _ending_in("volume", holder))
    return next((volume for volume in volumes if volume is not None), None)


def _ending_in(word: str, holder: Mapping[str, Any]) -> Iterator[Any]:
    return (holder[key] for key in sorted(holder) if key.lower().endswith(word))


def _is_place(key: str) -> bool:
    low = key.lower()
    return low.endswith(_START_KEYS) and not any(word in low for word in _SOURCE_WORDS)


def _metadata(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = holder.get("m")
    return metadata if is_mapping(metadata) else {}


def _mark(content: Mapping[str, Any]) -> str:
    return hashlib.blake2b(_canonical(content), digest_size=6).hexdigest()


def _canonical(content: object) -> bytes:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=list)
    return text.encode("utf-8", "surrogatepass")
