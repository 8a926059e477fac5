"""Which events an endpoint wants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from reelqueue.domain.breakers import UpstreamEventType
from reelqueue.domain.jobs import OUTCOME_EVENTS, EventType

DEFAULT_EVENT_TYPES: Final = tuple(sorted(OUTCOME_EVENTS))
"""What an endpoint gets when it does not say: how each job ended, and what arrived afterwards."""

PATTERNS: Final = frozenset({"*", "job.*", "batch.*", "upstream.*", *EventType, *UpstreamEventType})


def patterns_of(event: EventType | UpstreamEventType) -> frozenset[str]:
    """What names the event: its name, its family (such as `job.*`) and `*`."""
    return frozenset({event.value, event.partition(".")[0] + ".*", "*"})


def wants(patterns: Iterable[str], event: EventType) -> bool:
    """Whether one of the patterns names the event."""
    return not patterns_of(event).isdisjoint(patterns)
