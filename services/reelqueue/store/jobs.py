"""Reading jobs, and the one thing an owner may change: to ask for a cancel."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, func, literal, literal_column, select, update
from sqlalchemy.dialects.postgresql import JSONB

from reelqueue.domain.channels import CANCEL, WORK
from reelqueue.domain.intake import JobFilter
from reelqueue.domain.jobs import EventType, Job, Status, WaitingReason
from reelqueue.errors import NotFound, StateConflict
from reelqueue.store.engine import Database
from reelqueue.store.outbox import CHANGED, announce
from reelqueue.store.room import ROOM, waiting_for_room
from reelqueue.store.rows import JOB_COLUMNS, job_from
from reelqueue.store.slots import GIVEN_UP
from reelqueue.store.tables import jobs

NOTHING_SPENT = (Status.QUEUED, Status.REQUIRES_INPUT)
"""Where a job that nobody holds can be canceled on the spot: no call to the upstream is needed."""

_ITS: Final = (jobs.c.tenant_id == bindparam("room_of"), jobs.c.id == bindparam("job_id"))
FIND: Final = select(*JOB_COLUMNS).where(*_ITS)
"""The tenant's job of an id (`found`)."""
_FIND_ROOM: Final = select(ROOM).select_from(jobs).where(*_ITS)


def found(connection: Connection, row: RowMapping | None) -> Job:
    """The job in a row of `FIND`. What a new one waits for is asked apart, and only of one that waits for its turn.

    Raises `NotFound` for none.
    """
    if row is None:
        raise NotFound
    job = job_from(row)
    if job.waiting is None or job.waiting.reason is not WaitingReason.TURN:
        return job
    which = {"room_of": job.tenant_id, "job_id": job.id}
    return waiting_for_room(job, connection.execute(_FIND_ROOM, which).scalar_one_or_none())


class Jobs:
    """The tenant's view of its jobs. Another tenant's id is not found, exactly like one that never was."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, tenant_id: str, job_id: str) -> Job:
        """One job. Raises `NotFound`."""
        with self._database.statement() as connection:
            row = connection.execute(FIND, {"room_of": tenant_id, "job_id": job_id}).mappings().first()
            return found(connection, row)

    def list(self, tenant_id: str, narrow: JobFilter, *, before: str | None, limit: int) -> list[Job]:
        """Up to `limit` jobs, newest first, older than the job id `before`."""
        statement = (
            select(*JOB_COLUMNS, ROOM.bindparams(room_of=tenant_id))
            .where(jobs.c.tenant_id == tenant_id, *_conditions(narrow))
            .order_by(jobs.c.id.desc())
            .limit(limit)
        )
        if before is not None:
            statement = statement.where(jobs.c.id < before)
        with self._database.statement() as connection:
            rows = connection.execute(statement).mappings()
            return [waiting_for_room(job_from(row), row["room"]) for row in rows]

    def request_cancel(self, tenant_id: str, job_id: str) -> Job:
        """Cancel a job, or have its worker cancel it.

        A job that nobody works on and that has not called the upstream ends at once. Otherwise the wish is recorded:
        the worker that holds the job, or the next one, carries it out. A cancel and a finish that meet are settled by
        the row's lock: whichever commits first stands. Repeating a cancel changes nothing. Raises `NotFound`, and
        `StateConflict` for a job that succeeded or failed.
        """
        mine = (jobs.c.tenant_id == tenant_id, jobs.c.id == job_id)
        with self._database.transaction() as connection:
            locked = select(jobs.c.status, jobs.c.dispatch).where(*mine).with_for_update()
            row = connection.execute(locked).first()
            if row is None:
                raise NotFound
            status = Status(row.status)
            if status is Status.CANCELED:
                return job_from(connection.execute(select(*JOB_COLUMNS).where(*mine)).mappings().one())
            if status.is_final:
                raise StateConflict(f"The job has {status} already.")
            at_once = status in NOTHING_SPENT and row.dispatch != "held"
            values = canceled_at_once() if at_once else cancel_wished()
            changed = update(jobs).where(*mine).values(**values).returning(*CHANGED)
            changed_row = connection.execute(changed).mappings().one()
            if at_once:
                announce(connection, changed_row, EventType.CANCELED)
            else:
                connection.execute(select(func.pg_notify(CANCEL, job_id), func.pg_notify(WORK, "")))
            return job_from(changed_row)


def canceled_at_once() -> dict[str, object]:
    """What becomes of a job that nobody holds and that has called nobody."""
    return {
        "status": Status.CANCELED,
        "dispatch": "done",
        "due_at": None,
        "bell_at": None,
        "waiting": None,
        "question": None,
        "lease_epoch": jobs.c.lease_epoch + 1,
        "event_seq": jobs.c.event_seq + 1,
        "cancel_requested_at": func.coalesce(jobs.c.cancel_requested_at, func.now()),
        "finished_at": func.now(),
        **GIVEN_UP,
    }


def cancel_wished() -> dict[str, object]:
    """The wish, and an early due time so that a job asleep hears of it. Nobody waits for room to be canceled."""
    return {
        "cancel_requested_at": func.coalesce(jobs.c.cancel_requested_at, func.now()),
        "due_at": func.least(jobs.c.due_at, func.now()),
        "wants": None,
    }


def _conditions(narrow: JobFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if narrow.status:
        conditions.append(jobs.c.status.in_(sorted(narrow.status)))
    if narrow.project_id is not None:
        conditions.append(jobs.c.project_id == narrow.project_id)
    if narrow.batch_id is not None:
        conditions.append(jobs.c.batch_id == narrow.batch_id)
    if narrow.external_id is not None:
        conditions.append(jobs.c.external_id == narrow.external_id)
    if narrow.metadata:
        # The index leaves out jobs without any; only said outright does the planner know that it will do.
        conditions.append(jobs.c.metadata != literal_column("'{}'::jsonb", JSONB))
        conditions.append(jobs.c.metadata.op("@>", is_comparison=True)(literal(dict(narrow.metadata), JSONB)))
    if narrow.created_after is not None:
        conditions.append(jobs.c.created_at > narrow.created_after)
    if narrow.created_before is not None:
        conditions.append(jobs.c.created_at < narrow.created_before)
    return conditions
