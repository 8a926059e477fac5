"""Times that jobs were given: which of the waiting ones can meet theirs no more."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, func, select, text

from reelqueue.domain.deadlines import is_out_of_reach
from reelqueue.domain.estimates import size_of
from reelqueue.domain.jobs import Status
from reelqueue.errors import DeadlineUnreachable
from reelqueue.store.ending import fail_all
from reelqueue.store.engine import Database
from reelqueue.store.history import History
from reelqueue.store.rows import JOB_COLUMNS, job_from
from reelqueue.store.tables import jobs

BATCH: Final = 500
_WAITS = (jobs.c.dispatch == "idle") & (jobs.c.status == Status.QUEUED)
_OVERDUE = _WAITS & (jobs.c.finish_by < func.now())
_NOT_BEGUN = (jobs.c.dispatch == "idle") & jobs.c.admitted_at.is_(None) & (jobs.c.start_by < func.now())

# Only where nothing is being found out upstream: such a job has looks at times of their own.
_WAKE = text("""
UPDATE jobs SET due_at = now() WHERE id = ANY (ARRAY(
    SELECT id FROM jobs
    WHERE dispatch = 'idle' AND finish_by IS NOT NULL AND finish_by < now() AND due_at > now()
      AND status IN ('requires_input', 'instructing') AND waiting ->> 'reason' IN ('answer', 'credits')
    LIMIT :most FOR UPDATE SKIP LOCKED))
""")


class Deadlines:
    """Ends in time what has cost nothing, and wakes what is late and waits for somebody. In batches, by index."""

    def __init__(self, database: Database, history: History) -> None:
        self._database = database
        self._history = history

    def keep(self) -> int:
        """One round. Returns how many jobs were ended or woken."""
        late = [self._fail(condition) for condition in (_NOT_BEGUN, _OVERDUE)]
        return sum(late) + self._fail_hopeless() + self._wake()

    def _fail(self, condition: ColumnElement[bool]) -> int:
        return fail_all(self._database, select(jobs.c.id).where(condition).limit(BATCH), DeadlineUnreachable())

    def _fail_hopeless(self) -> int:
        """Jobs that wait for their turn and would be late though they began now. The least time left comes first."""
        waiting = _WAITS & jobs.c.admitted_at.is_(None) & jobs.c.finish_by.is_not(None)
        look = select(*JOB_COLUMNS, func.now().label("moment")).where(waiting).order_by(jobs.c.finish_by).limit(BATCH)
        with self._database.statement() as connection:
            rows = connection.execute(look).mappings().all()
        hopeless = [
            job.id
            for job, moment in ((job_from(row), row["moment"]) for row in rows)
            if is_out_of_reach(job, self._history.of(job.tenant_id, size_of(job)), moment)
        ]
        # Whoever was admitted between the two statements is at work: the worker judges again.
        return self._fail(waiting & jobs.c.id.in_(hopeless)) if hopeless else 0

    def _wake(self) -> int:
        with self._database.statement() as connection:
            return connection.execute(_WAKE, {"most": BATCH}).rowcount
