"""Making messages of events: what an endpoint, or a URL of a job's own, is to be sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, func, select, text

from reelqueue.domain.channels import WORK
from reelqueue.domain.lanes import authority_of, host_of, url_lane
from reelqueue.kit.ids import new_id
from reelqueue.store.storable import dumps
from reelqueue.store.tables import webhook_endpoints

_E = webhook_endpoints.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An event for a receiver: an endpoint, with its URL, or else the URL alone."""

    event_id: str
    tenant_id: str
    position: int
    endpoint_id: str | None
    url: str
    type: str
    job_id: str | None
    seq: int | None


_LANES = text("""
INSERT INTO webhook_lanes AS l (id, tenant_id, endpoint_id, host, due_at)
SELECT g.id, g.tenant_id, g.endpoint_id, g.host, clock_timestamp()
FROM jsonb_to_recordset(CAST(:lanes AS jsonb)) AS g (id text, tenant_id text, endpoint_id text, host text)
ORDER BY g.id
ON CONFLICT (id) DO UPDATE SET
    host = excluded.host, woken = true,
    due_at = greatest(least(l.due_at, excluded.due_at), l.open_until)
""")
"""Whoever holds the lane sees `woken` when it gives it back. An open breaker stays open."""

_MAKE = text("""
WITH given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(CAST(:wanted AS jsonb)) AS g (
        id text, tenant_id text, event_id text, position bigint, endpoint_id text, url text, lane_id text,
        job_id text, seq integer, type text)
), again AS (
    UPDATE messages m SET state = 'pending', round = 0, due_at = clock_timestamp(), finished_at = NULL
    FROM given g WHERE m.event_id = g.event_id AND coalesce(m.endpoint_id, '') = coalesce(g.endpoint_id, '')
    RETURNING m.event_id, m.endpoint_id, m.id
), fresh AS MATERIALIZED (
    SELECT g.*, row_number() OVER (PARTITION BY g.endpoint_id ORDER BY g.position) AS nth FROM given g
    WHERE NOT EXISTS (
        SELECT FROM messages m
        WHERE m.event_id = g.event_id AND coalesce(m.endpoint_id, '') = coalesce(g.endpoint_id, ''))
), counted AS (
    UPDATE webhook_endpoints e SET last_delivery_seq = e.last_delivery_seq + c.number
    FROM (SELECT endpoint_id, count(*) AS number FROM fresh WHERE endpoint_id IS NOT NULL GROUP BY endpoint_id) c
    WHERE e.id = c.endpoint_id
    RETURNING e.id, e.last_delivery_seq - c.number AS before
), made AS (
    INSERT INTO messages (id, tenant_id, event_id, position, endpoint_id, url, lane_id, delivery_seq, job_id, seq, type,
                          due_at)
    SELECT f.id, f.tenant_id, f.event_id, f.position, f.endpoint_id,
           CASE WHEN f.endpoint_id IS NULL THEN f.url END, f.lane_id, c.before + f.nth, f.job_id, f.seq, f.type,
           clock_timestamp()
    FROM fresh f LEFT JOIN counted c ON c.id = f.endpoint_id
    ORDER BY f.position
    RETURNING id
)
SELECT id FROM made UNION ALL SELECT id FROM again
""")


def enqueue(connection: Connection, wanted: Sequence[Wanted]) -> list[str]:
    """Have the events sent, now and in their order, and wake their lanes. Returns the ids of the messages.

    An event that its receiver was sent before is sent again: the message keeps its `delivery_seq` and its tries, and
    has a whole schedule before it. A new one gets the endpoint's next `delivery_seq`. Of two who enqueue for the same
    endpoint one waits for the other's commit, so no number is given twice. For a service's connection.
    """
    if not wanted:
        return []
    endpoints = {one.endpoint_id for one in wanted if one.endpoint_id is not None}
    # First, and in an order: what is read below is what others have committed.
    connection.execute(select(_E.id).where(_E.id.in_(endpoints)).order_by(_E.id).with_for_update(key_share=True))
    lanes = {lane_of(one): one for one in wanted}
    shown = [
        {"id": lane, "tenant_id": one.tenant_id, "endpoint_id": one.endpoint_id, "host": host_of(one.url)}
        for lane, one in lanes.items()
    ]
    connection.execute(_LANES, {"lanes": dumps(shown)})
    rows = [{**asdict(one), "id": new_id("message"), "lane_id": lane_of(one)} for one in wanted]
    made = connection.execute(_MAKE, {"wanted": dumps(rows)}).scalars().all()
    connection.execute(select(func.pg_notify(WORK, "")))
    return list(made)


def lane_of(one: Wanted) -> str:
    """The lane that the message goes by."""
    return one.endpoint_id or url_lane(one.tenant_id, authority_of(one.url))


def wake(connection: Connection, lane_ids: Iterable[str]) -> None:
    """Have lanes looked at again: something of theirs is due."""
    connection.execute(_WAKE, {"ids": list(lane_ids)})


_WAKE = text("""
WITH woken AS (
    UPDATE webhook_lanes SET woken = true, due_at = greatest(least(due_at, clock_timestamp()), open_until)
    WHERE id = ANY (CAST(:ids AS text[])) RETURNING 1
)
SELECT pg_notify('rq_work', '') FROM woken LIMIT 1
""")
