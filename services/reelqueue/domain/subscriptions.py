"""Which events an endpoint wants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from reelqueue.domain.event_types import EVENT_TYPES, FAMILIES, AnyEventType, family_of
from reelqueue.domain.jobs import OUTCOME_EVENTS

DEFAULT_EVENT_TYPES: Final = tuple(sorted(OUTCOME_EVENTS))
"""What an endpoint gets when it does not say: how each job ended, and what arrived afterwards."""

PATTERNS: Final = frozenset({"*", *FAMILIES, *EVENT_TYPES})


def patterns_of(event: AnyEventType) -> frozenset[str]:
    """What names the event: its name, its family (such as `job.*`) and `*`."""
    return frozenset({event.value, family_of(event), "*"})


def types_named(patterns: Iterable[str]) -> frozenset[str]:
    """The names of all event types that the patterns name."""
    wanted = frozenset(patterns)
    return frozenset(name for name, kind in EVENT_TYPES.items() if patterns_of(kind) & wanted)


def wants(patterns: Iterable[str], event: AnyEventType) -> bool:
    """Whether one of the patterns names the event."""
    return not patterns_of(event).isdisjoint(patterns)
