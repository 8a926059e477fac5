"""What happened to a job, straight from the rows its changes wrote."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, select

from reelqueue.domain.jobs import JobEvent
from reelqueue.store.engine import Database
from reelqueue.store.rows import event_from
from reelqueue.store.tables import job_events

_E = job_events.c
_AFTER: Final = (
    select(job_events)
    .where(_E.tenant_id == bindparam("tenant"), _E.job_id == bindparam("job"), _E.seq > bindparam("after"))
    .order_by(_E.seq)
    .limit(bindparam("most"))
)


class Events:
    """The events of one job, in order and without gaps."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def after(self, tenant_id: str, job_id: str, seq: int, limit: int = 500) -> list[JobEvent]:
        """Up to `limit` events of the job numbered above `seq`. Empty for a job of another tenant."""
        which = {"tenant": tenant_id, "job": job_id, "after": seq, "most": limit}
        with self._database.statement() as connection:
            return [event_from(row) for row in connection.execute(_AFTER, which).mappings()]
