"""A timeline as values: what can be said of a draft without owning it. `drafts.py` reads one out of a draft."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Kind(enum.StrEnum):
    """What a track holds. `OTHER` is every type whose number is not public (contract §7.1)."""

    VIDEO = "video"
    AUDIO = "audio"
    TEXT = "text"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One piece of a track. Only the length has a public key (contract §7.1), so each of the others may be missing.

    `start_ms` is `None` where the draft does not say where the piece begins. `mark` is a fingerprint of what the
    piece is, its place and length left out: two pieces with one mark show the same thing.
    """

    start_ms: int | None
    duration_ms: int | None
    name: str | None = None
    text: str | None = None
    mark: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One track. `index` counts from 1, `type_code` is the draft's own number, `volume` is a fraction (0.35 is 35 %).

    `duration_ms` is how long all its segments are together. They lie between `start_ms` and `end_ms`; a segment that
    does not say where it begins is taken to follow the one before it. `segment_count` counts all segments; of a very
    large timeline that was stored, `segments` holds only the first. `mark` is a fingerprint of the whole track,
    unknown keys included.
    """

    index: int
    kind: Kind
    type_code: int | None
    name: str | None
    volume: float | None
    start_ms: int | None
    end_ms: int | None
    duration_ms: int | None
    segment_count: int
    segments: tuple[Segment, ...] = ()
    mark: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether `segments` holds every segment."""
        return len(self.segments) == self.segment_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A draft, read. `title`, `width` and `height` (pixels) are the draft's own, `None` where it has none.

    `duration_ms` is what the draft says, else where its last track ends. `track_count` counts all tracks; of a very
    large timeline that was stored, `tracks` holds only the first.
    """

    tracks: tuple[Track, ...]
    duration_ms: int | None = None
    title: str | None = None
    width: int | None = None
    height: int | None = None
    track_count: int = 0
