"""What goes on: admitted jobs and ended ones that are looked after, by due time; and the lanes of webhooks, fairly.

A job that holds what it needs of its token, or needs nothing, goes on freely. One that waits for room (`slots.grant`)
comes after those, and before new ones take that room.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

from reelqueue.domain.jobs import Queue
from reelqueue.domain.lanes import SLOW_MS
from reelqueue.store.slots import WANTED

MOST_LOOKED_AT: Final = 2_000
"""Due lanes that are compared with each other; those due the longest."""
LANES_OF_A_HOST: Final = 32
"""How many lanes of all tenants may be under way to one host."""

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

SLOWLY: Final = f"(latency_ms > {SLOW_MS} OR (window_at IS NULL AND failing_since IS NULL))"
"""For statements with a lane: whether its receiver is slow, or has yet to show that it is not."""

# Whoever has the least under way comes first: a tenant with a thousand lanes due waits for none, and none for it. Lanes
# whose receivers are slow get half of all the room, so that there is always some that is free within a blink.
_LANES = text(f"""
WITH room AS MATERIALIZED (
    SELECT coalesce(sum(capacity), 0) AS capacity FROM workers
    WHERE 'webhook' = ANY (queues) AND state = 'working' AND expires_at > now()
), busy AS MATERIALIZED (
    SELECT tenant_id, host, {SLOWLY} AS slow FROM webhook_lanes WHERE dispatch IN ('rung', 'held')
), due AS MATERIALIZED (
    SELECT id, tenant_id, host, due_at, {SLOWLY} AS slow FROM webhook_lanes
    WHERE dispatch = 'idle' AND due_at <= now() ORDER BY due_at LIMIT {MOST_LOOKED_AT}
), ranked AS (
    SELECT d.id, d.slow, d.due_at,
        row_number() OVER (PARTITION BY d.tenant_id ORDER BY d.slow, d.due_at)
            + (SELECT count(*) FROM busy b WHERE b.tenant_id = d.tenant_id) AS of_tenant,
        row_number() OVER (PARTITION BY d.host ORDER BY d.due_at)
            + (SELECT count(*) FROM busy b WHERE b.host = d.host) AS of_host
    FROM due d
), slowly AS (
    SELECT r.*, row_number() OVER (PARTITION BY r.slow ORDER BY r.of_tenant, r.due_at)
        + (SELECT count(*) FROM busy b WHERE b.slow) AS of_slow
    FROM ranked r WHERE r.of_host <= {LANES_OF_A_HOST}
)
UPDATE webhook_lanes SET dispatch = 'rung', bell_at = now(), bells = 1
WHERE id = ANY (ARRAY(
    SELECT l.id FROM webhook_lanes l JOIN slowly s ON s.id = l.id
    WHERE l.dispatch = 'idle'
      AND (NOT s.slow OR s.of_slow <= greatest(1, (SELECT capacity FROM room) / 2))
    ORDER BY s.of_tenant, s.due_at LIMIT :most FOR NO KEY UPDATE OF l SKIP LOCKED))
RETURNING id, false AS recovery
""")  # noqa: S608 - the numbers are ours

MARK_DUE: Final = {Queue.WEBHOOK: _LANES, Queue.STREAM: _JOBS, Queue.STEP: _JOBS_AND_RECOVERIES}
"""Of each queue, what marks its due rows as rung. Parameters: `queue`, `most`. A row without an id: see `_WANTED`."""

NEXT_DUE: Final = text("""
SELECT extract(epoch FROM least(
    (SELECT min(due_at) FROM jobs
     WHERE dispatch = 'idle' AND admitted_at IS NOT NULL AND wants IS NULL AND queue = 'step'),
    (SELECT min(due_at) FROM jobs
     WHERE dispatch = 'idle' AND admitted_at IS NOT NULL AND wants IS NULL AND queue = 'stream'),
    (SELECT min(due_at) FROM recoveries WHERE dispatch = 'idle'),
    (SELECT min(due_at) FROM webhook_lanes WHERE dispatch = 'idle')) - now())
""")
"""How long until the next row is due, in seconds."""
