"""What whoever follows a job is told of at once."""

from __future__ import annotations

from dataclasses import dataclass

from reelqueue.domain.jobs import Job, JobEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class JobNews:
    """A job and the events that follow a place in its history, as many as were asked for.

    The events were read after the job, so none is missing that its `event_seq` counts. `version` is a word that is
    another one after each change of the job's row.
    """

    job: Job
    version: str
    events: tuple[JobEvent, ...]
