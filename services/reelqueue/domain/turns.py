"""The intent of a paid turn, and what was seen before it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reelqueue.domain.upstream import TurnReport


class TurnState(enum.StrEnum):
    """Where an intent stands. From `sending` on the instruction is never sent again, by anybody.

    The one way back to `ready` is proof, by the process that held the connection, that the instruction was not taken:
    no byte of the request left us, or the upstream refused it by name before it began.
    """

    READY = "ready"
    SENDING = "sending"
    FINISHED = "finished"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The session as it was read once: enough to tell later whether, and how, it changed.

    `timeline` is the summary of the draft's tracks, `digest` covers the draft and the media lists, `available` and
    `frozen` are credits, or `None` where the balance could not be read.
    """

    digest: str
    timeline: tuple[Mapping[str, Any], ...]
    exportable: bool
    available: float | None
    frozen: float | None

    @property
    def total(self) -> float | None:
        """Available and frozen credits together."""
        return None if self.available is None or self.frozen is None else self.available + self.frozen


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One instruction's turn of a job."""

    job_id: str
    position: int
    state: TurnState
    before: Snapshot
    sent_at: datetime | None
    observations: int
    """How often the session was looked at since the stream broke."""
    last_seen: Snapshot | None
    """What the last of those looks saw."""
    report: TurnReport | None
    """What the stream said, where it was heard to its end."""
