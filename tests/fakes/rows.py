"""Rows for tests, written straight into the tables: what the state of a row implies is filled in."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, insert, select, update

from reelqueue.kit.ids import new_id
from reelqueue.store.engine import Database
from reelqueue.store.tables import job_events, job_inputs, jobs, messages


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

    def message(
        self,
        tenant_id: str,
        *,
        endpoint_id: str | None = None,
        url: str | None = None,
        dispatch: str = "rung",
        payload: str = "{}",
    ) -> str:
        """A message about a job of its own, whose bell is out (`rung`) unless said otherwise (`idle`)."""
        job_id, message_id = self.job(tenant_id), new_id("message")
        with self.database.transaction() as connection:
            connection.execute(
                insert(messages).values(
                    id=message_id,
                    tenant_id=tenant_id,
                    endpoint_id=endpoint_id,
                    job_id=job_id,
                    seq=1,
                    type="job.queued",
                    url=url,
                    payload=payload,
                    dispatch=dispatch,
                    bell_at=func.now() if dispatch == "rung" else None,
                    bells=1 if dispatch == "rung" else 0,
                )
            )
        return message_id

    def ring(self, message_id: str) -> None:
        """Take the message from whoever holds it and ring its bell, as a sweep and a dispatcher would, or a retry."""
        with self.database.statement() as connection:
            connection.execute(
                update(messages)
                .where(messages.c.id == message_id, messages.c.state == "pending")
                .values(dispatch="rung", lease_owner=None, bell_at=func.now(), bells=1)
            )

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
