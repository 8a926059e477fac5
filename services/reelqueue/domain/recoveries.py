"""Watching for what may still arrive for a job that has ended, and the one write that each look comes to.

A recovery is claimed and fenced as a job is: the claim raises its epoch, every write names the epoch it holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from reelqueue.domain.credits import Booking
from reelqueue.domain.jobs import Job
from reelqueue.domain.recovered import RecoveredFile, RecoveryKind
from reelqueue.domain.versions import NewVersion
from reelqueue.errors import DeadlineExceeded, DeadlineUnreachable, RenderTimedOut

GIVEN_UP_EARLY: Final = (DeadlineExceeded.code, DeadlineUnreachable.code, RenderTimedOut.code)
"""The errors of jobs that failed because time was over, and not because the work had failed.

A deadline ends no job for which anything runs upstream; whoever changes that finds what was paid for watched.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryClaim:
    """A recovery that this worker, and no other, may work on while its epoch stands."""

    job: Job
    kind: RecoveryKind
    worker_id: str
    epoch: int
    looks: int
    """How often was looked before."""
    age_s: float
    """Seconds since the job ended, by the database's clock."""
    seen: str | None
    """The digest of the session at the last look."""

    @property
    def crashes(self) -> int:
        """How many claims came to no record: each raised the epoch, and so did its end. A record counts as a look."""
        return (self.epoch - 1 - self.looks) // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFound:
    """How the turn of a canceled job came out: for the ledger, and for the job if it changed the draft.

    With a `version` the turn is finished and its instruction done; without one its outcome stays unknown.
    """

    booking: Booking
    position: int
    version: NewVersion | None = None
    receipt: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look came to. `again_s` is when to look next, in seconds; `None`: nothing more is to come."""

    again_s: float | None
    seen: str | None = None
    file: RecoveredFile | None = None
    failed: tuple[str, ...] = ()
    """Renders that the upstream has given up, by their ids."""
    turn: TurnFound | None = None
