"""A change of a timeline in one short sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, assert_never

from reelqueue.domain.timeline import Kind, Track
from reelqueue.domain.timeline_changes import Change, ChangeKind
from reelqueue.domain.timeline_words import LABELS, extent, label, named, percent, seconds, span


def crowded_kinds(*timelines: Iterable[Track]) -> frozenset[Kind]:
    """The kinds of which there are several tracks at once: there a change has to say in which one it happened."""
    crowded = set()
    for tracks in timelines:
        kinds = [track.kind for track in tracks]
        crowded |= {kind for kind in kinds if kinds.count(kind) > 1}
    return frozenset(crowded)


def change_text(change: Change, crowded: frozenset[Kind] = frozenset()) -> str:
    """`Title added: "Paradise Found" (0-3s)`, `BGM volume 100% -> 35%`, `Video shortened 10s -> 5s`."""
    if change.track is None:
        return _whole_text(change)
    where = _which(change.track, crowded)
    if change.place is not None:
        return _segment_text(change, where)
    return _track_text(change, change.track, where)


def _which(track: Track, crowded: frozenset[Kind]) -> str:
    about = "Other track" if track.kind is Kind.OTHER else LABELS[track.kind]
    if track.kind not in crowded and track.kind is not Kind.OTHER:
        return about
    return f"{about} {track.index}" if track.name is None else f"{about} {label(Kind.TEXT, track.name)}"


def _track_text(change: Change, track: Track, where: str) -> str:
    about = "Other track" if track.kind is Kind.OTHER else LABELS[track.kind]
    before, after = change.before, change.after
    match change.kind:
        case ChangeKind.TRACK_ADDED:
            return f"{about} added: {named(track)}{extent(track)}"
        case ChangeKind.TRACK_REMOVED:
            return f"{about} removed: {named(track)}"
        case ChangeKind.NAME:
            verb = "changed" if track.kind is Kind.TEXT else "replaced"
            return f"{about} {verb}: {label(track.kind, before)} -> {label(track.kind, after)}"
        case ChangeKind.DURATION:
            return f"{where} {_length_text(before, after)}"
        case ChangeKind.PLACE:
            return f"{where} moved {span(*before) or 'somewhere'} -> {span(*after) or 'elsewhere'}"
        case ChangeKind.VOLUME:
            return f"{where} volume {_volume_text(before)} -> {_volume_text(after)}"
        case ChangeKind.SEGMENT_COUNT:
            return f"{where}: {before} -> {after} segments"
        case _:
            return f"{where} changed in a detail such as its style"


def _segment_text(change: Change, where: str) -> str:
    before, after = change.before, change.after
    match change.kind:
        case ChangeKind.SEGMENT_ADDED:
            return f"{where} segment added: {_piece(after)}"
        case ChangeKind.SEGMENT_REMOVED:
            return f"{where} segment removed: {_piece(before)}"
        case _:
            labels = [_piece_label(before), _piece_label(after)]
            if labels[0] != labels[1]:
                return f"{where} segment {change.place} changed: {labels[0]} -> {labels[1]}"
            return f"{where} segment {change.place} {_length_text(before['duration_ms'], after['duration_ms'])}"


def _whole_text(change: Change) -> str:
    before, after = change.before, change.after
    match change.kind:
        case ChangeKind.TRACKS_REORDERED:
            return "Tracks put in another order"
        case ChangeKind.TITLE:
            return f"Timeline renamed: {before} -> {'untitled' if after is None else after}"
        case ChangeKind.LENGTH:
            return f"Timeline {_length_text(before, after)}"
        case ChangeKind.SIZE:
            return f"Picture size {before[0]}x{before[1]} -> {after[0]}x{after[1]}"
        case ChangeKind.UPLOADS:
            return f"Uploaded files {before} -> {after}"
        case ChangeKind.GENERATED:
            return f"Generated media {before} -> {after}"
        case (
            ChangeKind.TRACK_ADDED
            | ChangeKind.TRACK_REMOVED
            | ChangeKind.NAME
            | ChangeKind.DURATION
            | ChangeKind.PLACE
            | ChangeKind.VOLUME
            | ChangeKind.SEGMENT_ADDED
            | ChangeKind.SEGMENT_REMOVED
            | ChangeKind.SEGMENT_CHANGED
            | ChangeKind.SEGMENT_COUNT
            | ChangeKind.OTHER_DETAIL
        ):
            raise ValueError(f"{change.kind} happens to a track")
    assert_never(change.kind)


def _length_text(before: int | None, after: int | None) -> str:
    if before is None or after is None:
        known = [None if length is None else seconds(length) for length in (before, after)]
        return f"length {known[0] or 'unknown'} -> {known[1] or 'unknown'}"
    return f"{'shortened' if after < before else 'lengthened'} {seconds(before)} -> {seconds(after)}"


def _volume_text(volume: float | None) -> str:
    return "default" if volume is None else percent(volume)


def _piece(document: Mapping[str, Any]) -> str:
    length = document["duration_ms"]
    return _piece_label(document) + ("" if length is None else f" ({seconds(length)})")


def _piece_label(document: Mapping[str, Any]) -> str:
    text, name = document["text"], document["name"]
    return label(Kind.TEXT, text) if text is not None else label(Kind.VIDEO, name)
