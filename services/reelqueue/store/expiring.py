"""Tells owners of files that are deleted soon: those that arrived after their job had ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, func, select, update

from reelqueue.domain.event_data import expiring_data
from reelqueue.domain.jobs import EventType
from reelqueue.store.engine import Database
from reelqueue.store.outbox import CHANGED, announce
from reelqueue.store.rows import job_from
from reelqueue.store.tables import jobs, recoveries

BATCH: Final = 100

_R = recoveries.c


class Expiring:
    """`asset.expiring`, once for each time that files are kept. Any number may run."""

    def __init__(self, database: Database, *, notice_s: float) -> None:
        """`notice_s`: how long before they are deleted, in seconds, unless that is more than half of their time."""
        self._database = database
        self._notice = timedelta(seconds=notice_s)

    def tell(self) -> int:
        """Tell of what is due. Returns how many jobs' files that were.

        A file that comes later renews the time of all of its job's: then it is told anew. Whoever records one at this
        moment has the row locked, and it is looked at again the next time.
        """
        due = (
            select(_R.job_id)
            .where(
                _R.expires_at.is_not(None),
                _R.expiring_told_at.is_(None),
                _R.expires_at > func.now(),
                _R.expires_at <= func.now() + self._notice,
                # Half of their time is over.
                _R.expires_at - func.now() <= func.now() - _R.recovered_at,
            )
            .order_by(_R.expires_at)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        with self._database.transaction() as connection:
            found = list(connection.execute(due).scalars())
            for job_id in found:
                _tell(connection, job_id)
        return len(found)


def _tell(connection: Connection, job_id: str) -> None:
    connection.execute(update(recoveries).where(_R.job_id == job_id).values(expiring_told_at=func.now()))
    told = update(jobs).where(jobs.c.id == job_id).values(event_seq=jobs.c.event_seq + 1).returning(*CHANGED)
    row = connection.execute(told).mappings().one()
    announce(connection, row, EventType.EXPIRING, expiring_data(job_from(row)))
