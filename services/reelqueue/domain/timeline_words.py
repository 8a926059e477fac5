"""A timeline in words, after the pattern that every document of the upstream's shows (contract §7.1)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from reelqueue.domain.timeline import Kind, Timeline, Track

LABELS: Final[Mapping[Kind, str]] = MappingProxyType(
    {Kind.VIDEO: "Video", Kind.AUDIO: "BGM", Kind.TEXT: "Title", Kind.OTHER: "Other"}
)
MOST_TRACKS_TOLD: Final = 40


def timeline_text(timeline: Timeline) -> str:
    """`Timeline (2 tracks): 1. Video: city timelapse (0-10s) 2. BGM: Lo-fi (0-10s, 35%)`; a very long one is cut."""
    count = timeline.track_count
    told = timeline.tracks[:MOST_TRACKS_TOLD]
    lines = [f"{track.index}. {track_text(track)}" for track in told]
    head = f"Timeline ({count} {'track' if count == 1 else 'tracks'})"
    rest = [f"and {count - len(told)} more"] if count > len(told) else []
    return f"{head}: {' '.join(lines + rest)}" if lines else head


def track_text(track: Track) -> str:
    """`Video: city timelapse (0-10s)`; a title in quotes; the volume where it is known."""
    return f"{LABELS[track.kind]}: {named(track)}{extent(track)}"


def named(track: Track) -> str:
    """The track's name as it is told: quoted where it is what the picture shows."""
    return label(track.kind, track.name)


def label(kind: Kind, name: str | None) -> str:
    """A name as it is told in a track of this kind."""
    if name is None:
        return "untitled"
    return f'"{name}"' if kind is Kind.TEXT else name


def extent(track: Track) -> str:
    """` (0-10s, 35%)`, as far as it is known, else nothing."""
    known = [span(track.start_ms, track.end_ms), None if track.volume is None else percent(track.volume)]
    parts = [part for part in known if part is not None]
    return f" ({', '.join(parts)})" if parts else ""


def span(start_ms: int | None, end_ms: int | None) -> str | None:
    """`0-10s`, where both ends are known."""
    return None if start_ms is None or end_ms is None else f"{_number(start_ms)}-{seconds(end_ms)}"


def seconds(milliseconds: int) -> str:
    """`1.5s`: every digit that counts, no more."""
    return f"{_number(milliseconds)}s"


def percent(volume: float) -> str:
    """`35%`."""
    return f"{volume * 100:.2f}".rstrip("0").rstrip(".") + "%"


def _number(milliseconds: int) -> str:
    whole, rest = divmod(milliseconds, 1000)
    return f"{whole}.{rest:03d}".rstrip("0").rstrip(".")
