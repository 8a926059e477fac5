"""Whose turn it is. Marks rows as rung; the caller rings the bells after the commit.

Two lanes. *Continue*: jobs that were admitted before, by due time. *Admit*: new jobs, by stride scheduling on the
tenant row: the tenants with the least virtual time go first, a few jobs each, and each job moves its tenant's time on
by 1/weight. Weight, cap and pause are columns, so a change acts on jobs that wait already. Several dispatchers may
run: each row is marked by exactly one of them (`SKIP LOCKED`).

A project has one turn at a time: of its jobs the oldest is admitted, and the next one when that has ended. Two
dispatchers cannot admit two, since a tenant's jobs are admitted under its row's lock. A turn that was left running by a
job that has ended counts, until it is known to be over (`recoveries`). The export of a version touches no timeline and
waits for nobody.

`= ANY (ARRAY(…))`, not `IN (…)`: an array is looked up by the primary key, whatever the planner thinks of its length.
"""

from __future__ import annotations

from sqlalchemy import text

from reelqueue.domain.bells import Bell
from reelqueue.domain.jobs import Queue
from reelqueue.store.engine import Database
from reelqueue.store.watches import TURN_WATCHED

JOBS_A_TURN = 2
"""How many jobs one tenant gets in a batch before the next tenant's turn."""
FIRST_REDIAL_S = 5
LONGEST_REDIAL_S = 60

_ROOM = text("""
WITH room AS (
    SELECT q.queue, coalesce(sum(w.capacity), 0) AS capacity
    FROM unnest(CAST(:queues AS text[])) AS q (queue)
    LEFT JOIN workers w ON q.queue = ANY (w.queues) AND w.state = 'working' AND w.expires_at > now()
    GROUP BY q.queue
)
SELECT queue, greatest(0, capacity - (
    SELECT count(*) FROM jobs j WHERE j.queue = room.queue AND j.dispatch IN ('rung', 'held')
) - CASE WHEN room.queue = 'step' THEN (
    SELECT count(*) FROM recoveries WHERE dispatch IN ('rung', 'held')
) ELSE 0 END) AS free FROM room WHERE queue <> 'webhook'
UNION ALL
SELECT queue, greatest(0, capacity - (SELECT count(*) FROM messages WHERE dispatch IN ('rung', 'held')))
FROM room WHERE queue = 'webhook'
""")

_CONTINUE = text("""
UPDATE jobs SET dispatch = 'rung', bell_at = now(), bells = 1
WHERE id = ANY (ARRAY(
    SELECT id FROM jobs
    WHERE dispatch = 'idle' AND admitted_at IS NOT NULL AND queue = :queue AND due_at <= now()
    ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED))
RETURNING id, false AS recovery
""")

# For `step`: ended jobs that are looked after are a few rows, each for seconds and now and then, so one statement does.
_CONTINUE_AND_RECOVER = text("""
WITH going AS (
    UPDATE jobs SET dispatch = 'rung', bell_at = now(), bells = 1
    WHERE id = ANY (ARRAY(
        SELECT id FROM jobs
        WHERE dispatch = 'idle' AND admitted_at IS NOT NULL AND queue = :queue AND due_at <= now()
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
SELECT id, false AS recovery FROM going UNION ALL SELECT id, true FROM late
""")

_TURN = text("""
SELECT id FROM tenants WHERE has_waiting AND NOT paused
ORDER BY virtual_time LIMIT :tenants FOR NO KEY UPDATE SKIP LOCKED
""")

# A statement of its own, after the lock: it must see what was admitted by whoever held the tenant before.
_ADMIT = text(f"""
WITH turn AS MATERIALIZED (
    SELECT t.id, t.max_running - (
        SELECT count(*) FROM jobs r
        WHERE r.tenant_id = t.id AND r.admitted_at IS NOT NULL AND r.dispatch <> 'done') AS free
    FROM tenants t WHERE t.id = ANY (:turn)
), allowed AS (
    SELECT id, free, greatest(0, least(:each, free)) AS most FROM turn
), chosen AS MATERIALIZED (
    SELECT j.id, a.id AS tenant_id FROM allowed a
    CROSS JOIN LATERAL (
        SELECT j.id FROM jobs j
        WHERE j.tenant_id = a.id AND j.dispatch = 'idle' AND j.admitted_at IS NULL
          AND (j.project_id IS NULL OR j.version IS NOT NULL OR NOT EXISTS (
            SELECT FROM jobs o
            WHERE o.project_id = j.project_id AND o.version IS NULL AND o.dispatch <> 'done' AND o.id <> j.id
              AND (o.admitted_at IS NOT NULL OR o.id < j.id)) AND NOT {TURN_WATCHED})
        ORDER BY j.id LIMIT a.most FOR UPDATE SKIP LOCKED) j
), taken AS MATERIALIZED (
    SELECT tenant_id, count(*) AS n FROM chosen GROUP BY tenant_id
), rung AS (
    UPDATE jobs SET dispatch = 'rung', bell_at = now(), bells = 1, admitted_at = now(), waiting = NULL
    WHERE id = ANY (ARRAY(SELECT id FROM chosen))
    RETURNING id
), charged AS (
    UPDATE tenants t SET
        virtual_time = t.virtual_time + k.n::double precision / t.weight,
        has_waiting = k.n = k.most AND k.n < k.free
    FROM (SELECT a.id, a.most, a.free, coalesce(c.n, 0) AS n FROM allowed a LEFT JOIN taken c ON c.tenant_id = a.id) k
    WHERE t.id = k.id
)
SELECT id FROM rung
""")  # noqa: S608 - the condition is ours

_REDIAL = text("""
UPDATE jobs SET bell_at = now(), bells = bells + 1
WHERE id = ANY (ARRAY(
    SELECT id FROM jobs
    WHERE dispatch = 'rung'
      AND bell_at < now() - make_interval(secs => least(:longest, :first * power(2, least(bells, 10) - 1)))
    ORDER BY bell_at LIMIT :most FOR UPDATE SKIP LOCKED))
RETURNING id, queue
""")

_MESSAGES = text("""
UPDATE messages SET dispatch = 'rung', bell_at = now(), bells = 1
WHERE id = ANY (ARRAY(
    SELECT id FROM messages WHERE dispatch = 'idle' AND due_at <= now()
    ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED))
RETURNING id, false AS recovery
""")

_REDIAL_MESSAGES = text("""
UPDATE messages SET bell_at = now(), bells = bells + 1
WHERE id = ANY (ARRAY(
    SELECT id FROM messages
    WHERE dispatch = 'rung'
      AND bell_at < now() - make_interval(secs => least(:longest, :first * power(2, least(bells, 10) - 1)))
    ORDER BY bell_at LIMIT :most FOR UPDATE SKIP LOCKED))
RETURNING id
""")

_REDIAL_RECOVERIES = text("""
UPDATE recoveries SET bell_at = now(), bells = bells + 1
WHERE job_id = ANY (ARRAY(
    SELECT job_id FROM recoveries
    WHERE dispatch = 'rung'
      AND bell_at < now() - make_interval(secs => least(:longest, :first * power(2, least(bells, 10) - 1)))
    ORDER BY bell_at LIMIT :most FOR UPDATE SKIP LOCKED))
RETURNING job_id AS id
""")

_NEXT_DUE = text("""
SELECT extract(epoch FROM least(
    (SELECT min(due_at) FROM jobs WHERE dispatch = 'idle' AND admitted_at IS NOT NULL AND queue = 'step'),
    (SELECT min(due_at) FROM jobs WHERE dispatch = 'idle' AND admitted_at IS NOT NULL AND queue = 'stream'),
    (SELECT min(due_at) FROM recoveries WHERE dispatch = 'idle'),
    (SELECT min(due_at) FROM messages WHERE dispatch = 'idle')) - now())
""")

_MARK_DUE = {Queue.WEBHOOK: _MESSAGES, Queue.STREAM: _CONTINUE, Queue.STEP: _CONTINUE_AND_RECOVER}


class Dispatch:
    """The dispatcher's statements. Each is a transaction; a marked row whose bell is lost is rung again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def room(self) -> dict[Queue, int]:
        """How many more rows each queue's live workers can take now."""
        with self._database.statement() as connection:
            rows = connection.execute(_ROOM, {"queues": [queue.value for queue in Queue]}).all()
        return {Queue(row.queue): int(row.free) for row in rows}

    def mark_due(self, queue: Queue, most: int) -> list[Bell]:
        """The continue lane: up to `most` due jobs (or messages, for `webhook`), the longest due first.

        On `step` jobs that go on come before ended ones for which something may still arrive.
        """
        statement = _MARK_DUE[queue]
        with self._database.statement() as connection:
            rows = connection.execute(statement, {"queue": queue.value, "most": most})
            return [Bell(queue, row.id, recovery=row.recovery) for row in rows]

    def admit(self, most: int, *, each: int = JOBS_A_TURN) -> list[Bell]:
        """The admit lane: at most `most` new jobs, up to `each` of one tenant.

        A tenant at its cap, or with nothing left, loses its flag; the end of one of its jobs, a new one, or the sweep
        gives it back. Where a turn finds only such tenants the next ones get theirs at once.
        """
        tenants, each = max(1, most // each), min(each, most)
        while True:
            with self._database.transaction() as connection:
                turn = list(connection.execute(_TURN, {"tenants": tenants}).scalars())
                if not turn:
                    return []
                found = connection.execute(_ADMIT, {"turn": turn, "each": each})
                bells = [Bell(Queue.STEP, row.id) for row in found]
            if bells:
                return bells

    def redial(self, most: int) -> list[Bell]:
        """Rows whose bell nobody answered: after 5 s, then 10, 20, 40, then each minute."""
        parameters = {"most": most, "first": FIRST_REDIAL_S, "longest": LONGEST_REDIAL_S}
        with self._database.statement() as connection:
            bells = [Bell(Queue(row.queue), row.id) for row in connection.execute(_REDIAL, parameters)]
            bells += [Bell(Queue.WEBHOOK, row.id) for row in connection.execute(_REDIAL_MESSAGES, parameters)]
            late = connection.execute(_REDIAL_RECOVERIES, parameters)
            bells += [Bell(Queue.STEP, row.id, recovery=True) for row in late]
        return bells

    def seconds_to_next_due(self) -> float | None:
        """How long until the next row is due by the database's clock; negative when overdue, `None` when none waits."""
        with self._database.statement() as connection:
            seconds = connection.execute(_NEXT_DUE).scalar_one()
        return None if seconds is None else float(seconds)
