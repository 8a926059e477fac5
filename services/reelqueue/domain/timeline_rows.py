"""A timeline as plain JSON: the rows that are kept of it, and the documents that show it.

Rows are for us: bounded, with fingerprints. Documents are public: no fingerprints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from reelqueue.domain.lenient import as_count, as_line, as_milliseconds, as_volume, is_mapping
from reelqueue.domain.timeline import Kind, Segment, Timeline, Track
from reelqueue.domain.timeline_words import timeline_text, track_text

MOST_TRACKS: Final = 200
MOST_SEGMENTS: Final = 500
"""How much of a draft of megabytes a row keeps: tracks, and segments of all tracks together."""

_KINDS: Final = frozenset(kind.value for kind in Kind)


def track_rows(timeline: Timeline) -> tuple[dict[str, Any], ...]:
    """The tracks as rows to be kept: the public document of each, its first segments, and the fingerprints."""
    rows: list[dict[str, Any]] = []
    left = MOST_SEGMENTS
    for track in timeline.tracks[:MOST_TRACKS]:
        parts = [{**_part(segment), "mark": segment.mark} for segment in track.segments[:left]]
        left -= len(parts)
        rows.append({**track_document(track), "parts": parts, "mark": track.mark})
    return tuple(rows)


def timeline_facts(timeline: Timeline) -> dict[str, Any]:
    """What is kept of a timeline beside its tracks."""
    return {
        "title": timeline.title,
        "width": timeline.width,
        "height": timeline.height,
        "duration_ms": timeline.duration_ms,
        "tracks": timeline.track_count,
    }


def timeline_from(rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Any] | None = None) -> Timeline:
    """The timeline that was kept. Rows of an earlier version may lack anything; what they lack is unknown."""
    known = facts or {}
    return Timeline(
        tracks=tuple(_track_from(place, row) for place, row in enumerate(rows, start=1)),
        duration_ms=as_milliseconds(known.get("duration_ms")),
        title=as_line(known.get("title")),
        width=as_count(known.get("width")),
        height=as_count(known.get("height")),
        track_count=max(as_count(known.get("tracks")) or 0, len(rows)),
    )


def track_document(track: Track) -> dict[str, Any]:
    """A track, public. `segments` counts them."""
    return {
        "index": track.index,
        "kind": track.kind.value,
        "type_code": track.type_code,
        "name": track.name,
        "start_ms": track.start_ms,
        "end_ms": track.end_ms,
        "duration_ms": track.duration_ms,
        "segments": track.segment_count,
        "volume": track.volume,
    }


def segment_document(segment: Segment) -> dict[str, Any]:
    """A segment, public."""
    return _part(segment)


def timeline_document(timeline: Timeline) -> dict[str, Any]:
    """The whole timeline, public, with the sentence that says it. Of each track's segments the first are `parts`."""
    tracks: list[dict[str, Any]] = []
    left = MOST_SEGMENTS
    for track in timeline.tracks[:MOST_TRACKS]:
        parts = [_part(segment) for segment in track.segments[:left]]
        left -= len(parts)
        tracks.append({**track_document(track), "parts": parts, "text": track_text(track)})
    return {
        "object": "timeline",
        "title": timeline.title,
        "width": timeline.width,
        "height": timeline.height,
        "duration_ms": timeline.duration_ms,
        "track_count": timeline.track_count,
        "tracks": tracks,
        "text": timeline_text(timeline),
    }


def _part(segment: Segment) -> dict[str, Any]:
    return {
        "start_ms": segment.start_ms,
        "duration_ms": segment.duration_ms,
        "name": segment.name,
        "text": segment.text,
    }


def _track_from(place: int, row: Mapping[str, Any]) -> Track:
    kind = row.get("kind")
    parts = row.get("parts")
    return Track(
        index=as_count(row.get("index")) or place,
        kind=Kind(kind) if isinstance(kind, str) and kind in _KINDS else Kind.OTHER,
        type_code=code if isinstance(code := row.get("type_code"), int) else None,
        name=as_line(row.get("name")),
        volume=as_volume(row.get("volume")),
        start_ms=as_milliseconds(row.get("start_ms")),
        end_ms=as_milliseconds(row.get("end_ms")),
        duration_ms=as_milliseconds(row.get("duration_ms")),
        segment_count=as_count(row.get("segments")) or 0,
        segments=tuple(_segments_from(parts if isinstance(parts, list | tuple) else ())),
        mark=as_line(row.get("mark")),
    )


def _segments_from(parts: Iterable[Any]) -> Iterable[Segment]:
    return (
        Segment(
            start_ms=as_milliseconds(part.get("start_ms")),
            duration_ms=as_milliseconds(part.get("duration_ms")),
            name=as_line(part.get("name")),
            text=as_line(part.get("text")),
            mark=as_line(part.get("mark")),
        )
        for part in parts
        if is_mapping(part)
    )
