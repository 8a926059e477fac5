"""Where a retry begins: at the step that failed, in the same session where that holds what was paid for.

Pure. What the rows say comes in as a `PastJob`; the use case (`jobs/retry.py`) makes a job of the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from reelqueue.domain.jobs import Job, Status
from reelqueue.errors import SessionNotFound, StateConflict

RETRYABLE: Final = frozenset({Status.FAILED, Status.CANCELED})
_PAYS_TWICE: Final = (
    "An instruction of this job may have been carried out and charged: a retry may pay for it twice. "
    'Send {"accept_double_charge": true} to do it all the same.'
)
_TIMELINE_GONE: Final = (
    "The session that holds this job's edits is gone, so all its instructions would be paid for again. "
    'Send {"accept_double_charge": true} to begin anew.'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastJob:
    """A job that has ended, and what its other rows say of how far it came."""

    job: Job
    open_turn: bool
    """A turn was sent whose outcome is not on the bill."""
    moved_on: bool
    """The job went on to `instruction_index`, or to the export: the turn before did not end it."""
    project_ready: bool
    project_is_older: bool
    """The project was there before the job: its first instruction already found a timeline."""
    version: int | None = None
    """The newest version of the project's draft that the job left behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """The instruction that is next (their number: the export), and whether the job's session is used again."""

    instruction_index: int
    same_project: bool
    version: int | None = None
    """What a retry from the export on exports; `None`: the draft as it is now."""


def beginning(past: PastJob, *, accept_double_charge: bool) -> Beginning:
    """Where a retry begins.

    A turn that is known to have failed is taken again; it is on the old job's bill. A turn whose outcome is not known
    is taken again only if the owner accepts that it may be paid for twice. Raises `StateConflict`.
    """
    job = past.job
    if job.status not in RETRYABLE:
        raise StateConflict(f"Only a failed or a canceled job can be retried; this one is {job.status}.")
    if past.open_turn and not accept_double_charge:
        raise StateConflict(_PAYS_TWICE)
    index = job.instruction_index
    if not past.moved_on and any(one.get("instruction") == index for one in job.receipts):
        index -= 1
    version = (job.version or past.version) if index >= len(job.instructions) else None
    if version is not None:
        # The version is ours: it is exported whatever became of the session.
        return Beginning(instruction_index=index, same_project=True, version=version)
    if index == 0 and not past.project_is_older:
        return Beginning(instruction_index=0, same_project=False)
    lost = job.error is not None and job.error.code == SessionNotFound.code
    if past.project_ready and not lost:
        return Beginning(instruction_index=index, same_project=True)
    if past.project_is_older:
        raise StateConflict("The session of this job's project is gone: what it was to go on with is lost.")
    if not accept_double_charge:
        raise StateConflict(_TIMELINE_GONE)
    return Beginning(instruction_index=0, same_project=False)


def retry_from(job: Job) -> tuple[Literal["queued", "instructing", "rendering"], bool] | None:
    """With which status's work a retry began, and whether it is free; `None` for a job that is none.

    Each turn that is settled leaves a receipt, so the first one tells where the job began.
    """
    if job.retried_from is None:
        return None
    first = int(job.receipts[0]["instruction"]) - 1 if job.receipts else job.instruction_index
    if not job.instructions:
        return ("queued" if job.version is None else "rendering"), True
    if first >= len(job.instructions):
        return "rendering", True
    return ("instructing" if first > 0 else "queued"), False
