"""Whose turn it is. Marks rows as rung; the caller rings the bells after the commit.

Two lanes. *Continue* (`continuing`): jobs that were admitted before, by due time. *Admit* (`admission`): new jobs,
fairly, onto tokens with room. Several dispatchers may run: each row is marked by exactly one of them.
"""

from __future__ import annotations

from sqlalchemy import text

from reelqueue.domain.bells import Bell
from reelqueue.domain.jobs import Queue
from reelqueue.kit.limits import TOKEN_DRAIN_S
from reelqueue.store.admission import admit_next
from reelqueue.store.continuing import MARK_DUE, NEXT_DUE
from reelqueue.store.engine import Database
from reelqueue.store.redial import redial
from reelqueue.store.settlement import BATCH as SETTLED_AT_ONCE
from reelqueue.store.settlement import settle
from reelqueue.store.slots import grant

JOBS_A_TURN = 2
"""How many jobs one tenant gets in a batch before the next tenant's turn."""

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
SELECT queue, greatest(0, capacity - (SELECT count(*) FROM webhook_lanes WHERE dispatch IN ('rung', 'held')))
FROM room WHERE queue = 'webhook'
""")


class Dispatch:
    """The dispatcher's statements. Each is a transaction; a marked row whose bell is lost is rung again."""

    def __init__(self, database: Database, *, drain_s: float = TOKEN_DRAIN_S) -> None:
        """`drain_s`: a token that expires sooner than that gets new projects only as the last resort."""
        self._database = database
        self._drain_s = drain_s

    def room(self) -> dict[Queue, int]:
        """How many more rows each queue's live workers can take now."""
        with self._database.statement() as connection:
            rows = connection.execute(_ROOM, {"queues": [queue.value for queue in Queue]}).all()
        return {Queue(row.queue): int(row.free) for row in rows}

    def mark_due(self, queue: Queue, most: int) -> list[Bell]:
        """The continue lane: up to `most` due jobs, the longest due first; for `webhook` lanes, fairly.

        On `step` jobs that go on come before ended ones for which something may still arrive. Jobs that wait for room
        on their token come last, as many as find it.
        """
        with self._database.statement() as connection:
            rows = connection.execute(MARK_DUE[queue], {"queue": queue.value, "most": most}).all()
        bells = [Bell(queue, row.id, recovery=row.recovery) for row in rows if row.id is not None]
        if len(bells) == len(rows) or len(bells) == most:
            return bells
        with self._database.transaction() as connection:
            return [*bells, *(Bell(queue, one) for one in grant(connection, queue.value, most - len(bells)))]

    def admit(self, most: int, *, each: int = JOBS_A_TURN) -> list[Bell]:
        """The admit lane: at most `most` new jobs, up to `each` of one tenant.

        A tenant at its cap, without room, or with nothing left, loses its flag; the end of one of its jobs, a slot
        that is given up, a new job, or the sweep gives it back. Where a turn finds only such tenants the next ones get
        theirs at once.
        """
        tenants, each = max(1, most // each), min(each, most)
        while True:
            with self._database.statement() as connection:
                admitted = admit_next(connection, tenants, each=each, most=most, drain_s=self._drain_s)
            if admitted is None:
                return []
            if admitted:
                return [Bell(Queue.STEP, one) for one in admitted]

    def settle(self) -> int:
        """Settle what turns really took with their tenants, and wake who waited for their room. Returns how many."""
        total = 0
        while True:
            with self._database.statement() as connection:
                settled = settle(connection)
            total += settled
            if settled < SETTLED_AT_ONCE:
                return total

    def redial(self, most: int) -> list[Bell]:
        """Rows whose bell nobody answered: after 5 s, then 10, 20, 40, then each minute."""
        with self._database.statement() as connection:
            return [*redial(connection, most)]

    def seconds_to_next_due(self) -> float | None:
        """How long until the next row is due by the database's clock; negative when overdue, `None` when none waits."""
        with self._database.statement() as connection:
            seconds = connection.execute(NEXT_DUE).scalar_one()
        return None if seconds is None else float(seconds)
