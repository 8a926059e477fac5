"""The event of a change and what is told of it, written in the change's own transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, text, update

from reelqueue.domain.channels import EVENT
from reelqueue.domain.event_data import batch_data
from reelqueue.domain.event_types import AnyEventType
from reelqueue.domain.jobs import TERMINAL_EVENTS, EventType, JobEvent
from reelqueue.domain.messages import event_payload, own_url, webhook_payload
from reelqueue.domain.recoveries import GIVEN_UP_EARLY
from reelqueue.kit.ids import new_id
from reelqueue.store.batch_rows import close_one
from reelqueue.store.budgets import settle
from reelqueue.store.rows import JOB_COLUMNS, job_from
from reelqueue.store.storable import dumps
from reelqueue.store.tables import feed_events, jobs
from reelqueue.store.watches import watch

_WRITE = text("""
WITH happened AS (
    INSERT INTO job_events (id, job_id, seq, tenant_id, type, data, created_at)
    VALUES (:id, :job_id, :seq, :tenant_id, :type, CAST(:data AS jsonb), :created_at)
    RETURNING job_id
), told AS (
    INSERT INTO feed_events (id, tenant_id, type, job_id, job_seq, metadata, url, payload, created_at)
    VALUES (:id, :tenant_id, :type, :job_id, :seq, CAST(:metadata AS jsonb), :url, :payload, :created_at)
), unstuck AS (
    UPDATE flows f SET stuck_at = NULL
    WHERE :terminal AND (f.tenant_id, f.customer) IN (
        SELECT f.tenant_id, f.customer FROM flows f
        WHERE f.tenant_id = :tenant_id AND f.customer = :customer AND f.stuck_at IS NOT NULL
        FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING 1
), woken AS (
    UPDATE tenants t SET has_waiting = true,
        virtual_time = greatest(virtual_time, coalesce((SELECT s.virtual_time FROM scheduler s), 0))
    WHERE :terminal AND t.id = :tenant_id AND NOT t.has_waiting AND (SELECT count(*) FROM unstuck) >= 0
      AND EXISTS (SELECT FROM jobs w WHERE w.tenant_id = t.id AND w.dispatch = 'idle' AND w.admitted_at IS NULL)
    RETURNING 1
)
SELECT pg_notify('rq_job', :job_id), pg_notify('rq_event', ''),
       CASE WHEN EXISTS (SELECT FROM woken) THEN pg_notify('rq_work', '') END
""")

CHANGED = (*JOB_COLUMNS, func.now().label("moment"))
"""What a statement that changes a job returns, so that its event can be announced without asking again."""


def announce(
    connection: Connection,
    row: RowMapping,
    what: EventType,
    data: Mapping[str, Any] = MappingProxyType({}),
    *,
    batch_url: str | None = None,
) -> None:
    """Write the event of a change just made, for the job and for the feed; wake who listens once that has committed.

    From the feed it goes to its receivers (`sequencer`); `batch_url` is the one of the batch whose end is told. `row`
    is what the change returned (`CHANGED`); its `event_seq` is the event's number. The end of a job makes room under
    its tenant's cap, so it also gives the tenant its flag back; it is counted in the job's batch; it settles what the
    job reserved of its tenant's budgets; and it begins the watch for what may arrive late.
    """
    job = job_from(row)
    if what is EventType.CANCELED or (job.error is not None and job.error.code in GIVEN_UP_EARLY):
        watch(connection, job.id)
    event = JobEvent(
        id=new_id("event"),
        job_id=job.id,
        tenant_id=job.tenant_id,
        seq=job.event_seq,
        type=what,
        data=data,
        created_at=row["moment"],
    )
    parameters = {
        "id": event.id,
        "job_id": event.job_id,
        "tenant_id": event.tenant_id,
        "seq": event.seq,
        "type": what.value,
        "data": dumps(dict(data)),
        "created_at": event.created_at,
        "customer": job.customer or "",
        "terminal": what in TERMINAL_EVENTS,
        "metadata": dumps(dict(job.metadata)),
        "url": own_url(job, what, batch_url=batch_url),
        "payload": webhook_payload(job, event),
    }
    connection.execute(_WRITE, parameters)
    if what in TERMINAL_EVENTS:
        # After the tenant's row, as when a job is accepted.
        settle(connection, row)
        if job.batch_id is not None:
            _count(connection, job.id, job.batch_id)


def _count(connection: Connection, job_id: str, batch_id: str) -> None:
    ended = close_one(connection, batch_id)
    if ended is None:
        return
    following = update(jobs).where(jobs.c.id == job_id).values(event_seq=jobs.c.event_seq + 1).returning(*CHANGED)
    row = connection.execute(following).mappings().one()
    announce(connection, row, EventType.BATCH_COMPLETED, batch_data(ended), batch_url=ended.webhook_url)


def tell(
    connection: Connection, tenant_ids: Iterable[str], kind: AnyEventType, at: datetime, data: Mapping[str, Any]
) -> None:
    """Write an event that is of no job: one for each of the tenants, each with an id of its own."""
    payload = event_payload(kind, at, data)
    rows = [
        {"id": new_id("event"), "tenant_id": tenant_id, "type": kind.value, "payload": payload, "created_at": at}
        for tenant_id in tenant_ids
    ]
    if rows:
        connection.execute(insert(feed_events), rows)
        connection.execute(select(func.pg_notify(EVENT, "")))
