"""Rows for tests, written straight into the tables: what the state of a row implies is filled in."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, insert, select, update

from reelqueue.kit.ids import new_id
from reelqueue.store.engine import Database
from reelqueue.store.new_messages import Wanted, enqueue
from reelqueue.store.tables import feed_events, job_events, job_inputs, jobs, messages, webhook_lanes


class Rows:
    """Makes rows, changes them behind the store's back, and reads them as they are."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def job(self, tenant_id: str, *, asset_ids: tuple[str, ...] = ()) -> str:
        """A queued job with its first event, and with these assets as inputs."""
        job_id = new_id("job")
        with self.database.transaction() as connection:
            connection.execute(
                insert(jobs).values(id=job_id, tenant_id=tenant_id, instructions=["animate this"], billing={})
            )
            self._event(connection, tenant_id, job_id, 1)
            for position, asset_id in enumerate(asset_ids):
                connection.execute(
                    insert(job_inputs).values(
                        job_id=job_id, position=position, tenant_id=tenant_id, asset=asset_id, asset_id=asset_id
                    )
                )
        return job_id

    def told(self, tenant_id: str, *, payload: str = '{"type":"job.queued","data":{}}') -> tuple[str, int, str]:
        """An event of a job of its own, as its change wrote it: its id, its position, and the job. Not numbered."""
        job_id, event_id = self.job(tenant_id), new_id("event")
        row = {"id": event_id, "tenant_id": tenant_id, "type": "job.queued", "job_id": job_id, "job_seq": 1}
        with self.database.transaction() as connection:
            told = insert(feed_events).values(**row, payload=payload, sample=True).returning(feed_events.c.position)
            return event_id, connection.execute(told).scalar_one(), job_id

    def message(
        self,
        tenant_id: str,
        *,
        endpoint_id: str | None = None,
        url: str | None = None,
        rung: bool = True,
        payload: str = '{"type":"job.queued","data":{}}',
    ) -> str:
        """A message about a job of its own, in a lane whose bell is out unless said otherwise."""
        event_id, position, job_id = self.told(tenant_id, payload=payload)
        wanted = Wanted(
            event_id=event_id,
            tenant_id=tenant_id,
            position=position,
            endpoint_id=endpoint_id,
            url=url or "https://endpoint.example/",
            type="job.queued",
            job_id=job_id,
            seq=1,
        )
        with self.database.transaction() as connection:
            [message_id] = enqueue(connection, [wanted])
        if rung:
            self.ring(self.lane(message_id))
        return message_id

    def lane(self, message_id: str) -> str:
        """The lane that a message goes by."""
        return str(self.read(messages, message_id)["lane_id"])

    def ring(self, lane_id: str) -> None:
        """Take the lane from whoever holds it and ring its bell, as a sweep and a dispatcher would, or a retry."""
        self.write(webhook_lanes, lane_id, dispatch="rung", lease_owner=None, bell_at=func.now(), bells=1)

    def read(self, table: Any, row_id: str) -> dict[str, Any]:
        """A row as it is now."""
        with self.database.statement() as connection:
            return dict(connection.execute(select(table).where(table.c.id == row_id)).mappings().one())

    def write(self, table: Any, row_id: str, **values: Any) -> None:
        """Change a row behind the store's back."""
        with self.database.statement() as connection:
            connection.execute(update(table).where(table.c.id == row_id).values(**values))

    def _event(self, connection: Any, tenant_id: str, job_id: str, seq: int) -> None:
        connection.execute(
            insert(job_events).values(
                id=new_id("event"), job_id=job_id, tenant_id=tenant_id, seq=seq, type="job.queued"
            )
        )
