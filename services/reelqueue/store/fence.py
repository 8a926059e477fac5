"""The condition that makes a worker's side writes safe: the job is still held under this claim."""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, select

from reelqueue.domain.claims import Claim
from reelqueue.store.tables import jobs


def still_held(claim: Claim) -> ColumnElement[bool]:
    """True while the claim's epoch stands. Put it into the WHERE of every write beside the job row itself."""
    return exists(
        select(jobs.c.id).where(
            jobs.c.id == claim.job.id,
            jobs.c.lease_epoch == claim.epoch,
            jobs.c.lease_owner == claim.worker_id,
        )
    )
