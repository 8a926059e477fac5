"""What receivers had, held against what there was to be had. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.hooks import Hook


@dataclass(frozen=True, slots=True)
class Expected:
    """An event by its id: the path it has to come to, its job, and its number there."""

    path: str
    job_id: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How the two differ.

    `missing` never came where they belong; `strangers` came and belong nowhere, or elsewhere; `repeats` came again.
    `inversions`: a first try of an event before that of an earlier one of its job. `gaps`: numbers that an endpoint
    skipped, or gave to two events.
    """

    missing: int
    strangers: int
    repeats: int
    inversions: int
    gaps: int


def compare(expected: Mapping[str, Expected], hooks: Iterable[Hook]) -> View:
    """Hold what came, in the order it came, against what had to."""
    first: dict[str, Hook] = {}
    strangers = repeats = inversions = 0
    newest: dict[tuple[str, str], int] = {}
    for hook in hooks:
        event = expected.get(hook.id)
        if event is None or event.path != hook.path:
            strangers += 1
        elif hook.id in first:
            repeats += 1
        else:
            first[hook.id] = hook
            key = (event.path, event.job_id)
            inversions += event.seq < newest.get(key, 0)
            newest[key] = max(event.seq, newest.get(key, 0))
    return View(
        missing=len(expected) - len(first),
        strangers=strangers,
        repeats=repeats,
        inversions=inversions,
        gaps=sum(gaps(numbers) for numbers in _numbers(first.values()).values()),
    )


def gaps(numbers: Sequence[int]) -> int:
    """How many of 1 to the largest are not there, and how many are there again."""
    there = set(numbers)
    return max(there, default=0) - len(there) + len(numbers) - len(there)


def _numbers(hooks: Iterable[Hook]) -> Mapping[str, list[int]]:
    """By endpoint, the numbers that it gave; nothing of one that gives none."""
    found: dict[str, list[int]] = defaultdict(list)
    for hook in hooks:
        if hook.delivery_seq is not None:
            found[hook.path].append(hook.delivery_seq)
    return found
