"""Forgetting events that are old, with what was made of them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from itertools import takewhile

from sqlalchemy import Connection, delete, func, select, text

from reelqueue.store.engine import Database
from reelqueue.store.tables import feed_events, messages, webhook_attempts

_E, _M = feed_events.c, messages.c
_OLD = text("""
SELECT f.tenant_id FROM feeds f CROSS JOIN LATERAL (
    SELECT e.created_at FROM feed_events e
    WHERE e.tenant_id = f.tenant_id AND e.seq IS NOT NULL ORDER BY e.seq LIMIT 1
) first
WHERE first.created_at < now() - CAST(:keep AS interval)
ORDER BY first.created_at
""")


class FeedKeeping:
    """Forgets events that are old, with the messages made of them. For a service's database."""

    def __init__(self, database: Database, *, keep: timedelta, batch: int = 500, batches: int = 20) -> None:
        """`keep` is for how long events are kept. One call deletes at most `batches` times `batch` of them."""
        self._database = database
        self._keep = keep
        self._batch = batch
        self._batches = batches

    def run(self) -> int:
        """Delete what has been kept for long enough, each tenant's from the front; how many events that were.

        From the front only: a number that is kept has all that follow it behind it, so that a reader is either told
        that his place is gone or misses nothing. What waits to be sent is kept, and what came after it too.
        """
        left, forgotten = self._batches, self._forget_samples()
        with self._database.statement() as connection:
            tenants = connection.execute(_OLD, {"keep": self._keep}).scalars().all()
        for tenant_id in tenants:
            deleted = self._batch
            while deleted == self._batch and left > 0:
                deleted = self._forget_front(tenant_id)
                forgotten += deleted
                left -= 1
        return forgotten

    def _forget_front(self, tenant_id: str) -> int:
        old = (_E.created_at < func.now() - self._keep).label("old")
        front = (
            select(_E.id, old)
            .where(_E.tenant_id == tenant_id, _E.seq.is_not(None))
            .order_by(_E.seq)
            .limit(self._batch)
            # Whoever makes a message of one of them waits, and then finds that there is none.
            .with_for_update()
        )
        with self._database.transaction() as connection:
            ids = [row.id for row in takewhile(lambda row: row.old, connection.execute(front))]
            waiting = _waiting(connection, ids)
            done = list(takewhile(lambda event_id: event_id not in waiting, ids))
            _delete(connection, done)
        return len(done)

    def _forget_samples(self) -> int:
        old = select(_E.id).where(_E.sample, _E.created_at < func.now() - self._keep)
        with self._database.transaction() as connection:
            ids = connection.execute(old.order_by(_E.created_at).limit(self._batch).with_for_update()).scalars().all()
            waiting = _waiting(connection, ids)
            done = [event_id for event_id in ids if event_id not in waiting]
            _delete(connection, done)
        return len(done)


def _waiting(connection: Connection, event_ids: Collection[str]) -> frozenset[str]:
    """Those of which a message waits to be sent. Locks the messages of all, so that none begins to."""
    of_them = select(_M.event_id, _M.state).where(_M.event_id.in_(event_ids)).order_by(_M.id).with_for_update()
    return frozenset(row.event_id for row in connection.execute(of_them) if row.state == "pending")


def _delete(connection: Connection, event_ids: Collection[str]) -> None:
    of_them = select(_M.id).where(_M.event_id.in_(event_ids))
    connection.execute(delete(webhook_attempts).where(webhook_attempts.c.message_id.in_(of_them)))
    connection.execute(delete(messages).where(_M.event_id.in_(event_ids)))
    connection.execute(delete(feed_events).where(_E.id.in_(event_ids)))
