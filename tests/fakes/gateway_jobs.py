"""Moves jobs through their statuses as workers do: row, event and notice in one transaction."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import func, insert, update

from reelqueue.domain.jobs import EVENT_OF, Status
from reelqueue.domain.outputs import Export, Result
from reelqueue.domain.recovered import RecoveredFile, RecoveryKind
from reelqueue.domain.recoveries import Look
from reelqueue.domain.sessions import ProjectState
from reelqueue.kit.ids import new_id
from reelqueue.store.engine import Database
from reelqueue.store.outbox import CHANGED, announce
from reelqueue.store.recoveries import Recoveries
from reelqueue.store.tables import jobs, projects, recoveries

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
        result = film(blob_key, sha256, size)
        results = [asdict(Export(progress=100, result=result))]
        self.move(job_id, *TO_SUCCESS, result=asdict(result), results=results, progress=100)

    def recover(self, job_id: str, tenant_id: str, *, blob_key: str, sha256: str, size: int) -> None:
        """A file arrives for a job that has ended, as a worker that looked would have it."""
        project = {"id": new_id("project"), "tenant_id": tenant_id, "state": ProjectState.NEW}
        row = {"job_id": job_id, "tenant_id": tenant_id, "project_id": project["id"], "kind": RecoveryKind.RENDER}
        with self.database.transaction() as connection:
            connection.execute(insert(projects).values(**project))
            connection.execute(insert(recoveries).values(**row, dispatch="rung"))
        store = Recoveries(self.database)
        claim = store.claim(job_id, "wrk_one")
        assert claim is not None
        file = RecoveredFile(output=0, result=film(blob_key, sha256, size))
        store.record(claim, Look(again_s=None, file=file), keep_s=86_400)

    def expire(self, job_id: str) -> None:
        """A day has passed since then."""
        with self.database.statement() as connection:
            mine = update(recoveries).where(recoveries.c.job_id == job_id)
            connection.execute(mine.values(expires_at=func.now()))


def film(blob_key: str, sha256: str, size: int) -> Result:
    """A finished video of that content."""
    return Result(
        blob_key=blob_key, sha256=sha256, bytes=size, duration_ms=1_000, width=1080, height=1920, container="mp4"
    )
