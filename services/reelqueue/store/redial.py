"""Bells that nobody answered: their rows are rung again, later and later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, text

from reelqueue.domain.bells import Bell
from reelqueue.domain.jobs import Queue

FIRST_S: Final = 5
LONGEST_S: Final = 60

_JOBS = text("""
UPDATE jobs SET bell_at = now(), bells = bells + 1
WHERE id = ANY (ARRAY(
    SELECT id FROM jobs
    WHERE dispatch = 'rung'
      AND bell_at < now() - make_interval(secs => least(:longest, :first * power(2, least(bells, 10) - 1)))
    ORDER BY bell_at LIMIT :most FOR UPDATE SKIP LOCKED))
RETURNING id, queue
""")

_MESSAGES = text("""
UPDATE messages SET bell_at = now(), bells = bells + 1
WHERE id = ANY (ARRAY(
    SELECT id FROM messages
    WHERE dispatch = 'rung'
      AND bell_at < now() - make_interval(secs => least(:longest, :first * power(2, least(bells, 10) - 1)))
    ORDER BY bell_at LIMIT :most FOR UPDATE SKIP LOCKED))
RETURNING id
""")

_RECOVERIES = text("""
UPDATE recoveries SET bell_at = now(), bells = bells + 1
WHERE job_id = ANY (ARRAY(
    SELECT job_id FROM recoveries
    WHERE dispatch = 'rung'
      AND bell_at < now() - make_interval(secs => least(:longest, :first * power(2, least(bells, 10) - 1)))
    ORDER BY bell_at LIMIT :most FOR UPDATE SKIP LOCKED))
RETURNING job_id AS id
""")


def redial(connection: Connection, most: int) -> Sequence[Bell]:
    """Rows whose bell nobody answered: after 5 s, then 10, 20, 40, then each minute."""
    parameters = {"most": most, "first": FIRST_S, "longest": LONGEST_S}
    bells = [Bell(Queue(row.queue), row.id) for row in connection.execute(_JOBS, parameters)]
    bells += [Bell(Queue.WEBHOOK, row.id) for row in connection.execute(_MESSAGES, parameters)]
    late = connection.execute(_RECOVERIES, parameters)
    return [*bells, *(Bell(Queue.STEP, row.id, recovery=True) for row in late)]
