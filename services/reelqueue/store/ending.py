"""Ending jobs that no worker holds, each with its event, its messages and what it is known to have cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection, Select, func, select, update

from reelqueue.domain.jobs import EventType, Status
from reelqueue.domain.rulings import public_error
from reelqueue.errors import ReelqueueError
from reelqueue.store.engine import Database
from reelqueue.store.open_turns import OPEN_TURN
from reelqueue.store.outbox import CHANGED, announce
from reelqueue.store.rows import JOB_COLUMNS, job_from
from reelqueue.store.slots import GIVEN_UP
from reelqueue.store.tables import jobs


def fail_all(database: Database, ids: Select[Any], cause: ReelqueueError) -> int:
    """Fail the jobs whose ids a statement finds and that nobody else has locked. Returns how many."""
    with database.transaction() as connection:
        found: Sequence[str] = connection.execute(ids.with_for_update(skip_locked=True)).scalars().all()
        for job_id in found:
            _fail(connection, job_id, cause)
    return len(found)


def _fail(connection: Connection, job_id: str, cause: ReelqueueError) -> None:
    row = connection.execute(select(*JOB_COLUMNS, OPEN_TURN).where(jobs.c.id == job_id)).mappings().one()
    billing = job_from(row).billing
    if row["open_turn"]:
        billing = replace(billing, certainty="unknown")
    values = {
        "status": Status.FAILED,
        "error": asdict(public_error(cause, billing)),
        "billing": asdict(billing),
        "dispatch": "done",
        "due_at": None,
        "waiting": None,
        "question": None,
        "lease_epoch": jobs.c.lease_epoch + 1,
        "event_seq": jobs.c.event_seq + 1,
        "finished_at": func.now(),
        **GIVEN_UP,
    }
    changed = update(jobs).where(jobs.c.id == job_id).values(**values).returning(*CHANGED)
    announce(connection, connection.execute(changed).mappings().one(), EventType.FAILED, {"code": cause.code})
