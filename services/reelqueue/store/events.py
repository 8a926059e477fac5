"""What happened to a job, straight from the rows its changes wrote."""

from __future__ import annotations

from sqlalchemy import select

from reelqueue.domain.jobs import JobEvent
from reelqueue.store.engine import Database
from reelqueue.store.rows import event_from
from reelqueue.store.tables import job_events


class Events:
    """The events of one job, in order and without gaps."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def after(self, tenant_id: str, job_id: str, seq: int, limit: int = 500) -> list[JobEvent]:
        """Up to `limit` events of the job numbered above `seq`. Empty for a job of another tenant."""
        statement = (
            select(job_events)
            .where(job_events.c.tenant_id == tenant_id, job_events.c.job_id == job_id, job_events.c.seq > seq)
            .order_by(job_events.c.seq)
            .limit(limit)
        )
        with self._database.statement() as connection:
            return [event_from(row) for row in connection.execute(statement).mappings()]
