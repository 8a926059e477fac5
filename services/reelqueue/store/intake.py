"""Accepting jobs: the job, its inputs, its first event, its idempotency key and its messages in one statement.

202 means committed: `accept` returns only after the commit. Several jobs may share one (`accept_many`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, and_, exists, func, select
from sqlalchemy.dialects.postgresql import insert

from reelqueue.domain.batches import NewBatch
from reelqueue.domain.intake import Accepted, IdempotencyKey, NewAsset, NewInput, NewJob
from reelqueue.domain.jobs import Job
from reelqueue.domain.projects import NewProject
from reelqueue.domain.recovered import RecoveryKind
from reelqueue.errors import DependencyUnavailable, IdempotencyKeyReused, NotFound, ReelqueueError, StateConflict
from reelqueue.kit.clock import Clock
from reelqueue.kit.ids import new_id
from reelqueue.store.batch_rows import batch_row
from reelqueue.store.engine import Database
from reelqueue.store.metering import lock
from reelqueue.store.new_jobs import NewRow, Written, insert_jobs, new_row
from reelqueue.store.project_records import add_project
from reelqueue.store.rows import JOB_COLUMNS, asset_row, job_from
from reelqueue.store.tables import assets, batches, idempotency_keys, jobs, recoveries
from reelqueue.store.violations import refusing

_REFUSALS = {
    "fk_job_inputs_asset_id_assets": NotFound("An input's asset was deleted meanwhile.", pointer="/inputs"),
    "uq_jobs_live_retry": StateConflict("A retry of this job is at work already."),
}

_EXPIRED = and_(
    idempotency_keys.c.expires_at <= func.now(),
    ~exists().where(jobs.c.id == idempotency_keys.c.job_id, jobs.c.dispatch != "done"),
)
"""A key outlives its day while its job still runs: a repeat then must not start a second one."""


class JobIntake:
    """Makes jobs out of requests that passed every check."""

    def __init__(self, database: Database, clock: Clock, *, credits_per_turn: float = 100.0) -> None:
        """`credits_per_turn` is what a turn of a tenant is expected to cost of whom nothing is known."""
        self._database = database
        self._clock = clock
        self._credits_per_turn = credits_per_turn

    def accept(self, new: NewJob) -> Accepted:
        """Commit the job and return it; under an idempotency key that is known, return the job it made then.

        Of any number of concurrent calls with one key exactly one makes a job, and all return it. Raises
        `IdempotencyKeyReused` when the key came with another request, `NotFound` for an asset that is not there,
        `QuotaExceeded` and `BudgetExhausted` for a job that would be one too many (a repeat never is), and
        `DependencyUnavailable` when the database does not answer (then a job may or may not exist: only a repeat under
        the same key tells).
        """
        for _ in range(3):
            made = self._accept_slowly(new) if any(i.asset for i in new.inputs) else self._accept_plain(new)
            if made is not None:
                return made
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
        rows = [new_row(new, self._clock.now(), busy=self._waits(new, busy)) for new in news]
        try:
            made = self._insert(rows).made
        except DependencyUnavailable as error:
            return [error] * len(news)
        except NotFound:
            # One of them names what is not there, and took the others' commit along: each on its own, then.
            return [self._outcome(new) for new in news]
        return [
            # Those of tenants with quotas are among the others: each is accepted by itself.
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
                rows.append(new_row(whole, self._clock.now(), busy=self._waits(whole, busy), job_id=name))
            if self._write(connection, rows) is not None:
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

    def _insert(self, rows: Sequence[NewRow]) -> Written:
        """Commit what can be."""
        with refusing(_REFUSALS), self._database.statement() as connection:
            return insert_jobs(connection, rows)

    def _write(self, connection: Connection, rows: Sequence[NewRow]) -> Accepted | None:
        """Write jobs of one tenant, all or none, within its quotas: the first of them. `None`: a key is taken."""
        written, rate = insert_jobs(connection, rows), None
        if written.metered:
            meter = lock(connection, rows[0].job.tenant_id, credits_per_turn=self._credits_per_turn)
            for row in rows:
                row.given["reserved"] = meter.reserves(row.job)
            written = insert_jobs(connection, rows, locked=True)
            if len(written.made) == len(rows):
                rate = meter.admit(connection, [row.job for row in rows])
        if len(written.made) < len(rows):
            return None
        return Accepted(job=rows[0].job, replayed=False, rate=rate)

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

    def _accept_plain(self, new: NewJob) -> Accepted | None:
        row = self._row(new)
        written = self._insert([row])
        if row.job.id in written.metered:
            return self._accept_slowly(new)
        return Accepted(job=row.job, replayed=False) if row.job.id in written.made else None

    def _accept_slowly(self, new: NewJob) -> Accepted | None:
        """The path of a job that brings new files, or whose tenant has quotas: in a transaction of its own."""
        busy = self._waits(new, self._busy([new]))
        with refusing(_REFUSALS), self._database.transaction() as connection:
            kept = _keep_all(connection, new.tenant_id, [new])
            row = new_row(replace(new, inputs=_named(new, kept)), self._clock.now(), busy=busy)
            accepted = self._write(connection, [row])
            if accepted is None:
                connection.rollback()
            return accepted

    def _row(self, new: NewJob) -> NewRow:
        return new_row(new, self._clock.now(), busy=self._waits(new, self._busy([new])))


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
