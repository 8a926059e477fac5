"""Sending an endpoint again what happened in a span of time: counted first, then a batch a transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, text, update

from reelqueue.domain.replays import COUNTED, KEY_HOLDS_S, MOST_EVENTS, Replay, ReplayCount, ReplayWish
from reelqueue.errors import IdempotencyKeyReused, NotFound, ReplayTooLarge
from reelqueue.kit.ids import new_id
from reelqueue.store.engine import Database
from reelqueue.store.listening import listening
from reelqueue.store.new_messages import Wanted, enqueue
from reelqueue.store.subscribed import NAMED, PASSED
from reelqueue.store.tables import webhook_endpoints, webhook_replays

BATCH: Final = 500

_E = webhook_endpoints.c
_R = webhook_replays.c

# Samples have no number.
_ASKED_FOR: Final = f"""
FROM webhook_endpoints w JOIN feed_events e ON e.tenant_id = w.tenant_id
WHERE w.tenant_id = :tenant AND w.id = :endpoint AND e.seq IS NOT NULL
  AND e.created_at >= :since AND e.created_at < :until
  AND CASE WHEN CAST(:types AS text[]) IS NULL THEN {NAMED} ELSE e.type = ANY (CAST(:types AS text[])) END AND {PASSED}
"""
_PENDING: Final = """EXISTS (
    SELECT FROM messages m WHERE m.event_id = e.id AND m.endpoint_id = w.id AND m.state = 'pending')"""

_COUNT = text(f"""
SELECT count(*) AS events, count(*) FILTER (WHERE c.pending) AS pending,
       coalesce(min(c.seq), 1) - 1 AS after_seq, coalesce(max(c.seq), 0) AS last_seq
FROM (SELECT e.seq, {_PENDING} AS pending {_ASKED_FOR} LIMIT :most) c
""")  # noqa: S608 - the parts are ours
_NEXT = text(f"""
SELECT e.id, e.seq AS number, e.position, e.type, e.job_id, e.job_seq, {_PENDING} AS pending {_ASKED_FOR}
  AND e.seq > :after AND e.seq <= :last ORDER BY e.seq LIMIT :most
""")


class Replays:
    """Replays. Any number of them at once: an event that is on its way to the endpoint is not sent twice for it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, tenant_id: str, endpoint_id: str, wish: ReplayWish) -> ReplayCount:
        """What the wish comes to now, of a disabled endpoint too. Raises `NotFound`."""
        known = select(_E.id).where(_E.tenant_id == tenant_id, _E.id == endpoint_id, _E.deleted_at.is_(None))
        with self._database.transaction() as connection:
            if connection.execute(known).first() is None:
                raise NotFound
            until = _until(connection, wish)
            counted = _counted(connection, tenant_id, endpoint_id, wish, until, most=COUNTED + 1)
        events, pending = (min(counted[name], COUNTED) for name in ("events", "pending"))
        return ReplayCount(until=until, events=events, pending=pending, more=counted["events"] > COUNTED)

    def run(self, tenant_id: str, endpoint_id: str, wish: ReplayWish, *, key: str | None) -> Replay:
        """Put the events on their way, the oldest first, each under the `webhook-id` and `delivery_seq` it had.

        With the same `key` within a day it is the same replay: one that broke off is gone on with, and of two at the
        same moment each takes the batches that the other has not. An endpoint that is disabled meanwhile ends it.
        Raises `NotFound`, `EndpointNotListening`, `ReplayTooLarge`, `IdempotencyKeyReused`.
        """
        with self._database.transaction() as connection:
            replay_id, replayed = _begun(connection, tenant_id, endpoint_id, wish, key)
        while True:
            with self._database.transaction() as connection:
                row = _batch(connection, replay_id, wish)
            if row["finished"]:
                count = ReplayCount(until=row["until"], events=row["events"], pending=row["pending"])
                return Replay(count=count, queued=row["queued"], replayed=replayed)


def _begun(
    connection: Connection, tenant_id: str, endpoint_id: str, wish: ReplayWish, key: str | None
) -> tuple[str, bool]:
    """The id of the replay's row, and whether it was there before."""
    until = _until(connection, wish)
    # Before the lock: whoever makes messages for the endpoint waits for that.
    counted = _counted(connection, tenant_id, endpoint_id, wish, until, most=MOST_EVENTS + 1)
    # Two with one key begin one after the other.
    listening(connection, tenant_id, endpoint_id)
    aged = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, KEY_HOLDS_S)
    connection.execute(delete(webhook_replays).where(_R.tenant_id == tenant_id, _R.created_at < aged))
    if key is not None:
        before = select(_R.id, _R.fingerprint).where(_R.endpoint_id == endpoint_id, _R.key == key)
        row = connection.execute(before).first()
        if row is not None:
            if row.fingerprint != wish.fingerprint():
                raise IdempotencyKeyReused
            return str(row.id), True
    if counted["events"] > MOST_EVENTS:
        raise ReplayTooLarge(detail={"most": MOST_EVENTS})
    made = insert(webhook_replays).values(
        id=new_id("replay"),
        tenant_id=tenant_id,
        endpoint_id=endpoint_id,
        key=key,
        fingerprint=wish.fingerprint(),
        until=until,
        **counted,
    )
    return str(connection.execute(made.returning(_R.id)).scalar_one()), False


def _batch(connection: Connection, replay_id: str, wish: ReplayWish) -> RowMapping:
    """Take the next events; the row as it is then. Its lock makes those who work on it take turns."""
    held = select(webhook_replays).where(_R.id == replay_id).with_for_update()
    row = connection.execute(held).mappings().one()
    if row["finished"]:
        return row
    tenant_id, endpoint_id = row["tenant_id"], row["endpoint_id"]
    url = listening(connection, tenant_id, endpoint_id)
    which = _which(tenant_id, endpoint_id, wish, row["until"])
    span = {"after": row["after_seq"], "last": row["last_seq"], "most": BATCH}
    found = connection.execute(_NEXT, {**which, **span}).all()
    due = [
        Wanted(
            event_id=event.id,
            tenant_id=tenant_id,
            position=event.position,
            endpoint_id=endpoint_id,
            url=url,
            type=event.type,
            job_id=event.job_id,
            seq=event.job_seq,
        )
        for event in found
        if not event.pending
    ]
    enqueue(connection, due)
    values: dict[str, Any] = {"queued": _R.queued + len(due), "finished": len(found) < BATCH}
    if found:
        values["after_seq"] = found[-1].number
    changed = update(webhook_replays).where(_R.id == replay_id).values(**values)
    return connection.execute(changed.returning(webhook_replays)).mappings().one()


def _until(connection: Connection, wish: ReplayWish) -> datetime:
    """By the database's clock, as events are dated."""
    return wish.until or connection.execute(select(func.clock_timestamp())).scalar_one()


def _counted(
    connection: Connection, tenant_id: str, endpoint_id: str, wish: ReplayWish, until: datetime, *, most: int
) -> dict[str, int]:
    which = _which(tenant_id, endpoint_id, wish, until)
    return dict(connection.execute(_COUNT, {**which, "most": most}).mappings().one())


def _which(tenant_id: str, endpoint_id: str, wish: ReplayWish, until: datetime) -> dict[str, Any]:
    types = None if wish.types is None else sorted(wish.types)
    return {"tenant": tenant_id, "endpoint": endpoint_id, "since": wish.since, "until": until, "types": types}
