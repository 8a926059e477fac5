"""The exclusive right to work a job for a time, and the write that ends it.

The database is the authority: a claim raises the job's `lease_epoch`, every write names the epoch it holds, and a
takeover raises it again. Whoever held the old number writes nothing from then on, however late it wakes up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from reelqueue.domain.jobs import EventType, Job, JobError, Question, Status, Waiting
from reelqueue.domain.verdicts import NOTHING, Learned


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A job that this worker, and no other, may work on while `job.lease_epoch` stands."""

    job: Job
    worker_id: str

    @property
    def epoch(self) -> int:
        """The fencing number on every write under this claim."""
        return self.job.lease_epoch


class ClaimLost(Exception):
    """Somebody else owns this job now, or it ended. Stop, and write nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One guarded write: everything a verdict does to the row, its event included.

    `hold`: `keep` the claim for the next step, `release` the job until `due_s` seconds from now by the database's
    clock (`None`: until somebody wakes it), or `end` it.
    """

    origin: Status
    to: Status
    hold: Literal["keep", "release", "end"]
    due_s: float | None = 0.0
    attempt: int = 0
    waiting: Waiting | None = None
    question: Question | None = None
    error: JobError | None = None
    learned: Learned = NOTHING
    event: EventType | None = None
    event_data: Mapping[str, Any] = field(default_factory=dict)
