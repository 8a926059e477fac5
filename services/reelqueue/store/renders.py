"""Exports, by ids of our own choosing that are stored before anyone else sees them."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Integer, RowMapping, Text, Update, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import distinct_on, insert

from reelqueue.domain.claims import Claim, ClaimLost
from reelqueue.domain.sessions import Render, RenderState
from reelqueue.store.engine import Database
from reelqueue.store.fence import HELD, HELD_JOB, held
from reelqueue.store.tables import renders

_R = renders.c

_NEWEST: Final = (
    select(renders)
    .where(_R.job_id == HELD_JOB)
    .ext(distinct_on(_R.output_index))
    .order_by(_R.output_index, _R.attempt.desc())
)
_OPEN: Final = (
    select(renders)
    .where(_R.job_id == HELD_JOB, _R.state.in_((RenderState.PREPARED, RenderState.SUBMITTED)))
    .order_by(_R.attempt)
)
_PREPARE: Final = (
    insert(renders)
    .from_select(
        ["id", "job_id", "tenant_id", "output_index", "attempt"],
        select(
            bindparam("render", type_=Text),
            HELD_JOB,
            bindparam("tenant", type_=Text),
            bindparam("output", type_=Integer),
            bindparam("nth", type_=Integer),
        ).where(HELD),
    )
    .on_conflict_do_nothing()
    .returning(renders)
)
_RENDER: Final = update(renders).where(_R.id == bindparam("render"), _R.tenant_id == bindparam("tenant"), HELD)
_SUBMITTED: Final = _RENDER.values(state=RenderState.SUBMITTED, submitted_at=func.now())
_POLLED: Final = _RENDER.values(polls=_R.polls + 1)
_COMPLETED: Final = _RENDER.values(state=RenderState.COMPLETED, url=bindparam("place"))
_FAILED: Final = _RENDER.values(state=RenderState.FAILED)


class Renders:
    """The exports of jobs. Every write is fenced by the claim."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self, job_id: str) -> dict[int, Render]:
        """The latest export of each of the job's outputs that has one, by the output's index."""
        with self._database.statement() as connection:
            rows = connection.execute(_NEWEST, {"held_job": job_id}).mappings().all()
        return {row["output_index"]: _render_from(row) for row in rows}

    def open_of(self, job_id: str) -> list[Render]:
        """The job's exports that may run upstream, oldest first."""
        with self._database.statement() as connection:
            return [_render_from(row) for row in connection.execute(_OPEN, {"held_job": job_id}).mappings()]

    def prepare(self, claim: Claim, render_id: str, *, output_index: int, attempt: int) -> Render:
        """Store an id before it is used. Raises `ClaimLost`, also when this attempt has an id already."""
        named = {"render": render_id, "tenant": claim.job.tenant_id, "output": output_index, "nth": attempt}
        with self._database.statement() as connection:
            row = connection.execute(_PREPARE, {**named, **held(claim)}).mappings().first()
        if row is None:
            raise ClaimLost(claim.job.id)
        return _render_from(row)

    def submitted(self, claim: Claim, render: Render) -> None:
        """The upstream has it. Raises `ClaimLost`."""
        self._write(claim, render, _SUBMITTED)

    def polled(self, claim: Claim, render: Render) -> None:
        """Count a poll. Raises `ClaimLost`."""
        self._write(claim, render, _POLLED)

    def completed(self, claim: Claim, render: Render, url: str | None) -> None:
        """The file is ready; `url` says where, if the upstream said so. Raises `ClaimLost`."""
        self._write(claim, render, _COMPLETED, place=url)

    def failed(self, claim: Claim, render: Render) -> None:
        """The upstream gave up on it. Raises `ClaimLost`."""
        self._write(claim, render, _FAILED)

    def _write(self, claim: Claim, render: Render, statement: Update, **values: Any) -> None:
        named = {"render": render.id, "tenant": claim.job.tenant_id}
        with self._database.statement() as connection:
            if connection.execute(statement, {**named, **values, **held(claim)}).rowcount != 1:
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
