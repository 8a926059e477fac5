"""Claim what is watched for, and write what a look came to. Every write names its epoch and checks that it hit."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB

from reelqueue.domain.channels import WORK
from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.event_data import recovered_data
from reelqueue.domain.jobs import EventType
from reelqueue.domain.recovered import RecoveryKind
from reelqueue.domain.recoveries import Look, RecoveryClaim, TurnFound
from reelqueue.domain.sessions import RenderState
from reelqueue.domain.turns import TurnState
from reelqueue.store.budgets import settle
from reelqueue.store.engine import Database
from reelqueue.store.ledger import billed, book
from reelqueue.store.outbox import CHANGED, announce
from reelqueue.store.rows import JOB_COLUMNS, job_from
from reelqueue.store.tables import jobs, recoveries, renders, turns
from reelqueue.store.versions import keep_new

_R = recoveries.c


class Recoveries:
    """Leases on recoveries, as on jobs. A job that has ended stays as it ended: only what came is added to it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, job_id: str, worker_id: str) -> RecoveryClaim | None:
        """Take a recovery whose bell was rung.

        `None` means: not ours to take. It was claimed already (a bell rung twice), it waits for a later look, or it is
        over. Of two workers with the same bell exactly one gets the claim.
        """
        taking = (
            update(recoveries)
            .where(_R.job_id == job_id, _R.dispatch == "rung")
            .values(dispatch="held", lease_owner=worker_id, lease_epoch=_R.lease_epoch + 1, bells=0, bell_at=None)
            .returning(*_R, func.extract("epoch", func.now() - _R.created_at).label("age_s"))
        )
        with self._database.transaction() as connection:
            row = connection.execute(taking).mappings().first()
            if row is None:
                return None
            job = connection.execute(select(*JOB_COLUMNS).where(jobs.c.id == job_id)).mappings().one()
        return RecoveryClaim(
            job=job_from(job),
            kind=RecoveryKind(row["kind"]),
            worker_id=worker_id,
            epoch=row["lease_epoch"],
            looks=row["looks"],
            age_s=float(row["age_s"]),
            seen=row["seen"],
        )

    def let_go(self, job_id: str, worker_id: str) -> bool:
        """Give back a recovery that a live worker holds without knowing it: the answer to its claim was lost.

        False: the worker does not hold it.
        """
        statement = (
            update(recoveries)
            .where(_R.job_id == job_id, _R.dispatch == "held", _R.lease_owner == worker_id)
            .values(dispatch="idle", lease_owner=None, lease_epoch=_R.lease_epoch + 1, due_at=func.now())
        )
        with self._database.statement() as connection:
            return connection.execute(statement).rowcount == 1

    def record(self, claim: RecoveryClaim, look: Look, *, keep_s: float) -> None:
        """Write a look with all that follows from it, all or nothing. Raises `ClaimLost`: then nothing was written.

        A file is kept for `keep_s` seconds from now on, and so are those that came before it. A file or a new version
        is announced by `job.recovered`; the turn is booked, once, and the job's bill follows the ledger.
        """
        with self._database.transaction() as connection:
            _hold(connection, claim)
            number = _turn(connection, claim, look.turn) if look.turn is not None else None
            _close_renders(connection, claim, look)
            connection.execute(_of(claim).values(**_row(look, number, keep_s)))
            if look.again_s is not None:
                connection.execute(select(func.pg_notify(WORK, "")))
            if look.file is not None or look.turn is not None:
                _tell(connection, claim, look, number)


def _of(claim: RecoveryClaim) -> Any:
    return update(recoveries).where(
        _R.job_id == claim.job.id, _R.lease_epoch == claim.epoch, _R.lease_owner == claim.worker_id
    )


def _hold(connection: Connection, claim: RecoveryClaim) -> None:
    """Lock the row until the transaction ends: of two workers that believe to hold it one waits, and finds it gone."""
    if connection.execute(_of(claim).values(looks=_R.looks + 1)).rowcount != 1:
        raise ClaimLost(claim.job.id)


def _row(look: Look, number: int | None, keep_s: float) -> dict[str, Any]:
    over = look.again_s is None
    values: dict[str, Any] = {
        "dispatch": "done" if over else "idle",
        "lease_owner": None,
        "due_at": None if look.again_s is None else func.now() + timedelta(seconds=look.again_s),
        "seen": look.seen,
    }
    if look.file is not None:
        values["files"] = _R.files.op("||")(literal([asdict(look.file)], JSONB))
        values["expires_at"] = func.now() + timedelta(seconds=keep_s)
        values["expiring_told_at"] = None
    if number is not None:
        values["version"] = number
    if look.file is not None or number is not None:
        values["recovered_at"] = func.now()
    return values


def _close_renders(connection: Connection, claim: RecoveryClaim, look: Look) -> None:
    if look.failed:
        closed = update(renders).where(renders.c.job_id == claim.job.id, renders.c.id.in_(look.failed))
        connection.execute(closed.values(state=RenderState.FAILED))


def _turn(connection: Connection, claim: RecoveryClaim, found: TurnFound) -> int | None:
    """Book the turn and close it. The number of the version it left behind, if that is a new one."""
    book(connection, claim.job, found.booking)
    number = None if found.version is None else keep_new(connection, claim.job, found.version)
    state = TurnState.UNKNOWN if number is None else TurnState.FINISHED
    closed = update(turns).where(
        turns.c.job_id == claim.job.id,
        turns.c.position == found.position,
        turns.c.state.in_((TurnState.SENDING, TurnState.FINISHED)),
    )
    connection.execute(closed.values(state=state, finished_at=func.now()))
    return number


def _tell(connection: Connection, claim: RecoveryClaim, look: Look, number: int | None) -> None:
    """What the job shows of it; and the event, if something came."""
    values: dict[str, Any] = {}
    came = look.file is not None or number is not None
    if look.turn is not None:
        values["billing"] = asdict(billed(connection, claim.job.id))
        if number is not None:
            receipt = {**(look.turn.receipt or {}), "version": number}
            values["receipts"] = jobs.c.receipts.op("||")(literal([receipt], JSONB))
            values["instruction_index"] = jobs.c.instruction_index + 1
    if came:
        values["event_seq"] = jobs.c.event_seq + 1
    changed = update(jobs).where(jobs.c.id == claim.job.id).values(**values).returning(*CHANGED)
    row = connection.execute(changed).mappings().one()
    if look.turn is not None:
        settle(connection, row)
    if came:
        output = None if look.file is None else look.file.output
        announce(connection, row, EventType.RECOVERED, recovered_data(job_from(row), output=output, version=number))
