"""Claim a job, change it, let it go. Every write here names the epoch it holds and checks that it hit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Integer, bindparam, case, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.dml import ReturningUpdate

from reelqueue.domain.channels import JOB, WORK
from reelqueue.domain.claims import Change, Claim, ClaimLost
from reelqueue.domain.jobs import EventType, Job, Status, WaitingReason, queue_of
from reelqueue.domain.sessions import RenderState
from reelqueue.domain.verdicts import Learned
from reelqueue.kit.limits import CLAIMS_BEFORE_POISONED, SWEEP_S
from reelqueue.store.budgets import settle
from reelqueue.store.engine import Database
from reelqueue.store.fence import ITSELF_HELD, held
from reelqueue.store.ledger import book
from reelqueue.store.outbox import CHANGED, announce
from reelqueue.store.rows import JOB_COLUMNS, job_from, question_json, waiting_from, waiting_json
from reelqueue.store.slots import gives_up, on_move
from reelqueue.store.tables import jobs, renders
from reelqueue.store.versions import keep

_TO_BE_CANCELED = jobs.c.cancel_requested_at.is_not(None)
_rung = (
    select(jobs.c.id, jobs.c.waiting)
    .where(jobs.c.id == bindparam("rung_job"), jobs.c.dispatch == "rung")
    .with_for_update()
    .cte("rung")
)
_CLAIM: Final = (
    update(jobs)
    .where(jobs.c.id == _rung.c.id)
    .values(
        dispatch="held",
        lease_owner=bindparam("worker"),
        lease_epoch=jobs.c.lease_epoch + 1,
        bells=0,
        bell_at=None,
        waiting=None,
    )
    .returning(*JOB_COLUMNS, _rung.c.waiting.label("waited"))
)
_COUNT_EVENT: Final = update(jobs).where(*ITSELF_HELD).values(event_seq=jobs.c.event_seq + 1).returning(*CHANGED)
_NOTE_PROGRESS: Final = (
    update(jobs)
    .where(*ITSELF_HELD)
    .values(progress=func.greatest(jobs.c.progress, bindparam("percent", type_=Integer)))
    .returning(func.pg_notify(JOB, jobs.c.id))
)


class Claims:
    """Leases on jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, job_id: str, worker_id: str) -> Claim | None:
        """Take a job whose bell was rung.

        `None` means: not ours to take. It was claimed already (a bell rung twice), it waits for something else, or it
        ended. Of two workers with the same bell exactly one gets the claim. The row waits no more; the claim's job
        still says what for, so that waiting on for the same reason keeps its beginning. The first claim of a job is
        told as `job.started`, once: a worker that dies before leaves that to the next one.
        """
        with self._database.statement() as connection:
            row = connection.execute(_CLAIM, {"rung_job": job_id, "worker": worker_id}).mappings().first()
        if row is None:
            return None
        job = job_from(row)
        if job.started_at is None:
            try:
                job = self._start(Claim(job=job, worker_id=worker_id))
            except ClaimLost:
                return None
        return Claim(job=replace(job, waiting=waiting_from(row["waited"])), worker_id=worker_id)

    def _start(self, claim: Claim) -> Job:
        """Note that the work has begun, and tell it. Apart from the claim, which is one statement all other times."""
        statement = (
            update(jobs)
            .where(*ITSELF_HELD, jobs.c.started_at.is_(None))
            .values(started_at=func.now(), event_seq=jobs.c.event_seq + 1)
            .returning(*CHANGED)
        )
        with self._database.transaction() as connection:
            row = connection.execute(statement, held(claim)).mappings().first()
            if row is None:
                raise ClaimLost(claim.job.id)
            announce(connection, row, EventType.STARTED)
        return job_from(row)

    def apply(self, claim: Claim, change: Change) -> Job:
        """Write a change with its event and its webhook messages, all or nothing. Returns the job as it now stands.

        Raises `ClaimLost` when the epoch has moved on: then nothing was written.
        """
        with self._database.transaction() as connection:
            if change.learned.version is not None:
                change = _numbered(change, keep(connection, claim, change.learned.version))
            row = connection.execute(_update(claim, change), held(claim)).mappings().first()
            if row is None:
                raise ClaimLost(claim.job.id)
            if change.learned.booking is not None:
                book(connection, claim.job, change.learned.booking)
            if change.learned.stopped:
                _stop(connection, claim, change.learned.stopped)
            if change.event is not None:
                announce(connection, row, change.event, change.event_data)
            if change.learned.booking is not None:
                settle(connection, row)
        return job_from(row)

    def let_go(self, job_id: str, worker_id: str, *, crashed: bool) -> bool:
        """Give back a job that a live worker holds and works on no more, whatever its row says of the epoch.

        For a worker in doubt: a claim or a write whose answer was lost. A crash is counted, so that a job that cannot
        be worked on ends as poisoned. False: the worker does not hold it.
        """
        crashes = jobs.c.crashes + int(crashed)
        statement = (
            update(jobs)
            .where(jobs.c.id == job_id, jobs.c.dispatch == "held", jobs.c.lease_owner == worker_id)
            .values(
                dispatch="idle",
                lease_owner=None,
                lease_epoch=jobs.c.lease_epoch + 1,
                crashes=crashes,
                due_at=case((crashes < CLAIMS_BEFORE_POISONED, func.now())),
            )
            .returning(func.pg_notify(WORK, ""))
        )
        with self._database.statement() as connection:
            return connection.execute(statement).first() is not None

    def tell(self, claim: Claim, what: EventType, data: Mapping[str, Any]) -> None:
        """Write an event of a step that is still at work, with its messages. Raises `ClaimLost`."""
        with self._database.transaction() as connection:
            row = connection.execute(_COUNT_EVENT, held(claim)).mappings().first()
            if row is None:
                raise ClaimLost(claim.job.id)
            announce(connection, row, what, data)

    def note_progress(self, claim: Claim, percent: int) -> None:
        """Show how far the step is. Progress never goes back. Raises `ClaimLost`."""
        shown = {"percent": min(99, max(0, percent)), **held(claim)}
        with self._database.statement() as connection:
            if connection.execute(_NOTE_PROGRESS, shown).first() is None:
                raise ClaimLost(claim.job.id)


def _update(claim: Claim, change: Change) -> ReturningUpdate[Any]:
    return (
        update(jobs)
        .where(
            *ITSELF_HELD,
            jobs.c.status == change.origin,
            # Under one claim the same move may be made twice (the next instruction): a repeat of a write is told by it.
            jobs.c.moves == claim.job.moves,
        )
        .values(**_values(change))
        .returning(*CHANGED, *_wake(change))
    )


def _stop(connection: Connection, claim: Claim, stopped: Sequence[str]) -> None:
    """Nothing more is to come of these renders, so nobody will watch for them."""
    mine = (renders.c.job_id == claim.job.id, renders.c.id.in_(stopped))
    connection.execute(update(renders).where(*mine).values(state=RenderState.FAILED))


def _numbered(change: Change, version: int | None) -> Change:
    """The change with the number of the draft's version in its receipt."""
    learned = change.learned
    if learned.receipt is None or version is None:
        return change
    return replace(change, learned=replace(learned, receipt={**learned.receipt, "version": version}))


def _wake(change: Change) -> tuple[ColumnElement[Any], ...]:
    """A notice to the dispatcher when the job is due, or makes room, before it would look by itself."""
    if gives_up(change.origin, change.to):
        return (func.pg_notify(WORK, ""),)
    if change.hold != "release":
        return ()
    soon = change.due_s is not None and change.due_s < SWEEP_S
    return (func.pg_notify(WORK, "") if soon else case((_TO_BE_CANCELED, func.pg_notify(WORK, ""))),)


def _values(change: Change) -> Mapping[str, Any]:
    values: dict[str, Any] = {
        "status": change.to,
        "queue": queue_of(change.to),
        "attempt": change.attempt,
        "waiting": waiting_json(change.waiting),
        "crashes": 0,
        "moves": jobs.c.moves + 1,
    }
    if change.to is not Status.REQUIRES_INPUT:
        values["question"] = None
    elif change.question is not None:
        values["question"] = question_json(change.question)
    if change.event is not None:
        values["event_seq"] = jobs.c.event_seq + 1
    if change.error is not None:
        values["error"] = asdict(change.error)
    return {**values, **_learned(change.learned), **on_move(change.origin, change.to), **_hold(change)}


def _learned(learned: Learned) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if learned.progress is not None:
        values["progress"] = func.greatest(jobs.c.progress, learned.progress)
    if learned.instruction_index is not None:
        values["instruction_index"] = learned.instruction_index
    if learned.project_id is not None:
        values["project_id"] = learned.project_id
    if learned.receipt is not None:
        values["receipts"] = jobs.c.receipts.op("||")(literal([dict(learned.receipt)], JSONB))
    if learned.answer is not None:
        values["answers"] = jobs.c.answers.op("||")(literal([asdict(learned.answer)], JSONB))
    if learned.billing is not None:
        values["billing"] = asdict(learned.billing)
    if learned.result is not None:
        values["result"] = asdict(learned.result)
    if learned.exports is not None:
        values["results"] = [asdict(export) for export in learned.exports]
    return values


def _hold(change: Change) -> dict[str, Any]:
    match change.hold:
        case "keep":
            return {}
        case "release":
            return {"dispatch": "idle", "lease_owner": None, "due_at": _due(change)}
        case "end":
            return {"dispatch": "done", "lease_owner": None, "due_at": None, "finished_at": func.now()}


def _due(change: Change) -> ColumnElement[Any] | None:
    """When the job is due. At once if its owner asked for a cancel meanwhile, unless it is the cancel that fails."""
    due = None if change.due_s is None else func.now() + timedelta(seconds=change.due_s)
    if change.waiting is not None and change.waiting.reason is WaitingReason.RETRY:
        return due
    return case((_TO_BE_CANCELED, func.now()), else_=due)
