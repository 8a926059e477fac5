"""What an edit did to a timeline, as typed changes.

A track is found again by what it is, not by where it lies: first by its whole content, then by kind and name, and only
what is left over by its place among its kind. So a track that went does not make its neighbours look changed.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from reelqueue.domain.pairing import Pairing, pair_up
from reelqueue.domain.timeline import Kind, Segment, Timeline, Track
from reelqueue.domain.timeline_rows import segment_document, track_document


class ChangeKind(enum.StrEnum):
    """What changed. The values on both sides are in `Change.before` and `Change.after`."""

    TRACK_ADDED = "track_added"
    """`after`: the track."""
    TRACK_REMOVED = "track_removed"
    """`before`: the track."""
    TRACKS_REORDERED = "tracks_reordered"
    NAME = "name"
    """Names. Of a text track the name is what the picture shows."""
    DURATION = "duration"
    """Milliseconds, all segments of the track together."""
    PLACE = "place"
    """`[start, end]` in milliseconds."""
    VOLUME = "volume"
    """Fractions; `null` where no volume is given."""
    SEGMENT_ADDED = "segment_added"
    SEGMENT_REMOVED = "segment_removed"
    SEGMENT_CHANGED = "segment_changed"
    """Segments, with their length, place, name and text."""
    SEGMENT_COUNT = "segment_count"
    """How many there are, of a timeline too large to tell which."""
    OTHER_DETAIL = "other_detail"
    """Something the known keys do not show, such as a style: the track's fingerprint is another."""
    TITLE = "title"
    LENGTH = "length"
    """Milliseconds of the whole timeline, where no video track tells it already."""
    SIZE = "size"
    """`[width, height]` in pixels."""
    UPLOADS = "uploads"
    GENERATED = "generated"
    """How many files the session has been given, and how many it has made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change. `track` is where it happened, as it is now (a removed one: as it was); `before` and `after` are JSON.

    `place` is the number of the segment it happened to, from 1.
    """

    kind: ChangeKind
    track: Track | None = None
    place: int | None = None
    before: Any = None
    after: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Everything that differs. `changed` pairs tracks that are on both sides and not alike."""

    added: tuple[Track, ...]
    removed: tuple[Track, ...]
    changed: tuple[tuple[Track, Track], ...]
    changes: tuple[Change, ...]


def compare(before: Timeline, after: Timeline) -> Difference:
    """What lies between two looks at a timeline."""
    found = pair_up(before.tracks, after.tracks, _by_content, _by_name, _by_kind)
    per_pair = [(pair, tuple(_track_changes(*pair))) for pair in found.pairs]
    changes = [Change(kind=ChangeKind.TRACK_ADDED, track=t, after=track_document(t)) for t in found.new]
    changes += [Change(kind=ChangeKind.TRACK_REMOVED, track=t, before=track_document(t)) for t in found.gone]
    changes += [change for _, made in per_pair for change in made]
    if _is_reordered([old.index for old, _ in found.pairs]):
        changes.append(Change(kind=ChangeKind.TRACKS_REORDERED))
    return Difference(
        added=found.new,
        removed=found.gone,
        changed=tuple(pair for pair, made in per_pair if made),
        changes=(*changes, *_whole_changes(before, after, found)),
    )


def _by_content(track: Track) -> Hashable | None:
    return None if track.mark is None else (track.kind, track.mark)


def _by_name(track: Track) -> Hashable | None:
    return None if track.name is None else (*_kind_key(track), track.name)


def _by_kind(track: Track) -> Hashable | None:
    return _kind_key(track)


def _kind_key(track: Track) -> tuple[Kind, int | None]:
    return track.kind, track.type_code if track.kind is Kind.OTHER else None


def _is_reordered(places: Sequence[int]) -> bool:
    return any(later < earlier for earlier, later in pairwise(places))


def _track_changes(old: Track, new: Track) -> Iterator[Change]:
    made = [*_own_changes(old, new), *_segment_changes(old, new)]
    if not made and old.mark is not None and new.mark is not None and old.mark != new.mark:
        made = [Change(kind=ChangeKind.OTHER_DETAIL, track=new)]
    yield from made


def _own_changes(old: Track, new: Track) -> Iterator[Change]:
    if old.name != new.name:
        yield Change(kind=ChangeKind.NAME, track=new, before=old.name, after=new.name)
    if old.duration_ms != new.duration_ms:
        yield Change(kind=ChangeKind.DURATION, track=new, before=old.duration_ms, after=new.duration_ms)
    if _has_moved(old, new):
        yield Change(
            kind=ChangeKind.PLACE,
            track=new,
            before=[old.start_ms, old.end_ms],
            after=[new.start_ms, new.end_ms],
        )
    if old.volume != new.volume:
        yield Change(kind=ChangeKind.VOLUME, track=new, before=old.volume, after=new.volume)


def _has_moved(old: Track, new: Track) -> bool:
    """Whether the track lies elsewhere, beyond what its new length explains. A row of old may not say where it lay."""
    if None in {old.start_ms, new.start_ms}:
        return False
    return old.start_ms != new.start_ms or (old.duration_ms == new.duration_ms and old.end_ms != new.end_ms)


def _segment_changes(old: Track, new: Track) -> Iterator[Change]:
    if not (old.is_whole and new.is_whole):
        if old.segment_count != new.segment_count:
            yield Change(kind=ChangeKind.SEGMENT_COUNT, track=new, before=old.segment_count, after=new.segment_count)
        return
    numbered = [(place, segment) for place, segment in enumerate(new.segments, start=1)]
    earlier = [(place, segment) for place, segment in enumerate(old.segments, start=1)]
    found = pair_up(earlier, numbered, _segment_content, _segment_label, lambda _: True)
    for place, segment in found.new:
        yield Change(kind=ChangeKind.SEGMENT_ADDED, track=new, place=place, after=segment_document(segment))
    for place, segment in found.gone:
        yield Change(kind=ChangeKind.SEGMENT_REMOVED, track=new, place=place, before=segment_document(segment))
    single = len(earlier) == len(numbered) == 1
    for (_, was), (place, segment) in found.pairs:
        if _is_told(was, segment, old, new) if single else _is_alike(was, segment):
            continue
        yield Change(
            kind=ChangeKind.SEGMENT_CHANGED,
            track=new,
            place=place,
            before=segment_document(was),
            after=segment_document(segment),
        )


def _segment_content(numbered: tuple[int, Segment]) -> Hashable | None:
    return numbered[1].mark


def _segment_label(numbered: tuple[int, Segment]) -> Hashable | None:
    segment = numbered[1]
    return None if segment.name is None and segment.text is None else (segment.name, segment.text)


def _is_alike(old: Segment, new: Segment) -> bool:
    """Whether a segment of several is the same piece. Where it lies follows from the others, and is not compared."""
    return (old.duration_ms, old.name, old.text) == (new.duration_ms, new.name, new.text)


def _is_told(was: Segment, now: Segment, old: Track, new: Track) -> bool:
    """Whether the track's own changes tell all of the change of its only segment."""
    if was.name == now.name and was.text == now.text:
        return True
    return {was.name, was.text} <= {old.name, None} and {now.name, now.text} <= {new.name, None}


def _whole_changes(before: Timeline, after: Timeline, found: Pairing[Track]) -> Iterator[Change]:
    """What the draft says of the whole. Where it said nothing before, the new tracks are the news."""
    if before.title is not None and before.title != after.title:
        yield Change(kind=ChangeKind.TITLE, before=before.title, after=after.title)
    old_size, new_size = (before.width, before.height), (after.width, after.height)
    if None not in old_size and None not in new_size and old_size != new_size:
        yield Change(kind=ChangeKind.SIZE, before=list(old_size), after=list(new_size))
    lengths = (before.duration_ms, after.duration_ms)
    told = [(old.duration_ms, new.duration_ms) for old, new in found.pairs if new.kind is Kind.VIDEO]
    if None not in lengths and before.duration_ms != after.duration_ms and lengths not in told:
        yield Change(kind=ChangeKind.LENGTH, before=before.duration_ms, after=after.duration_ms)
