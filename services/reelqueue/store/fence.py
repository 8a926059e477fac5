"""The condition that makes a worker's writes safe: the job is still held under this claim."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Text, bindparam, exists, select

from reelqueue.domain.claims import Claim
from reelqueue.store.tables import jobs

HELD_JOB: Final = bindparam("held_job", type_=Text)
"""The claim's job, in the statements that `held` gives the parameters of."""
ITSELF_HELD: Final = (
    jobs.c.id == HELD_JOB,
    jobs.c.lease_epoch == bindparam("held_epoch"),
    jobs.c.lease_owner == bindparam("held_by"),
)
"""The job's row, while the claim's epoch stands."""
HELD: Final = exists(select(jobs.c.id).where(*ITSELF_HELD))
"""True while the claim's epoch stands. Put it into the WHERE of every write beside the job's row itself."""


def held(claim: Claim) -> dict[str, Any]:
    """The parameters of these conditions. They are none of the condition, so that a statement is built only once."""
    return {"held_job": claim.job.id, "held_epoch": claim.epoch, "held_by": claim.worker_id}
