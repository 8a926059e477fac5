"""The continue lane: admitted jobs, ended ones that are looked after, and messages, each by due time.

A job that holds what it needs of its token, or needs nothing, goes on freely. One that waits for room (`slots.grant`)
comes after those, and before new ones take that room.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

from reelqueue.domain.jobs import Queue
from reelqueue.store.slots import WANTED

# The last row has no id if somebody waits for room: most rounds need not ask for it.
_WANTED = f"UNION ALL SELECT NULL, false WHERE {WANTED}"

_JOBS = text(f"""
WITH going AS (
    UPDATE jobs SET dispatch = 'rung', bell_at = now(), bells = 1
    WHERE id = ANY (ARRAY(
        SELECT id FROM jobs
        WHERE dispatch = 'idle' AND admitted_at IS NOT NULL AND wants IS NULL AND queue = :queue AND due_at <= now()
        ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED))
    RETURNING id
)
SELECT id, false AS recovery FROM going {_WANTED}
""")  # noqa: S608 - the condition is ours

# For `step`: ended jobs that are looked after are few rows, each for seconds and now and then: one statement does.
_JOBS_AND_RECOVERIES = text(f"""
WITH going AS (
    UPDATE jobs SET dispatch = 'rung', bell_at = now(), bells = 1
    WHERE id = ANY (ARRAY(
        SELECT id FROM jobs
        WHERE dispatch = 'idle' AND admitted_at IS NOT NULL AND wants IS NULL AND queue = :queue AND due_at <= now()
        ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED))
    RETURNING id
), late AS (
    UPDATE recoveries SET dispatch = 'rung', bell_at = now(), bells = 1
    WHERE job_id = ANY (ARRAY(
        SELECT job_id FROM recoveries WHERE dispatch = 'idle' AND due_at <= now()
        ORDER BY due_at LIMIT greatest(0, CAST(:most AS integer) - (SELECT count(*) FROM going))
        FOR UPDATE SKIP LOCKED))
    RETURNING job_id AS id
)
SELECT id, false AS recovery FROM going UNION ALL SELECT id, true FROM late {_WANTED}
""")  # noqa: S608 - the condition is ours

_MESSAGES = text("""
UPDATE messages SET dispatch = 'rung', bell_at = now(), bells = 1
WHERE id = ANY (ARRAY(
    SELECT id FROM messages WHERE dispatch = 'idle' AND due_at <= now()
    ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED))
RETURNING id, false AS recovery
""")

MARK_DUE: Final = {Queue.WEBHOOK: _MESSAGES, Queue.STREAM: _JOBS, Queue.STEP: _JOBS_AND_RECOVERIES}
"""Of each queue, what marks its due rows as rung. Parameters: `queue`, `most`. A row without an id: see `_WANTED`."""

NEXT_DUE: Final = text("""
SELECT extract(epoch FROM least(
    (SELECT min(due_at) FROM jobs
     WHERE dispatch = 'idle' AND admitted_at IS NOT NULL AND wants IS NULL AND queue = 'step'),
    (SELECT min(due_at) FROM jobs
     WHERE dispatch = 'idle' AND admitted_at IS NOT NULL AND wants IS NULL AND queue = 'stream'),
    (SELECT min(due_at) FROM recoveries WHERE dispatch = 'idle'),
    (SELECT min(due_at) FROM messages WHERE dispatch = 'idle')) - now())
""")
"""How long until the next row is due, in seconds."""
