"""What happened to a job, straight from the rows its changes wrote."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, bindparam, literal_column, select

from reelqueue.domain.following import JobNews
from reelqueue.domain.jobs import JobEvent
from reelqueue.store.engine import Database
from reelqueue.store.jobs import FIND, found
from reelqueue.store.rows import event_from
from reelqueue.store.tables import job_events
from reelqueue.store.watched import JOB_VERSION

_E = job_events.c
_AFTER: Final = (
    select(job_events)
    .where(_E.tenant_id == bindparam("tenant"), _E.job_id == bindparam("job"), _E.seq > bindparam("after"))
    .order_by(_E.seq)
    .limit(bindparam("most"))
)


_JOB: Final = FIND.add_columns(literal_column(JOB_VERSION).label("row_version"))


class Events:
    """The events of one job, in order and without gaps."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def after(self, tenant_id: str, job_id: str, seq: int, limit: int = 500) -> list[JobEvent]:
        """Up to `limit` events of the job numbered above `seq`. Empty for a job of another tenant."""
        with self._database.statement() as connection:
            return _after(connection, tenant_id, job_id, seq, limit)

    def news(self, tenant_id: str, job_id: str, after: int, limit: int = 500) -> JobNews:
        """The job, and up to `limit` of its events numbered above `after`. Raises `NotFound`."""
        with self._database.statement() as connection:
            row = connection.execute(_JOB, {"room_of": tenant_id, "job_id": job_id}).mappings().first()
            job = found(connection, row)
            events = _after(connection, tenant_id, job_id, after, limit) if after < job.event_seq else ()
        assert row is not None
        return JobNews(job=job, version=row["row_version"], events=tuple(events))


def _after(connection: Connection, tenant_id: str, job_id: str, seq: int, limit: int) -> list[JobEvent]:
    which = {"tenant": tenant_id, "job": job_id, "after": seq, "most": limit}
    return [event_from(row) for row in connection.execute(_AFTER, which).mappings()]
