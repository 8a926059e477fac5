"""The workers that are alive. One row and one statement a heartbeat, whatever a worker holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, func, insert, select, update

from reelqueue.domain.workers import Heartbeat
from reelqueue.kit.ids import new_id
from reelqueue.kit.limits import LEASE_S
from reelqueue.store.engine import Database
from reelqueue.store.tables import jobs, workers

_all = workers.alias()

KEPT_S = 3600.0
"""A worker that is gone stays readable for an hour."""


class Workers:
    """Registration and heartbeat."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, *, node: str, queues: Sequence[str], capacity: int) -> str:
        """Make a worker known. Returns its id, which names every lease it will hold.

        A worker that missed its lease registers again under a new id: its old leases are lost for good.
        """
        worker_id = new_id("worker")
        statement = insert(workers).values(
            id=worker_id,
            node=node,
            queues=list(queues),
            capacity=capacity,
            state="working",
            expires_at=func.now() + timedelta(seconds=LEASE_S),
        )
        with self._database.statement() as connection:
            connection.execute(statement)
        return worker_id

    def heartbeat(self, worker_id: str, *, draining: bool = False) -> Heartbeat | None:
        """Renew every lease of the worker. Returns what else it has to know.

        `None`: too late, the lease had run out by the database's clock. The worker must drop all it holds.
        """
        renewed = (
            update(workers)
            .where(workers.c.id == worker_id, workers.c.expires_at > func.now())
            .values(expires_at=func.now() + timedelta(seconds=LEASE_S), state="draining" if draining else "working")
            .returning(
                select(func.array_agg(jobs.c.id))
                .where(
                    jobs.c.lease_owner == worker_id,
                    jobs.c.dispatch == "held",
                    jobs.c.cancel_requested_at.is_not(None),
                )
                .scalar_subquery(),
                select(func.count()).where(_all.c.expires_at > func.now()).scalar_subquery(),
            )
        )
        with self._database.statement() as connection:
            row = connection.execute(renewed).first()
        return None if row is None else Heartbeat(wanted=frozenset(row[0] or ()), alive=row[1])

    def leave(self, worker_id: str) -> None:
        """Say goodbye, so that what is still held is taken over at once instead of in thirty seconds."""
        statement = update(workers).where(workers.c.id == worker_id).values(state="gone", expires_at=func.now())
        with self._database.statement() as connection:
            connection.execute(statement)

    def forget_gone(self) -> int:
        """Delete the rows of workers long gone. Returns how many."""
        statement = delete(workers).where(workers.c.expires_at < func.now() - timedelta(seconds=KEPT_S))
        with self._database.statement() as connection:
            return connection.execute(statement).rowcount
