"""The event of a change and its webhook messages, written in the change's own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select, text, update
from sqlalchemy.dialects.postgresql import JSONB

from reelqueue.domain.batches import batch_document
from reelqueue.domain.jobs import TERMINAL_EVENTS, EventType, JobEvent
from reelqueue.domain.messages import messages_for
from reelqueue.domain.recoveries import GIVEN_UP_EARLY
from reelqueue.kit.ids import new_id
from reelqueue.store.batch_rows import close_one
from reelqueue.store.budgets import settle
from reelqueue.store.rows import JOB_COLUMNS, job_from
from reelqueue.store.storable import dumps
from reelqueue.store.tables import jobs, webhook_endpoints
from reelqueue.store.watches import watch

_E = webhook_endpoints.c

_WRITE = text("""
WITH happened AS (
    INSERT INTO job_events (id, job_id, seq, tenant_id, type, data, created_at)
    VALUES (:id, :job_id, :seq, :tenant_id, :type, CAST(:data AS jsonb), :created_at)
    RETURNING job_id
), sent AS (
    INSERT INTO messages (id, tenant_id, endpoint_id, job_id, seq, type, url, payload)
    SELECT m.id, :tenant_id, m.endpoint_id, :job_id, :seq, :type, m.url, m.payload
    FROM jsonb_to_recordset(CAST(:messages AS jsonb)) AS m (id text, endpoint_id text, url text, payload text)
    RETURNING id
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
SELECT pg_notify('rq_job', :job_id),
       CASE WHEN EXISTS (SELECT FROM sent) OR EXISTS (SELECT FROM woken) THEN pg_notify('rq_work', '') END
""")


SUBSCRIBERS = (
    select(func.jsonb_object_agg(_E.id, func.to_jsonb(_E.event_types), type_=JSONB))
    .where(_E.tenant_id == jobs.c.tenant_id, _E.deleted_at.is_(None), _E.state == "enabled")
    .correlate(jobs)
    .scalar_subquery()
    .label("subscribers")
)
"""Who of the tenant's endpoints listens: `{endpoint id: [event patterns]}`, or null when nobody does."""

CHANGED = (*JOB_COLUMNS, SUBSCRIBERS, func.now().label("moment"))
"""What a statement that changes a job returns, so that its event can be announced without asking again."""


def announce(
    connection: Connection,
    row: RowMapping,
    what: EventType,
    data: Mapping[str, Any] = MappingProxyType({}),
    *,
    batch_url: str | None = None,
) -> None:
    """Write the event of a change just made, and its messages; wake whoever listens once the transaction commits.

    `row` is what the change returned (`CHANGED`); its `event_seq` is the event's number. The end of a job makes room
    under its tenant's cap, so it also gives the tenant its flag back; it is counted in the job's batch; it settles what
    the job reserved of its tenant's budgets; and it begins the watch for what may arrive late.
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
    messages = messages_for(job, event, row["subscribers"] or {}, batch_url=batch_url)
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
        "messages": dumps([asdict(message) for message in messages]),
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
    data = {"batch": batch_document(ended)}
    announce(connection, row, EventType.BATCH_COMPLETED, data, batch_url=ended.webhook_url)
