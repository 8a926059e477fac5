"""Sending an endpoint again what happened in a span of time."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

MOST_EVENTS: Final = 10_000
"""Most events of one replay. Who missed more asks for one span after the other, and the receiver gets time to breathe;
or reads the feed, which is faster."""
COUNTED: Final = 100_000
"""So far is counted; beyond it is only said that there are more."""
KEY_HOLDS_S: Final = 86_400
"""For how long a repeat with the same `Idempotency-Key` is the same replay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayWish:
    """The events that are asked for: written from `since` on and before `until`; before now where that is `None`.

    `types` are the names of event types; `None`: what the endpoint is subscribed to. Its metadata filter holds for
    both.
    """

    since: datetime
    until: datetime | None = None
    types: frozenset[str] | None = None

    def fingerprint(self) -> str:
        """A digest that two wishes share if and only if they are the same."""
        until = None if self.until is None else self.until.isoformat()
        types = None if self.types is None else sorted(self.types)
        asked = json.dumps([self.since.isoformat(), until, types])
        return hashlib.sha256(asked.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayCount:
    """How many events a wish names before `until`, and how many of them are on their way to the endpoint anyway.

    Both stop at `COUNTED`; then `more` is true.
    """

    until: datetime
    events: int
    pending: int
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A replay that was carried out. `queued` of its events were put on their way by it, and by nobody else.

    `replayed`: another request with the same key began it.
    """

    count: ReplayCount
    queued: int
    replayed: bool = False
