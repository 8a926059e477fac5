"""Reading a tenant's feed by number."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import text

from reelqueue.domain.feed import FeedEvent, FeedPage
from reelqueue.store.engine import Database

LOOKED_THROUGH: Final = 10_000
"""Events that one look may pass over in search of the types it was asked for."""

# One statement, so that the numbers and the events are of one moment. Nothing that is numbered can be missed: numbers
# are given, and `last_seq` moved, by transactions that follow one another.
_AFTER = text("""
WITH feed AS MATERIALIZED (
    SELECT coalesce((SELECT last_seq FROM feeds WHERE tenant_id = :tenant), 0) AS last,
           (SELECT seq FROM feed_events WHERE tenant_id = :tenant AND seq IS NOT NULL ORDER BY seq LIMIT 1) AS oldest
), place AS MATERIALIZED (
    SELECT last, coalesce(oldest, last + 1) AS oldest,
           coalesce(CAST(:after AS bigint), coalesce(oldest, last + 1) - 1) AS after
    FROM feed
)
SELECT p.last, p.oldest, p.after, e.id, e.seq, e.type, e.job_id, e.payload
FROM place p LEFT JOIN LATERAL (
    SELECT * FROM feed_events f
    WHERE f.tenant_id = :tenant AND f.seq > p.after AND f.seq <= p.after + :through
      AND (CAST(:types AS text[]) IS NULL OR f.type = ANY (CAST(:types AS text[])))
    ORDER BY f.seq LIMIT :limit
) e ON true
ORDER BY e.seq
""")


class Feed:
    """The events of one tenant, by their numbers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def after(
        self, tenant_id: str, after: int | None, *, types: Collection[str] | None = None, limit: int = 100
    ) -> FeedPage:
        """Up to `limit` events numbered above `after`, in order; with `None` from the oldest kept on.

        With `types` only those, and it looks through a bounded number of others: the page may be empty and yet not be
        the last. Ahead of the feed there is nothing to read, now.
        """
        parameters = {
            "tenant": tenant_id,
            "after": after,
            "types": None if types is None else sorted(types),
            "through": LOOKED_THROUGH if types is not None else limit,
            "limit": limit,
        }
        with self._database.statement() as connection:
            rows = connection.execute(_AFTER, parameters).all()
        events = tuple(
            FeedEvent(id=row.id, seq=row.seq, type=row.type, job_id=row.job_id, payload=row.payload)
            for row in rows
            if row.id is not None
        )
        first = rows[0]
        looked_to = max(first.after, min(first.last, first.after + parameters["through"]))
        reached = events[-1].seq if len(events) == limit else looked_to
        return FeedPage(events=events, reached=reached, oldest=first.oldest, last=first.last)
