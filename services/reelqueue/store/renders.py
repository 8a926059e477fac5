"""Exports, by ids of our own choosing that are stored before anyone else sees them."""

from __future__ import annotations

from sqlalchemy import RowMapping, Update, func, literal, select, update
from sqlalchemy.dialects.postgresql import distinct_on, insert

from reelqueue.domain.claims import Claim, ClaimLost
from reelqueue.domain.sessions import Render, RenderState
from reelqueue.store.engine import Database
from reelqueue.store.fence import still_held
from reelqueue.store.tables import renders


class Renders:
    """The exports of jobs. Every write is fenced by the claim."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self, job_id: str) -> dict[int, Render]:
        """The latest export of each of the job's outputs that has one, by the output's index."""
        statement = (
            select(renders)
            .where(renders.c.job_id == job_id)
            .ext(distinct_on(renders.c.output_index))
            .order_by(renders.c.output_index, renders.c.attempt.desc())
        )
        with self._database.statement() as connection:
            rows = connection.execute(statement).mappings().all()
        return {row["output_index"]: _render_from(row) for row in rows}

    def open_of(self, job_id: str) -> list[Render]:
        """The job's exports that may run upstream, oldest first."""
        running = renders.c.state.in_((RenderState.PREPARED, RenderState.SUBMITTED))
        statement = select(renders).where(renders.c.job_id == job_id, running).order_by(renders.c.attempt)
        with self._database.statement() as connection:
            return [_render_from(row) for row in connection.execute(statement).mappings()]

    def prepare(self, claim: Claim, render_id: str, *, output_index: int, attempt: int) -> Render:
        """Store an id before it is used. Raises `ClaimLost`, also when this attempt has an id already."""
        source = select(*(literal(v) for v in (render_id, claim.job.id, claim.job.tenant_id)))
        statement = (
            insert(renders)
            .from_select(
                ["id", "job_id", "tenant_id", "output_index", "attempt"],
                source.add_columns(literal(output_index), literal(attempt)).where(still_held(claim)),
            )
            .on_conflict_do_nothing()
            .returning(renders)
        )
        with self._database.statement() as connection:
            row = connection.execute(statement).mappings().first()
        if row is None:
            raise ClaimLost(claim.job.id)
        return _render_from(row)

    def submitted(self, claim: Claim, render: Render) -> None:
        """The upstream has it. Raises `ClaimLost`."""
        self._write(claim, self._of(claim, render).values(state=RenderState.SUBMITTED, submitted_at=func.now()))

    def polled(self, claim: Claim, render: Render) -> None:
        """Count a poll. Raises `ClaimLost`."""
        self._write(claim, self._of(claim, render).values(polls=renders.c.polls + 1))

    def completed(self, claim: Claim, render: Render, url: str | None) -> None:
        """The file is ready; `url` says where, if the upstream said so. Raises `ClaimLost`."""
        self._write(claim, self._of(claim, render).values(state=RenderState.COMPLETED, url=url))

    def failed(self, claim: Claim, render: Render) -> None:
        """The upstream gave up on it. Raises `ClaimLost`."""
        self._write(claim, self._of(claim, render).values(state=RenderState.FAILED))

    @staticmethod
    def _of(claim: Claim, render: Render) -> Update:
        return update(renders).where(
            renders.c.id == render.id, renders.c.tenant_id == claim.job.tenant_id, still_held(claim)
        )

    def _write(self, claim: Claim, statement: Update) -> None:
        with self._database.statement() as connection:
            if connection.execute(statement).rowcount != 1:
                raise ClaimLost(claim.job.id)


def _render_from(row: RowMapping) -> Render:
    return Render(
        id=row["id"],
        job_id=row["job_id"],
        output_index=row["output_index"],
        attempt=row["attempt"],
        state=RenderState(row["state"]),
        polls=row["polls"],
        url=row["url"],
        created_at=row["created_at"],
        submitted_at=row["submitted_at"],
    )
