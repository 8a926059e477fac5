"""Which events an endpoint wants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from reelqueue.domain.jobs import TERMINAL_EVENTS, EventType

DEFAULT_EVENT_TYPES: Final = tuple(sorted(TERMINAL_EVENTS))
"""What an endpoint gets when it does not say: how each job ended."""

PATTERNS: Final = frozenset({"*", "job.*", *EventType})


def wants(patterns: Iterable[str], event: EventType) -> bool:
    """Whether one of the patterns names the event: by name, `job.*` or `*`."""
    return any(pattern in (event, "*") or (pattern == "job.*" and event.startswith("job.")) for pattern in patterns)
