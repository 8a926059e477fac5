"""The intent of a paid turn, and what was seen before it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from reelqueue.domain import drafts
from reelqueue.domain.timeline import Timeline
from reelqueue.domain.timeline_rows import timeline_facts, timeline_from, track_rows
from reelqueue.domain.upstream import Balance, SessionState, TurnReport


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

    `timeline` are the rows of the draft's tracks (`timeline_rows.track_rows`), `digest` covers the draft and the media
    lists, `available` and `frozen` are credits, or `None` where the balance could not be read. `facts` is what else
    was seen: what the draft says of the whole, and how many `uploads` and `generated` media there are. Rows that were
    written before there were facts have none.
    """

    digest: str
    timeline: tuple[Mapping[str, Any], ...]
    exportable: bool
    available: float | None
    frozen: float | None
    facts: Mapping[str, Any] | None = None
    draft: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    """The draft itself, of a session that was just read. Megabytes perhaps: kept as a version, never with a turn."""

    @classmethod
    def of(cls, state: SessionState, balance: Balance | None) -> Self:
        """What is kept of one look."""
        timeline = drafts.read_timeline(state.draft)
        media = {"uploads": len(state.uploads), "generated": len(state.generated)}
        return cls(
            digest=drafts.digest(state),
            timeline=track_rows(timeline),
            exportable=drafts.is_exportable(state.draft),
            available=None if balance is None else balance.available,
            frozen=None if balance is None else balance.frozen,
            facts={**timeline_facts(timeline), **media},
            draft=state.draft,
        )

    @classmethod
    def restored(cls, value: Mapping[str, Any]) -> Self:
        """A snapshot from its row, also from one that an earlier version wrote, or a later one."""
        return cls(
            digest=value["digest"],
            timeline=tuple(value["timeline"]),
            exportable=value["exportable"],
            available=value["available"],
            frozen=value["frozen"],
            facts=value.get("facts"),
        )

    def row(self) -> dict[str, Any]:
        """What is kept of it with a turn: everything but the draft."""
        return {
            "digest": self.digest,
            "timeline": list(self.timeline),
            "exportable": self.exportable,
            "available": self.available,
            "frozen": self.frozen,
            "facts": self.facts,
        }

    @property
    def seen(self) -> Timeline:
        """The timeline, as far as it was kept."""
        return timeline_from(self.timeline, self.facts)

    def reserves_less_than(self, now: Snapshot) -> bool:
        """Whether more credits are reserved now. Others reserve on a shared token too, so it only buys time."""
        return self.frozen is not None and now.frozen is not None and now.frozen > self.frozen

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
