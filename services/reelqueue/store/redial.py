"""Bells that nobody answered: their rows are rung again, later and later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, TextClause, text

from reelqueue.domain.bells import Bell
from reelqueue.domain.jobs import Queue

FIRST_S: Final = 5
LONGEST_S: Final = 60


def _again(table: str, queue: str, *, key: str = "id", also: str = "") -> TextClause:
    """The rows of a table whose bell rang too long ago; `queue` is where it rings, `also` what holds for all."""
    return text(f"""
UPDATE {table} SET bell_at = now(), bells = bells + 1
WHERE {key} = ANY (ARRAY(
    SELECT {key} FROM {table}
    WHERE dispatch = 'rung'{also}
      AND bell_at < now() - make_interval(secs => least({LONGEST_S}, {FIRST_S} * power(2, least(bells, 10) - 1)))
    ORDER BY bell_at LIMIT :most FOR UPDATE SKIP LOCKED))
RETURNING {key} AS id, {queue} AS queue""")  # noqa: S608 - the names are ours


# Rung jobs have no index of their own, which each admission would have to write: they are found among all that occupy a
# worker, and that is as many as there are threads.
_JOBS: Final = _again("jobs", "queue", also=" AND lease_owner IS NULL AND queue IN ('step', 'stream')")
_LANES: Final = _again("webhook_lanes", f"'{Queue.WEBHOOK}'")
_RECOVERIES: Final = _again("recoveries", f"'{Queue.STEP}'", key="job_id")


def redial(connection: Connection, most: int) -> Sequence[Bell]:
    """Rows whose bell nobody answered: after 5 s, then 10, 20, 40, then each minute."""
    return [
        Bell(Queue(row.queue), row.id, recovery=statement is _RECOVERIES)
        for statement in (_JOBS, _LANES, _RECOVERIES)
        for row in connection.execute(statement, {"most": most})
    ]
