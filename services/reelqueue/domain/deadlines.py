"""`start_by` and `finish_by`: which jobs cannot meet them, and what becomes of a job that is late. Pure.

Until its first turn has been sent a job has cost nothing and may be given up. From then on it has: what is paid for is
exported, however late, and no further turn is paid for.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from reelqueue.domain.estimates import Estimates
from reelqueue.domain.jobs import Job, Status, is_overdue
from reelqueue.domain.verdicts import Advance, Fail, Verdict
from reelqueue.errors import DeadlineExceeded, DeadlineUnreachable


def nothing_sent(job: Job) -> bool:
    """Whether no turn of the job has been settled. With none under way either, it has cost nothing."""
    return job.billing.certainty == "exact" and not job.receipts


def started_too_late(job: Job) -> bool:
    """Whether a job that has just been taken up had to begin before that."""
    return job.start_by is not None and job.started_at is not None and job.started_at > job.start_by


def is_out_of_reach(job: Job, estimates: Estimates, now: datetime) -> bool:
    """Whether the job would end after its `finish_by` even if it were as fast as the fastest tenth of its like.

    With too little history no job is judged. One that is at work has done a part of it: its time runs from its start.
    """
    if job.finish_by is None:
        return False
    if job.finish_by < now:
        return True
    if estimates.least_s is None:
        return False
    begin = now if job.started_at is None else job.started_at
    return begin + timedelta(seconds=estimates.least_s) > job.finish_by


def late_before(job: Job, now: datetime) -> Verdict | None:
    """What becomes of a job before its next step, by the times it was given; `None`: it goes on.

    Where a turn may be under way (`instructing`), or is paid for, that comes first.
    """
    if job.status is Status.QUEUED and started_too_late(job):
        return Fail(DeadlineUnreachable())
    if job.status in (Status.QUEUED, Status.UPLOADING) and is_overdue(job, now):
        return Fail(DeadlineUnreachable())
    if job.status is Status.REQUIRES_INPUT and is_overdue(job, now):
        return instead_of_a_turn(job)
    return None


def instead_of_a_turn(job: Job) -> Verdict:
    """What a late job does in place of its next paid turn: export what is paid for, if there is anything to export."""
    if nothing_sent(job):
        return Fail(DeadlineUnreachable())
    if job.outputs and any(one["verdict"] == "changed" for one in job.receipts):
        return Advance(Status.RENDERING, data={"late": True})
    return Fail(DeadlineExceeded())
