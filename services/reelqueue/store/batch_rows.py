"""Rows of batches to values, and the end of a batch: told once, by whichever job ends last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, case, func, select, update

from reelqueue.domain.batches import Batch, NewBatch
from reelqueue.domain.jobs import Status
from reelqueue.store.tables import batches, jobs

_B = batches.c


def close_one(connection: Connection, batch_id: str) -> Batch | None:
    """Count one more job of the batch as ended, in the transaction that ends it; the batch, if it was the last.

    The row's lock settles who is the last: of two jobs that end at once, one waits for the other's commit.
    """
    counted = (
        update(batches)
        .where(_B.id == batch_id)
        .values(open=_B.open - 1, finished_at=case((_B.open == 1, func.now())))
        .returning(batches)
    )
    row = connection.execute(counted).mappings().one()
    return None if row["open"] else batch_from(row, counts_of(connection, [batch_id])[batch_id])


def counts_of(connection: Connection, batch_ids: list[str]) -> dict[str, dict[Status, tuple[int, int]]]:
    """How many jobs of each batch stand where, and the sum of their progress."""
    statement = (
        select(jobs.c.batch_id, jobs.c.status, func.count(), func.sum(jobs.c.progress))
        .where(jobs.c.batch_id.in_(batch_ids))
        .group_by(jobs.c.batch_id, jobs.c.status)
    )
    found: dict[str, dict[Status, tuple[int, int]]] = {batch_id: {} for batch_id in batch_ids}
    for batch_id, status, count, progress in connection.execute(statement):
        found[batch_id][Status(status)] = (count, progress)
    return found


def batch_row(batch: NewBatch, batch_id: str, tenant_id: str, project_id: str | None, count: int) -> dict[str, Any]:
    """The row of a new batch, none of whose jobs has ended."""
    return {
        "id": batch_id,
        "tenant_id": tenant_id,
        "mode": batch.mode,
        "project_id": project_id,
        "name": batch.name,
        "metadata": dict(batch.metadata),
        "external_id": batch.external_id,
        "webhook_url": batch.webhook_url,
        "jobs": count,
        "open": count,
    }


def batch_from(row: RowMapping, counted: Mapping[Status, tuple[int, int]]) -> Batch:
    """The batch in a row. A job that has ended is over, whatever its own bar says."""
    done = sum(100 * count if status.is_final else progress for status, (count, progress) in counted.items())
    values: dict[str, Any] = {key: row[key] for key in _SAME}
    return Batch(
        **values, counts={status: count for status, (count, _) in counted.items()}, progress=int(done / row["jobs"])
    )


_SAME = (
    "id",
    "tenant_id",
    "mode",
    "project_id",
    "name",
    "metadata",
    "external_id",
    "webhook_url",
    "jobs",
    "cancel_requested_at",
    "created_at",
    "finished_at",
)
