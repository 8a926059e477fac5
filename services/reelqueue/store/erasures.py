"""Erasing a tenant, step by step. Each method is one transaction of bounded size, fenced by the claim's epoch.

A step that was cut off anywhere is taken again by whoever claims it next. The rows of a job go together and its
tenant's row goes last: the database refuses that while one row names it, so the certificate cannot lie.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, delete, func, literal, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from reelqueue.domain.audit import PROCESS, Actor
from reelqueue.domain.channels import CANCEL, WORK
from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.erasures import LEDGER_YEARS, REFUSED_EVERYWHERE, Erasure, ErasureClaim, ErasureState
from reelqueue.domain.recovered import RecoveryKind
from reelqueue.domain.tenants import TenantState
from reelqueue.errors import NotFound
from reelqueue.store.audit import record
from reelqueue.store.drops import drop_pending
from reelqueue.store.engine import Database
from reelqueue.store.erasing_rows import PARCEL, drop_parcel
from reelqueue.store.jobs import NOTHING_SPENT, cancel_wished, canceled_at_once
from reelqueue.store.tables import erased_spending, erasures, jobs, messages, recoveries, tenants

LEASE: Final = timedelta(seconds=60)
"""How long a claimed step is left to whoever claimed it. Each transaction of the step begins it again."""

_E = erasures.c
_SHOWN = (
    _E.tenant_id,
    _E.state,
    _E.requested_by,
    _E.requested_at,
    _E.ended_at,
    _E.rows_at,
    _E.finished_at,
    _E.counts,
)
# Said as the two indexes of live jobs have it, or every job that the tenant ever had is read.
_LIVE = or_(
    and_(jobs.c.dispatch == "idle", jobs.c.admitted_at.is_(None)),
    and_(jobs.c.dispatch != "done", jobs.c.admitted_at.is_not(None)),
)


class Erasures:
    """Asked for by an operator, carried out by dispatchers and gateways. Any number of them may run."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, tenant_id: str, *, by: Actor = PROCESS) -> Erasure:
        """From this commit on the tenant is being erased, and nothing brings it back. Once more changes nothing.

        Raises `NotFound` for a tenant that never was.
        """
        values = {"state": TenantState.ERASING, "paused": True}
        with self._database.transaction() as connection:
            state = select(tenants.c.state).where(tenants.c.id == tenant_id).with_for_update()
            found = connection.execute(state).scalar()
            if found is not None and found != TenantState.ERASING:
                connection.execute(update(tenants).where(tenants.c.id == tenant_id).values(**values))
                connection.execute(insert(erasures).values(tenant_id=tenant_id, requested_by=by.name))
                record(connection, by, "tenant.erasing", tenant_id=tenant_id, target=tenant_id)
            return _read(connection, tenant_id)

    def find(self, tenant_id: str) -> Erasure:
        """The certificate, as far as it is. Raises `NotFound`."""
        with self._database.statement() as connection:
            return _read(connection, tenant_id)

    def claim(self, states: Collection[ErasureState]) -> ErasureClaim | None:
        """The erasure in one of these states that is due the longest, if any. Exactly one caller gets it."""
        due = (
            select(_E.tenant_id)
            .where(_E.state.in_(sorted(states)), _E.due_at <= func.now())
            .order_by(_E.due_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        taking = (
            update(erasures)
            .where(_E.tenant_id == due.scalar_subquery())
            .values(due_at=func.now() + LEASE, epoch=_E.epoch + 1)
            .returning(_E.tenant_id, _E.state, _E.epoch)
        )
        with self._database.statement() as connection:
            row = connection.execute(taking).first()
        return None if row is None else _claim_of(row)

    def put_off(self, claim: ErasureClaim, seconds: float) -> None:
        """Let the claim go; the step is due again by then. Nothing if it was lost."""
        statement = (
            update(erasures)
            .where(_E.tenant_id == claim.tenant_id, _E.epoch == claim.epoch)
            .values(due_at=func.now() + timedelta(seconds=seconds))
        )
        with self._database.statement() as connection:
            connection.execute(statement)

    def end_some(self, claim: ErasureClaim) -> bool:
        """Cancel what can be canceled at once, ask the workers for the rest, drop messages. Returns whether all ended.

        A turn that was sent is settled first: its job ends, or what watches for it does, and only then all is over.
        Raises `ClaimLost`.
        """
        tenant_id = claim.tenant_id
        with self._database.transaction() as connection:
            row = _fenced(connection, claim)
            mine = and_(jobs.c.tenant_id == tenant_id, _LIVE)
            untouched = and_(mine, jobs.c.status.in_(NOTHING_SPENT), jobs.c.dispatch != "held")
            connection.execute(update(jobs).where(_some(untouched)).values(**canceled_at_once()))
            unasked = and_(mine, jobs.c.cancel_requested_at.is_(None))
            asking = update(jobs).where(_some(unasked)).values(**cancel_wished()).returning(jobs.c.id)
            for job_id in connection.execute(asking).scalars().all():
                connection.execute(select(func.pg_notify(CANCEL, job_id), func.pg_notify(WORK, "")))
            pending = and_(messages.c.tenant_id == tenant_id, messages.c.state == "pending")
            some = select(messages.c.id).where(pending).limit(PARCEL)
            dropped = drop_pending(connection, messages.c.id.in_(some))
            over = not _anything_runs(connection, tenant_id) and dropped < PARCEL and row.refused
            if over:
                connection.execute(_of(claim).values(state=ErasureState.ROWS, ended_at=func.now()))
        return over

    def drop_some(self, claim: ErasureClaim) -> bool:
        """Delete the next few hundred rows, and at last the tenant's own. Returns whether that is done.

        A row that came after all, from a request that was let in before, takes the erasure back to its first step.
        Raises `ClaimLost`.
        """
        with self._database.transaction() as connection:
            counts = dict(_fenced(connection, claim).counts)
            dropped = drop_parcel(connection, claim.tenant_id)
            for table, number in dropped.items():
                counts[table] = counts.get(table, 0) + number
            if dropped:
                connection.execute(_of(claim).values(counts=counts))
                return False
            if not _drop_tenant(connection, claim.tenant_id):
                connection.execute(_of(claim).values(state=ErasureState.ENDING))
                return False
            months = select(func.count()).where(erased_spending.c.tenant_id == claim.tenant_id)
            counts |= {"tenants": 1, "months_kept": connection.execute(months).scalar_one()}
            changed = {"state": ErasureState.FILES, "rows_at": func.now(), "counts": counts, "due_at": func.now()}
            connection.execute(_of(claim).values(**changed))
        return True

    def note_files(self, claim: ErasureClaim, number: int) -> None:
        """Count files that were deleted. Raises `ClaimLost`."""
        with self._database.transaction() as connection:
            counts = dict(_fenced(connection, claim).counts)
            counts["files"] = counts.get("files", 0) + number
            connection.execute(_of(claim).values(counts=counts))

    def finish(self, claim: ErasureClaim) -> None:
        """No file is left. The certificate is complete. Raises `ClaimLost`."""
        with self._database.transaction() as connection:
            counts = {"files": 0, **_fenced(connection, claim).counts}
            connection.execute(_of(claim).values(state=ErasureState.ERASED, finished_at=func.now(), counts=counts))
            tenant_id = claim.tenant_id
            record(connection, PROCESS, "tenant.erased", tenant_id=tenant_id, target=tenant_id, data=counts)

    def forget_old_spending(self) -> int:
        """Delete the sums that are older than the law wants them. Returns how many."""
        old = erased_spending.c.month < func.current_date() - text(f"interval '{LEDGER_YEARS} years'")
        with self._database.statement() as connection:
            return connection.execute(delete(erased_spending).where(old)).rowcount


def _some(condition: Any) -> Any:
    """A few of the jobs that meet it, those that nobody else is writing to."""
    chosen = select(jobs.c.id).where(condition).limit(PARCEL).with_for_update(skip_locked=True)
    return jobs.c.id.in_(chosen)


def _anything_runs(connection: Connection, tenant_id: str) -> bool:
    live = select(literal(1)).where(jobs.c.tenant_id == tenant_id, _LIVE)
    watched = select(literal(1)).where(
        recoveries.c.tenant_id == tenant_id,
        recoveries.c.dispatch != "done",
        or_(recoveries.c.kind == RecoveryKind.TURN, recoveries.c.dispatch == "held"),
    )
    return bool(connection.execute(select(or_(live.exists(), watched.exists()))).scalar_one())


def _drop_tenant(connection: Connection, tenant_id: str) -> bool:
    # The last look is one at every row of the tables that have no index by tenant. It takes a lock on one row only.
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    try:
        with connection.begin_nested():
            connection.execute(delete(tenants).where(tenants.c.id == tenant_id))
    except IntegrityError:
        return False
    return True


def _fenced(connection: Connection, claim: ErasureClaim) -> Row[Any]:
    """Lock the erasure and begin its lease again. Raises `ClaimLost` for whoever was too slow."""
    mine = (_E.tenant_id == claim.tenant_id, _E.epoch == claim.epoch, _E.state == claim.state)
    refused = (_E.requested_at + REFUSED_EVERYWHERE <= func.now()).label("refused")
    statement = update(erasures).where(*mine).values(due_at=func.now() + LEASE).returning(_E.counts, refused)
    row = connection.execute(statement).first()
    if row is None:
        raise ClaimLost
    return row


def _of(claim: ErasureClaim) -> Any:
    return update(erasures).where(_E.tenant_id == claim.tenant_id)


def _claim_of(row: Row[Any]) -> ErasureClaim:
    return ErasureClaim(tenant_id=row.tenant_id, state=ErasureState(row.state), epoch=row.epoch)


def _read(connection: Connection, tenant_id: str) -> Erasure:
    row = connection.execute(select(*_SHOWN).where(_E.tenant_id == tenant_id)).mappings().first()
    if row is None:
        raise NotFound
    return Erasure(**{**row, "state": ErasureState(row["state"])})
