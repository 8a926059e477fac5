"""Accepting jobs: the job, its inputs, its first event, its idempotency key and its messages in one statement.

202 means committed: `accept` returns only after the commit. Several jobs may share one (`accept_many`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, exists, func, select, text
from sqlalchemy.dialects.postgresql import insert

from reelqueue.domain.batches import NewBatch
from reelqueue.domain.documents import billing_json, policies_json
from reelqueue.domain.intake import Accepted, IdempotencyKey, NewAsset, NewInput, NewJob
from reelqueue.domain.jobs import (
    Billing,
    EventType,
    Job,
    JobEvent,
    JobInput,
    Status,
    Waiting,
    WaitingReason,
)
from reelqueue.domain.messages import webhook_payload
from reelqueue.domain.projects import NewProject
from reelqueue.domain.recovered import RecoveryKind
from reelqueue.domain.repairs import repairs_json
from reelqueue.errors import DependencyUnavailable, IdempotencyKeyReused, NotFound, ReelqueueError, StateConflict
from reelqueue.kit.clock import Clock, rfc3339
from reelqueue.kit.ids import new_id
from reelqueue.store.batch_rows import batch_row
from reelqueue.store.engine import Database
from reelqueue.store.project_records import add_project
from reelqueue.store.rows import JOB_COLUMNS, asset_row, job_from, waiting_json
from reelqueue.store.storable import dumps
from reelqueue.store.tables import assets, batches, idempotency_keys, jobs, recoveries
from reelqueue.store.violations import refusing

KEY_LIFETIME = timedelta(hours=24)
_REFUSALS = {
    "fk_job_inputs_asset_id_assets": NotFound("An input's asset was deleted meanwhile.", pointer="/inputs"),
    "uq_jobs_live_retry": StateConflict("A retry of this job is at work already."),
}

_EXPIRED = and_(
    idempotency_keys.c.expires_at <= func.now(),
    ~exists().where(jobs.c.id == idempotency_keys.c.job_id, jobs.c.dispatch != "done"),
)
"""A key outlives its day while its job still runs: a repeat then must not start a second one."""

_ACCEPT = text("""
WITH given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(CAST(:jobs AS jsonb)) AS g (
        id text, tenant_id text, instructions jsonb, outputs jsonb, language text, metadata jsonb, external_id text,
        customer text, webhook_url text, finish_by timestamptz, billing jsonb, waiting jsonb, created_at timestamptz,
        operation text, idempotency_key text, fingerprint text, inputs jsonb, event_id text, payload text,
        policies jsonb, project_id text, instruction_index integer, retried_from text, version integer,
        batch_id text, start_by timestamptz, priority integer)
), keyed AS (
    INSERT INTO idempotency_keys (tenant_id, operation, key, fingerprint, job_id, created_at, expires_at)
    SELECT tenant_id, operation, idempotency_key, fingerprint, id, created_at, created_at + CAST(:lifetime AS interval)
    FROM given WHERE idempotency_key IS NOT NULL
    ON CONFLICT (tenant_id, operation, key) DO NOTHING
    RETURNING job_id
), accepted AS MATERIALIZED (
    SELECT * FROM given WHERE idempotency_key IS NULL OR id IN (SELECT job_id FROM keyed)
), made AS (
    INSERT INTO jobs (id, tenant_id, instructions, outputs, language, metadata, external_id, customer, webhook_url,
                      finish_by, billing, waiting, created_at, policies, project_id, instruction_index, retried_from,
                      version, batch_id, start_by, priority)
    SELECT id, tenant_id, instructions, outputs, language, metadata, external_id, customer, webhook_url,
           finish_by, billing, waiting, created_at, policies, project_id, instruction_index, retried_from, version,
           batch_id, start_by, priority
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
), sent AS (
    INSERT INTO messages (id, tenant_id, endpoint_id, job_id, seq, type, payload)
    SELECT 'msg_' || substr(a.event_id, 5, 10) || substr(md5(a.event_id || e.id), 1, 16), a.tenant_id, e.id, a.id, 1,
           'job.queued', a.payload
    FROM accepted a JOIN webhook_endpoints e ON e.tenant_id = a.tenant_id AND e.deleted_at IS NULL
         AND e.state = 'enabled' AND e.event_types && ARRAY['job.queued', 'job.*', '*']
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
SELECT id, pg_notify('rq_work', '') FROM made
""")


@dataclass(frozen=True, slots=True)
class _Row:
    """A job as it will be, and what the statement needs beside it."""

    job: Job
    given: dict[str, Any]


class JobIntake:
    """Makes jobs out of requests that passed every check."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def accept(self, new: NewJob) -> Accepted:
        """Commit the job and return it; under an idempotency key that is known, return the job it made then.

        Of any number of concurrent calls with one key exactly one makes a job, and all return it. Raises
        `IdempotencyKeyReused` when the key came with another request, `NotFound` for an asset that is not there, and
        `DependencyUnavailable` when the database does not answer (then a job may or may not exist: only a repeat under
        the same key tells).
        """
        for _ in range(3):
            made = self._accept_with_assets(new) if any(i.asset for i in new.inputs) else self._accept_plain(new)
            if made is not None:
                return Accepted(job=made, replayed=False)
            assert new.idempotency is not None
            earlier = self.replay(new.tenant_id, new.idempotency)
            if earlier is not None:
                return Accepted(job=earlier, replayed=True)
        raise AssertionError("an idempotency key was neither free nor taken, three times")

    def accept_many(self, news: Sequence[NewJob]) -> Sequence[Accepted | ReelqueueError]:
        """As `accept` for each, in one commit. What one of them may not fails that one only.

        For jobs that bring no new file. A database that is away is told to all at once and not tried for each.
        """
        busy = self._busy(news)
        rows = [self._row(new, busy=self._waits(new, busy)) for new in news]
        try:
            made = self._insert(rows)
        except DependencyUnavailable as error:
            return [error] * len(news)
        except NotFound:
            # One of them names what is not there, and took the others' commit along: each on its own, then.
            return [self._outcome(new) for new in news]
        return [
            Accepted(job=row.job, replayed=False) if row.job.id in made else self._outcome(new)
            for new, row in zip(news, rows, strict=True)
        ]

    def accept_batch(self, batch: NewBatch, news: Sequence[NewJob]) -> tuple[str, bool]:
        """Commit the jobs of a batch, all or none; the batch's id, and whether it was there before.

        Those of one project run in their order. The first job carries the idempotency key of the whole. Raises as
        `accept` does; then nothing was made.
        """
        for _ in range(3):
            made = self._insert_batch(batch, news)
            if made is not None:
                return made, False
            assert news[0].idempotency is not None
            earlier = self.replay(news[0].tenant_id, news[0].idempotency)
            if earlier is not None and earlier.batch_id is not None:
                return earlier.batch_id, True
        raise AssertionError("an idempotency key was neither free nor taken, three times")

    def _insert_batch(self, batch: NewBatch, news: Sequence[NewJob]) -> str | None:
        tenant_id, batch_id = news[0].tenant_id, new_id("batch")
        with refusing(_REFUSALS), self._database.transaction() as connection:
            project_id = batch.project_id
            if project_id is None and batch.mode == "one_project":
                project_id = add_project(connection, tenant_id, NewProject(name=batch.name, language=news[0].language))
            news = [replace(new, project_id=project_id or new.project_id, batch_id=batch_id) for new in news]
            busy = self._busy(news)
            connection.execute(insert(batches).values(**batch_row(batch, batch_id, tenant_id, project_id, len(news))))
            kept = _keep_all(connection, tenant_id, news)
            # Within a millisecond ids are in no order; a project's jobs run in the order of theirs.
            names = sorted(new_id("job") for _ in news)
            rows = []
            for name, new in zip(names, news, strict=True):
                whole = replace(new, inputs=_named(new, kept))
                rows.append(self._row(whole, busy=self._waits(whole, busy), job_id=name))
            if names[0] in _insert(connection, rows):
                return batch_id
            connection.rollback()
        return None

    def replay(self, tenant_id: str, idempotency: IdempotencyKey) -> Job | None:
        """The job that this key made within its lifetime, if any. An expired key is deleted on the way.

        Raises `IdempotencyKeyReused` when the key came with another request.
        """
        keys = idempotency_keys.c
        mine = (keys.tenant_id == tenant_id, keys.operation == idempotency.operation, keys.key == idempotency.key)
        with self._database.transaction() as connection:
            connection.execute(idempotency_keys.delete().where(*mine, _EXPIRED))
            known = connection.execute(select(keys.job_id, keys.fingerprint).where(*mine)).first()
            if known is None:
                return None
            if known.fingerprint != idempotency.fingerprint:
                raise IdempotencyKeyReused
            found = select(*JOB_COLUMNS).where(jobs.c.id == known.job_id, jobs.c.tenant_id == tenant_id)
            return job_from(connection.execute(found).mappings().one())

    def forget_expired_keys(self) -> int:
        """Delete idempotency keys past their lifetime. Returns how many."""
        statement = idempotency_keys.delete().where(_EXPIRED)
        with self._database.statement() as connection:
            return connection.execute(statement).rowcount

    def _outcome(self, new: NewJob) -> Accepted | ReelqueueError:
        try:
            return self.accept(new)
        except ReelqueueError as error:
            return error

    def _insert(self, rows: Sequence[_Row]) -> frozenset[str]:
        """Commit what can be; the ids of the jobs that were made. The others' idempotency keys are taken."""
        with refusing(_REFUSALS), self._database.statement() as connection:
            return _insert(connection, rows)

    def _busy(self, news: Sequence[NewJob]) -> set[str]:
        """The projects of these that have a job already which is not done, or a turn that one left running."""
        named = sorted({new.project_id for new in news if new.project_id is not None and new.version is None})
        if not named:
            return set()
        live = select(jobs.c.project_id).where(
            jobs.c.project_id.in_(named), jobs.c.version.is_(None), jobs.c.dispatch != "done"
        )
        watched = select(recoveries.c.project_id).where(
            recoveries.c.project_id.in_(named), recoveries.c.kind == RecoveryKind.TURN, recoveries.c.dispatch != "done"
        )
        with self._database.statement() as connection:
            return set(connection.execute(live.union(watched)).scalars())

    @staticmethod
    def _waits(new: NewJob, busy: set[str]) -> bool:
        """Whether the job waits for another of its project; from now on its project is busy with it."""
        if new.project_id is None or new.version is not None:
            return False
        waits = new.project_id in busy
        busy.add(new.project_id)
        return waits

    def _accept_plain(self, new: NewJob) -> Job | None:
        row = self._row(new, busy=self._waits(new, self._busy([new])))
        return row.job if row.job.id in self._insert([row]) else None

    def _accept_with_assets(self, new: NewJob) -> Job | None:
        """The path of a job that brings new files: their rows and the job's in one transaction of its own."""
        busy = self._waits(new, self._busy([new]))
        with refusing(_REFUSALS), self._database.transaction() as connection:
            kept = _keep_all(connection, new.tenant_id, [new])
            row = self._row(replace(new, inputs=_named(new, kept)), busy=busy)
            if row.job.id in _insert(connection, [row]):
                return row.job
            connection.rollback()
        return None

    def _row(self, new: NewJob, *, busy: bool = False, job_id: str | None = None) -> _Row:
        now = self._clock.now()
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
        return _Row(job=job, given=_given(job, event, new))


def _insert(connection: Connection, rows: Sequence[_Row]) -> frozenset[str]:
    parameters = {"jobs": dumps([row.given for row in rows]), "lifetime": KEY_LIFETIME}
    return frozenset(row.id for row in connection.execute(_ACCEPT, parameters))


def _named(new: NewJob, kept: Mapping[NewAsset, str]) -> tuple[NewInput, ...]:
    """The job's inputs, the new files by the ids that they were kept under."""
    return tuple(
        one if one.asset is None else NewInput(asset_id=kept[one.asset], repairs=one.repaired) for one in new.inputs
    )


def _keep_all(connection: Connection, tenant_id: str, news: Sequence[NewJob]) -> dict[NewAsset, str]:
    """The ids of the new files. In one order, so that two requests with the same cannot each wait for the other."""
    brought = {i.asset for new in news for i in new.inputs if i.asset is not None}
    ordered = sorted(brought, key=lambda asset: (asset.sha256, asset.extension))
    return {asset: _keep(connection, tenant_id, asset) for asset in ordered}


def _keep(connection: Connection, tenant_id: str, new: NewAsset) -> str:
    """The id of the asset with this content: the one that is there, or a new one."""
    statement = (
        insert(assets)
        .values(**asset_row(tenant_id, new))
        .on_conflict_do_update(
            index_elements=[assets.c.tenant_id, assets.c.sha256, assets.c.extension],
            set_={"blob_key": assets.c.blob_key},
        )
        .returning(assets.c.id)
    )
    found: str = connection.execute(statement).scalar_one()
    return found


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
    }
