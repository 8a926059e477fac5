"""Which events an endpoint wants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from reelqueue.domain.jobs import OUTCOME_EVENTS, EventType

DEFAULT_EVENT_TYPES: Final = tuple(sorted(OUTCOME_EVENTS))
"""What an endpoint gets when it does not say: how each job ended, and what arrived afterwards."""

PATTERNS: Final = frozenset({"*", "job.*", "batch.*", *EventType})


def wants(patterns: Iterable[str], event: EventType) -> bool:
    """Whether one of the patterns names the event: by name, `job.*`, `batch.*` or `*`."""
    family = event.partition(".")[0] + ".*"
    return any(pattern in (event, family, "*") for pattern in patterns)
