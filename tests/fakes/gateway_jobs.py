"""Moves jobs through their statuses as workers do: row, event and notice in one transaction."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import func, update

from reelqueue.domain.jobs import EVENT_OF, Status
from reelqueue.domain.outputs import Export, Result
from reelqueue.store.engine import Database
from reelqueue.store.outbox import CHANGED, announce
from reelqueue.store.tables import jobs

TO_SUCCESS = (Status.UPLOADING, Status.INSTRUCTING, Status.RENDERING, Status.SAVING, Status.SUCCEEDED)


class JobDriver:
    """Every move is announced, so it has an event and wakes whoever waits."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def move(self, job_id: str, *statuses: Status, **values: Any) -> None:
        """Through these statuses, one transaction each; `values` go with the last."""
        for number, status in enumerate(statuses):
            last = number == len(statuses) - 1
            changes: dict[str, Any] = {
                "status": status,
                "event_seq": jobs.c.event_seq + 1,
                "admitted_at": func.coalesce(jobs.c.admitted_at, func.now()),
                "waiting": None,
                **(values if last else {}),
            }
            if status.is_final:
                changes |= {"dispatch": "done", "finished_at": func.now(), "due_at": None}
            with self.database.transaction() as connection:
                changed = update(jobs).where(jobs.c.id == job_id).values(**changes).returning(*CHANGED)
                announce(connection, connection.execute(changed).mappings().one(), EVENT_OF[status], {})

    def progress(self, job_id: str, percent: int) -> None:
        """Between two events."""
        with self.database.transaction() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(progress=percent))
            connection.execute(func.pg_notify("rq_job", job_id).select())

    def succeed(self, job_id: str, *, blob_key: str, sha256: str, size: int) -> None:
        result = Result(
            blob_key=blob_key,
            sha256=sha256,
            bytes=size,
            duration_ms=1_000,
            width=1080,
            height=1920,
            container="mp4",
        )
        results = [asdict(Export(progress=100, result=result))]
        self.move(job_id, *TO_SUCCESS, result=asdict(result), results=results, progress=100)
