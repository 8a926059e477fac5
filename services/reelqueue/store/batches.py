"""Reading batches, and the wish to cancel one."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select, update

from reelqueue.domain.batches import Batch
from reelqueue.errors import NotFound
from reelqueue.store.batch_rows import batch_from, counts_of
from reelqueue.store.engine import Database
from reelqueue.store.tables import batches, jobs

_B = batches.c


class Batches:
    """A tenant's batches."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, tenant_id: str, batch_id: str) -> Batch:
        """One batch. Raises `NotFound`."""
        statement = select(batches).where(_B.tenant_id == tenant_id, _B.id == batch_id)
        with self._database.statement() as connection:
            row = connection.execute(statement).mappings().first()
            if row is None:
                raise NotFound
            return batch_from(row, counts_of(connection, [batch_id])[batch_id])

    def list(self, tenant_id: str, *, before: str | None, limit: int) -> list[Batch]:
        """Up to `limit` batches, newest first, older than the id `before`."""
        statement = select(batches).where(_B.tenant_id == tenant_id)
        if before is not None:
            statement = statement.where(_B.id < before)
        with self._database.statement() as connection:
            rows = connection.execute(statement.order_by(_B.id.desc()).limit(limit)).mappings().all()
            counted = counts_of(connection, [row["id"] for row in rows])
        return [batch_from(row, counted[row["id"]]) for row in rows]

    def wish_cancel(self, tenant_id: str, batch_id: str) -> Sequence[str]:
        """Note that the batch is to be canceled; the ids of its jobs that have not ended. Raises `NotFound`."""
        noted = (
            update(batches)
            .where(_B.tenant_id == tenant_id, _B.id == batch_id)
            .values(cancel_requested_at=func.coalesce(_B.cancel_requested_at, func.now()))
            .returning(_B.id)
        )
        # The last first: the first of a project's jobs would else make room for the next one meanwhile.
        live = (
            select(jobs.c.id).where(jobs.c.batch_id == batch_id, jobs.c.dispatch != "done").order_by(jobs.c.id.desc())
        )
        with self._database.statement() as connection:
            if connection.execute(noted).first() is None:
                raise NotFound
            return connection.execute(live.order_by(jobs.c.id.desc())).scalars().all()
