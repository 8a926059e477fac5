"""What a worker hears when it renews its leases."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """`wanted` are the ids of its jobs whose cancel was asked for; `alive` counts all live workers, itself included."""

    wanted: frozenset[str] = frozenset()
    alive: int = 1
