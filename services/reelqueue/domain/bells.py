"""A doorbell: it says which row to look at, and nothing else. It may be lost or rung twice."""

from __future__ import annotations

from dataclasses import dataclass

from reelqueue.domain.jobs import Queue


@dataclass(frozen=True, slots=True)
class Bell:
    """One row to wake a worker for: a job on `stream` or `step`, a lane on `webhook`.

    `recovery`: the job has ended, and what is to be looked at is whether something arrived for it since.
    """

    queue: Queue
    id: str
    recovery: bool = False
