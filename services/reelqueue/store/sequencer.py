"""Numbering what was told, in the order in which it may be read, and making messages of it.

Events are written by many transactions at once, and commit in another order than that in which they were written. So
none has a number when it is written. One after the other, under a lock, sequencers give numbers to what they see, which
has committed; whoever reads by number can never come by one that appears later behind him.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select, text

from reelqueue.store.engine import Database
from reelqueue.store.new_messages import Wanted, enqueue
from reelqueue.store.subscribed import NAMED, PASSED

MOST: Final = 500
"""Events that are numbered in one transaction."""
LOCK: Final = 0x5E9C_0E5C
"""Of the database: one sequencer at a time."""

# An event of a job is written after the job's row was locked, so its position is above those of the job's earlier ones,
# and what is seen of a job has no holes: the order of positions is the order of each job's events.
_NUMBER = text("""
WITH fresh AS MATERIALIZED (
    SELECT id, tenant_id, row_number() OVER (PARTITION BY tenant_id ORDER BY position) AS nth
    FROM (SELECT id, tenant_id, position FROM feed_events
          WHERE seq IS NULL AND NOT sample ORDER BY position LIMIT :most) f
), counted AS (
    SELECT tenant_id, count(*) AS number FROM fresh GROUP BY tenant_id
), moved AS (
    INSERT INTO feeds AS f (tenant_id, last_seq) SELECT tenant_id, number FROM counted ORDER BY tenant_id
    ON CONFLICT (tenant_id) DO UPDATE SET last_seq = f.last_seq + excluded.last_seq
    RETURNING tenant_id, last_seq
)
UPDATE feed_events e SET seq = m.last_seq - c.number + f.nth
FROM fresh f JOIN counted c ON c.tenant_id = f.tenant_id JOIN moved m ON m.tenant_id = f.tenant_id
WHERE e.id = f.id
RETURNING e.id, e.tenant_id, e.position, e.type, e.job_id, e.job_seq, e.url
""")

_LISTENERS = text(f"""
SELECT e.id AS event_id, w.id AS endpoint_id, w.url
FROM feed_events e JOIN webhook_endpoints w ON w.tenant_id = e.tenant_id
WHERE e.id = ANY (CAST(:ids AS text[])) AND w.deleted_at IS NULL AND w.state = 'enabled'
  AND {NAMED} AND {PASSED}
ORDER BY e.position, w.id
""")  # noqa: S608 - the conditions are ours

_GROWN = text("SELECT pg_notify('rq_feed', t) FROM unnest(CAST(:tenants AS text[])) AS t")


class Sequencer:
    """Numbers and fans out. Any number may run; one does at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run_once(self, most: int = MOST) -> int:
        """Number up to `most` events and make their messages, all or nothing. Returns how many were numbered."""
        with self._database.transaction() as connection:
            connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
            # A statement of its own, after the lock: it must see what was committed by whoever held it before.
            rows = connection.execute(_NUMBER, {"most": most}).all()
            if not rows:
                return 0
            enqueue(connection, _wanted(connection, rows))
            connection.execute(_GROWN, {"tenants": sorted({row.tenant_id for row in rows})})
            return len(rows)


def _wanted(connection: Connection, rows: Sequence[Row[Any]]) -> list[Wanted]:
    events = {row.id: row for row in sorted(rows, key=lambda row: row.position)}
    found = connection.execute(_LISTENERS, {"ids": list(events)}).all()
    receivers = [(row.event_id, row.endpoint_id, row.url) for row in found]
    receivers += [(event.id, None, event.url) for event in events.values() if event.url is not None]
    return [
        Wanted(
            event_id=event_id,
            tenant_id=events[event_id].tenant_id,
            position=events[event_id].position,
            endpoint_id=endpoint_id,
            url=url,
            type=events[event_id].type,
            job_id=events[event_id].job_id,
            seq=events[event_id].job_seq,
        )
        for event_id, endpoint_id, url in receivers
    ]
