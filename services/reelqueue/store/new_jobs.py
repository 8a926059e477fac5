"""A job as it will be, and the one statement that writes it with all that comes with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from reelqueue.domain.documents import billing_json, policies_json
from reelqueue.domain.intake import NewJob
from reelqueue.domain.jobs import Billing, EventType, Job, JobEvent, JobInput, Status, Waiting, WaitingReason
from reelqueue.domain.messages import webhook_payload
from reelqueue.domain.repairs import repairs_json
from reelqueue.kit.clock import rfc3339
from reelqueue.kit.ids import new_id
from reelqueue.store.rows import waiting_json
from reelqueue.store.storable import dumps

KEY_LIFETIME = timedelta(hours=24)

_ACCEPT = text("""
WITH given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(CAST(:jobs AS jsonb)) AS g (
        id text, tenant_id text, instructions jsonb, outputs jsonb, language text, metadata jsonb, external_id text,
        customer text, webhook_url text, finish_by timestamptz, billing jsonb, waiting jsonb, created_at timestamptz,
        operation text, idempotency_key text, fingerprint text, inputs jsonb, event_id text, payload text,
        policies jsonb, project_id text, instruction_index integer, retried_from text, version integer,
        batch_id text, start_by timestamptz, priority integer, reserved boolean)
), owners AS MATERIALIZED (
    -- Waits for who is just giving one of them its first quota, and then sees it.
    SELECT id, metered FROM tenants WHERE id IN (SELECT tenant_id FROM given) ORDER BY id FOR KEY SHARE
), free AS MATERIALIZED (
    SELECT * FROM given WHERE :locked OR tenant_id NOT IN (SELECT id FROM owners WHERE metered)
), keyed AS (
    INSERT INTO idempotency_keys (tenant_id, operation, key, fingerprint, job_id, created_at, expires_at)
    SELECT tenant_id, operation, idempotency_key, fingerprint, id, created_at, created_at + CAST(:lifetime AS interval)
    FROM free WHERE idempotency_key IS NOT NULL
    ON CONFLICT (tenant_id, operation, key) DO NOTHING
    RETURNING job_id
), accepted AS MATERIALIZED (
    SELECT * FROM free WHERE idempotency_key IS NULL OR id IN (SELECT job_id FROM keyed)
), made AS (
    INSERT INTO jobs (id, tenant_id, instructions, outputs, language, metadata, external_id, customer, webhook_url,
                      finish_by, billing, waiting, created_at, policies, project_id, instruction_index, retried_from,
                      version, batch_id, start_by, priority, reserved)
    SELECT id, tenant_id, instructions, outputs, language, metadata, external_id, customer, webhook_url,
           finish_by, billing, waiting, created_at, policies, project_id, instruction_index, retried_from, version,
           batch_id, start_by, priority, reserved
    FROM accepted
    RETURNING id
), brought AS (
    INSERT INTO job_inputs (job_id, position, tenant_id, asset, asset_id, url, repairs, state)
    SELECT a.id, i.position, a.tenant_id, i.asset_id, i.asset_id, i.url, i.repairs,
           CASE WHEN i.sent THEN 'sent' ELSE 'pending' END
    FROM accepted a,
         jsonb_to_recordset(a.inputs) AS i (position integer, asset_id text, url text, sent boolean, repairs jsonb)
), told AS (
    INSERT INTO job_events (id, job_id, seq, tenant_id, type, created_at)
    SELECT event_id, id, 1, tenant_id, 'job.queued', created_at FROM accepted
), fed AS (
    INSERT INTO feed_events (id, tenant_id, type, job_id, job_seq, metadata, payload, created_at)
    SELECT event_id, tenant_id, 'job.queued', id, 1, metadata, payload, created_at FROM accepted
), flow AS MATERIALIZED (
    SELECT DISTINCT a.tenant_id, coalesce(a.customer, '') AS customer, t.flow_time
    FROM accepted a JOIN tenants t ON t.id = a.tenant_id
), begun AS (
    INSERT INTO flows (tenant_id, customer, virtual_time, has_waiting)
    SELECT tenant_id, customer, flow_time, true FROM flow w
    WHERE NOT EXISTS (SELECT FROM flows f WHERE f.tenant_id = w.tenant_id AND f.customer = w.customer)
    ORDER BY tenant_id, customer
    ON CONFLICT (tenant_id, customer) DO NOTHING
    RETURNING 1
), flowing AS (
    UPDATE flows f SET has_waiting = true, stuck_at = NULL, virtual_time = greatest(f.virtual_time, k.flow_time)
    FROM (
        SELECT f.tenant_id, f.customer, w.flow_time
        FROM flows f JOIN flow w ON w.tenant_id = f.tenant_id AND w.customer = f.customer
        WHERE NOT f.has_waiting OR f.stuck_at IS NOT NULL
        ORDER BY f.tenant_id, f.customer FOR NO KEY UPDATE OF f) k
    WHERE f.tenant_id = k.tenant_id AND f.customer = k.customer
    RETURNING 1
), woken AS (
    -- After the customers, as everywhere where both are written: whoever holds a tenant waits for no customer.
    UPDATE tenants SET has_waiting = true,
        virtual_time = greatest(virtual_time, coalesce((SELECT s.virtual_time FROM scheduler s), 0))
    WHERE id = ANY (ARRAY(
        SELECT id FROM tenants WHERE NOT has_waiting AND id IN (SELECT tenant_id FROM accepted)
          AND (SELECT count(*) FROM begun) + (SELECT count(*) FROM flowing) >= 0
        ORDER BY id FOR NO KEY UPDATE))
)
SELECT id, false AS metered, pg_notify('rq_work', ''), pg_notify('rq_event', '') FROM made
UNION ALL
SELECT id, true, NULL, NULL FROM given WHERE id NOT IN (SELECT id FROM free)
""")
"""`locked`: its tenant's quotas are held. Without that, jobs of tenants that have quotas are left out, as `metered`."""


@dataclass(frozen=True, slots=True)
class NewRow:
    """A job as it will be, and what the statement needs beside it."""

    job: Job
    given: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Ids of jobs: those that were made, and those whose tenants have quotas that are not held. The others' keys are
    taken.
    """

    made: frozenset[str]
    metered: frozenset[str]


def new_row(new: NewJob, now: datetime, *, busy: bool = False, job_id: str | None = None) -> NewRow:
    """The job with a new id and its first event. `busy`: it waits for another of its project."""
    job = _job_of(new, now, WaitingReason.PROJECT if busy else WaitingReason.TURN)
    job = job if job_id is None else replace(job, id=job_id)
    event = JobEvent(
        id=new_id("event"),
        job_id=job.id,
        tenant_id=job.tenant_id,
        seq=1,
        type=EventType.QUEUED,
        data={},
        created_at=job.created_at,
    )
    return NewRow(job=job, given=_given(job, event, new))


def insert_jobs(connection: Connection, rows: Sequence[NewRow], *, locked: bool = False) -> Written:
    """Write what can be. `locked`: their tenant's quotas are held."""
    parameters = {"jobs": dumps([row.given for row in rows]), "lifetime": KEY_LIFETIME, "locked": locked}
    found = connection.execute(_ACCEPT, parameters).all()
    return Written(
        made=frozenset(row.id for row in found if not row.metered),
        metered=frozenset(row.id for row in found if row.metered),
    )


def _job_of(new: NewJob, now: datetime, reason: WaitingReason = WaitingReason.TURN) -> Job:
    return Job(
        id=new_id("job"),
        tenant_id=new.tenant_id,
        status=Status.QUEUED,
        project_id=new.project_id,
        instructions=new.instructions,
        instruction_index=new.instruction_index,
        outputs=new.outputs,
        language=new.language,
        metadata=new.metadata,
        external_id=new.external_id,
        customer=new.customer,
        webhook_url=new.webhook_url,
        progress=0,
        waiting=Waiting(reason=reason, since=now),
        receipts=(),
        result=None,
        error=None,
        billing=Billing(),
        retried_from=new.retried_from,
        version=new.version,
        batch_id=new.batch_id,
        attempt=0,
        event_seq=1,
        lease_epoch=0,
        finish_by=new.finish_by,
        start_by=new.start_by,
        priority=new.priority,
        cancel_requested_at=None,
        created_at=now,
        started_at=None,
        finished_at=None,
        inputs=tuple(
            JobInput(position=p, asset_id=i.asset_id, url=i.url, sent=i.sent, repairs=i.repaired)
            for p, i in enumerate(new.inputs)
        ),
        policies=new.policies,
    )


def _given(job: Job, event: JobEvent, new: NewJob) -> dict[str, Any]:
    key = new.idempotency
    return {
        "id": job.id,
        "tenant_id": job.tenant_id,
        "instructions": job.instructions,
        "outputs": [{"format": output.format, "quality": output.quality} for output in job.outputs],
        "language": job.language,
        "metadata": dict(job.metadata),
        "external_id": job.external_id,
        "customer": job.customer,
        "webhook_url": job.webhook_url,
        "finish_by": None if job.finish_by is None else rfc3339(job.finish_by),
        "start_by": None if job.start_by is None else rfc3339(job.start_by),
        "priority": job.priority.rank,
        "billing": billing_json(job.billing),
        # That it waits for its project is read off the other rows each time: it ends without this one being written.
        "waiting": waiting_json(Waiting(reason=WaitingReason.TURN, since=job.created_at)),
        "created_at": rfc3339(job.created_at),
        "operation": None if key is None else key.operation,
        "idempotency_key": None if key is None else key.key,
        "fingerprint": None if key is None else key.fingerprint,
        "inputs": [
            {
                "position": i.position,
                "asset_id": i.asset_id,
                "url": i.url,
                "sent": i.sent,
                "repairs": repairs_json(i.repairs),
            }
            for i in job.inputs
        ],
        "event_id": event.id,
        "payload": webhook_payload(job, event),
        "policies": policies_json(job.policies),
        "project_id": job.project_id,
        "instruction_index": job.instruction_index,
        "retried_from": job.retried_from,
        "version": job.version,
        "batch_id": job.batch_id,
        "reserved": False,
    }
