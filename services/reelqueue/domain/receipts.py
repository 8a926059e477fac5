"""What one instruction did, as the job shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from reelqueue.domain.change_words import change_text, crowded_kinds
from reelqueue.domain.gui_talk import translate_all
from reelqueue.domain.lenient import as_count
from reelqueue.domain.outcomes import turn_outcome
from reelqueue.domain.timeline import Track
from reelqueue.domain.timeline_changes import Change, ChangeKind, Difference, compare
from reelqueue.domain.timeline_rows import track_document
from reelqueue.domain.timeline_words import track_text
from reelqueue.domain.turns import Snapshot
from reelqueue.domain.unasked import unasked
from reelqueue.domain.upstream import TurnReport

MOST_CHANGES: Final = 60
"""How many changes a receipt tells one by one."""


def receipt(
    instruction: int,
    before: Snapshot,
    after: Snapshot | None,
    report: TurnReport | None,
    *,
    asked: str | None = None,
) -> Mapping[str, Any]:
    """The receipt of an instruction (1-based); `asked` is its text.

    `verdict` is `changed` or `unchanged` by the two snapshots, `undetermined` where there is no second one.
    `recovered` says that the stream broke and the outcome was found by looking. `texts` are the agent's words without
    the talk of buttons, `actions` what that talk was about. `timeline` pairs and lists tracks, `changes` says each
    change by itself, `words` all of it in sentences. `unasked` are new tracks that the instruction did not ask for;
    it is `None`, as are `timeline` and `changes`, where nothing can be said.
    """
    verdict = "undetermined" if after is None else "changed" if after.digest != before.digest else "unchanged"
    now = before if verdict == "unchanged" else after
    difference = None if now is None else compare(before.seen, now.seen)
    changes = None if difference is None or now is None else _changes(difference, before, now)
    extra = None if difference is None or asked is None else unasked(difference.added, asked)
    translated = translate_all(() if report is None else report.texts)
    return {
        "instruction": instruction,
        "verdict": verdict,
        "outcome": turn_outcome(report, changed=None if after is None else verdict == "changed").value,
        "recovered": report is None,
        "texts": list(translated.texts),
        "actions": list(translated.hints),
        "tools": [] if report is None else list(report.tools),
        "heartbeats": None if report is None else report.heartbeats,
        "timeline": None if difference is None else _timeline(difference),
        "changes": None if changes is None else changes[:MOST_CHANGES],
        "unasked": None if extra is None else [track_document(track) for track in extra],
        "words": list(_words(verdict, changes, extra or (), before, after)),
        "credits": _credits(before, after),
    }


def _timeline(difference: Difference) -> dict[str, Any]:
    return {
        "added": [track_document(track) for track in difference.added[:MOST_CHANGES]],
        "removed": [track_document(track) for track in difference.removed[:MOST_CHANGES]],
        "changed": [
            {"before": track_document(old), "after": track_document(new)}
            for old, new in difference.changed[:MOST_CHANGES]
        ],
    }


def _changes(difference: Difference, before: Snapshot, after: Snapshot) -> list[dict[str, Any]]:
    crowded = crowded_kinds(before.seen.tracks, after.seen.tracks)
    found = (*difference.changes, *_media_changes(before, after))
    return [_change_document(change, change_text(change, crowded)) for change in found]


def _change_document(change: Change, text: str) -> dict[str, Any]:
    track = change.track
    return {
        "change": change.kind.value,
        "track": None if track is None else {"index": track.index, "kind": track.kind.value, "name": track.name},
        "segment": change.place,
        "before": change.before,
        "after": change.after,
        "text": text,
    }


def _media_changes(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    """How the session's media lists grew or shrank. A snapshot without facts does not know what it had."""
    for kind in (ChangeKind.UPLOADS, ChangeKind.GENERATED):
        counts = [as_count((seen.facts or {}).get(kind.value)) for seen in (before, after)]
        if None not in counts and counts[0] != counts[1]:
            yield Change(kind=kind, before=counts[0], after=counts[1])


def _words(
    verdict: str,
    changes: list[dict[str, Any]] | None,
    extra: tuple[Track, ...],
    before: Snapshot,
    after: Snapshot | None,
) -> Iterator[str]:
    if changes is None:
        yield "What changed is not known"
    elif changes:
        yield from (change["text"] for change in changes[:MOST_CHANGES])
        if len(changes) > MOST_CHANGES:
            yield f"And {len(changes) - MOST_CHANGES} more changes"
    elif verdict == "changed":
        yield "Something changed that the known parts of the timeline do not show"
    else:
        yield "Nothing changed"
    if extra:
        yield f"Not asked for: {'; '.join(track_text(track) for track in extra[:MOST_CHANGES])}"
    known = after is not None and before.available is not None and after.available is not None
    if after is not None and known and before.available != after.available:
        yield f"Credits {before.available:.12g} -> {after.available:.12g}"


def _credits(before: Snapshot, after: Snapshot | None) -> dict[str, float | None]:
    return {
        "before": before.available,
        "after": None if after is None else after.available,
        "frozen_before": before.frozen,
        "frozen_after": None if after is None else after.frozen,
    }
