"""Which inputs of a job are up. `sending` is written before the bytes leave, so that a repeat looks first."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ARRAY, Integer, bindparam, func, update

from reelqueue.domain.claims import Claim, ClaimLost
from reelqueue.store.engine import Database
from reelqueue.store.fence import HELD, HELD_JOB, held
from reelqueue.store.tables import job_inputs

_I = job_inputs.c
_MARK: Final = (
    update(job_inputs)
    .where(
        _I.job_id == HELD_JOB,
        _I.tenant_id == bindparam("tenant"),
        _I.position == func.any(bindparam("positions", type_=ARRAY(Integer))),
        HELD,
    )
    .values(state=bindparam("now"))
)


class Uploads:
    """The upload state of a job's inputs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, claim: Claim, positions: tuple[int, ...]) -> None:
        """Mark inputs as being sent. Raises `ClaimLost`."""
        self._mark(claim, positions, "sending")

    def done(self, claim: Claim, positions: tuple[int, ...]) -> None:
        """Mark inputs as present in the session. Raises `ClaimLost`."""
        self._mark(claim, positions, "sent")

    def _mark(self, claim: Claim, positions: tuple[int, ...], state: str) -> None:
        marked = {"tenant": claim.job.tenant_id, "positions": list(positions), "now": state, **held(claim)}
        with self._database.statement() as connection:
            if connection.execute(_MARK, marked).rowcount != len(positions):
                raise ClaimLost(claim.job.id)
