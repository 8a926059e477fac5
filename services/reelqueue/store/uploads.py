"""Which inputs of a job are up. `sending` is written before the bytes leave, so that a repeat looks first."""

from __future__ import annotations

from sqlalchemy import update

from reelqueue.domain.claims import Claim, ClaimLost
from reelqueue.store.engine import Database
from reelqueue.store.fence import still_held
from reelqueue.store.tables import job_inputs


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
        statement = (
            update(job_inputs)
            .where(
                job_inputs.c.job_id == claim.job.id,
                job_inputs.c.tenant_id == claim.job.tenant_id,
                job_inputs.c.position.in_(positions),
                still_held(claim),
            )
            .values(state=state)
        )
        with self._database.statement() as connection:
            if connection.execute(statement).rowcount != len(positions):
                raise ClaimLost(claim.job.id)
