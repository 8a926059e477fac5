"""Take a lane, send what is due there, write down what came of it, give it back. Every write names its epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, func, select, text, update

from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.event_data import disabled_data, failing_data
from reelqueue.domain.event_types import EndpointEventType
from reelqueue.domain.lanes import Failing, Health
from reelqueue.domain.messages import with_delivery_seq
from reelqueue.domain.outgoing import BATCH, LaneClaim, Outgoing, Try
from reelqueue.kit.clock import rfc3339
from reelqueue.kit.sealing import Sealer
from reelqueue.store.drops import drop_pending
from reelqueue.store.endpoint_rows import ENDPOINT_COLUMNS, endpoint_from
from reelqueue.store.engine import Database
from reelqueue.store.outbox import tell
from reelqueue.store.receivers import Receiver, receiver_of
from reelqueue.store.tables import messages, webhook_endpoints, webhook_lanes
from reelqueue.store.try_rows import write_tries

_L = webhook_lanes.c
_E = webhook_endpoints.c
_HEALTH: Final = tuple(one.name for one in fields(Health))

_TAKE = text("""
UPDATE webhook_lanes SET dispatch = 'held', lease_owner = :worker, lease_epoch = lease_epoch + 1, woken = false,
    bells = 0, bell_at = NULL
WHERE id = :lane AND dispatch = 'rung'
RETURNING *, now() AS moment
""")

_MINE = "id = :lane AND lease_epoch = :epoch AND lease_owner = :owner"
_FARES = text(f"""
UPDATE webhook_lanes SET {", ".join(f"{name} = :{name}" for name in ("breaker", *_HEALTH))}
WHERE {_MINE} AND generation = :generation
""")  # noqa: S608 - the names are ours
_HELD = text(f"SELECT generation FROM webhook_lanes WHERE {_MINE} FOR NO KEY UPDATE")  # noqa: S608 - ours

# First tries in the order of their events, whatever the clocks said; beside them what is to be tried again.
_DUE = text("""
WITH first AS (
    SELECT m.* FROM messages m WHERE m.lane_id = :lane AND m.state = 'pending' AND m.attempts = 0
    ORDER BY m.position LIMIT :most
), again AS (
    SELECT m.* FROM messages m WHERE m.lane_id = :lane AND m.state = 'pending' AND m.attempts > 0 AND m.due_at <= now()
    ORDER BY m.due_at LIMIT :most - least(:most / 2, (SELECT count(*) FROM first))
)
SELECT m.id, m.event_id, m.url, m.delivery_seq, m.type, m.job_id, m.attempts, m.round, e.payload
FROM (SELECT * FROM first UNION ALL SELECT * FROM again) m JOIN feed_events e ON e.id = m.event_id
ORDER BY m.attempts > 0, m.position
""")

_GIVE_BACK = text("""
UPDATE webhook_lanes l SET dispatch = 'idle', lease_owner = NULL, woken = false,
    due_at = CASE WHEN l.woken OR n.due_at IS NOT NULL
                  THEN greatest(CASE WHEN l.woken THEN clock_timestamp() ELSE n.due_at END,
                                l.open_until, CAST(:not_before AS timestamptz)) END
FROM (SELECT least(
    (SELECT min(due_at) FROM messages WHERE lane_id = :lane AND state = 'pending' AND attempts > 0),
    (SELECT due_at FROM messages WHERE lane_id = :lane AND state = 'pending' AND attempts = 0
     ORDER BY position LIMIT 1)) AS due_at) n
WHERE l.id = :lane AND l.lease_epoch = :epoch AND l.lease_owner = :owner
RETURNING CASE WHEN l.due_at IS NOT NULL THEN pg_notify('rq_work', '') END
""")
"""`woken` is of the row as it stands when it is locked: whoever enqueued meanwhile is not overlooked."""


class Lanes:
    """Lanes, for the workers that hold them. Of any number that ring for one, one gets it."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def claim(self, lane_id: str, worker_id: str) -> LaneClaim | None:
        """Take a lane whose bell was rung, with what is due there first.

        `None`: not ours to send. It was taken already (a bell rung twice), or nothing is to be sent there: what is left
        for an endpoint that is deleted or disabled is dropped. A secret that does not open (`SealBroken`) leaves the
        lane as it was.
        """
        with self._database.transaction() as connection:
            row = connection.execute(_TAKE, {"lane": lane_id, "worker": worker_id}).mappings().first()
            if row is None:
                return None
            # After the lane is ours: who moves an endpoint writes to both, and we have seen either both or none.
            receiver = receiver_of(connection, self._sealer, tenant_id=row["tenant_id"], endpoint_id=row["endpoint_id"])
            if receiver is None:
                drop_pending(connection, messages.c.lane_id == lane_id)
                _give_back(connection, lane_id, row["lease_epoch"], worker_id)
                return None
            claim = _claim_from(row, receiver, worker_id)
            return replace(claim, due=_due(connection, claim))

    def more(self, claim: LaneClaim) -> tuple[Outgoing, ...]:
        """What is due now; what was recorded is not among it."""
        with self._database.statement() as connection:
            return _due(connection, claim)

    def record(self, claim: LaneClaim, tries: Sequence[Try], health: Health, *, news: Failing | None = None) -> bool:
        """Write down tries and how the receiver fares, all or nothing. Raises `ClaimLost`: then nothing was written.

        False: its owner has mended or moved it since the lane was taken, and wins. The tries were written, but say
        nothing of who is there now. `news`: the tenant is told of it.
        """
        with self._database.transaction() as connection:
            return self._write(connection, claim, tries, health, news)

    def finish(
        self,
        claim: LaneClaim,
        tries: Sequence[Try],
        health: Health,
        *,
        news: Failing | None = None,
        not_before: datetime | None = None,
    ) -> None:
        """`record`, and give the lane back: it is due when its next message is, but `not_before`."""
        with self._database.transaction() as connection:
            self._write(connection, claim, tries, health, news)
            _give_back(connection, claim.lane_id, claim.epoch, claim.worker_id, not_before)

    def let_go(self, lane_id: str, worker_id: str) -> bool:
        """Give back a lane that a live worker holds without knowing it: the answer to its claim was lost.

        False: the worker does not hold it.
        """
        statement = (
            update(webhook_lanes)
            .where(_L.id == lane_id, _L.dispatch == "held", _L.lease_owner == worker_id)
            .values(dispatch="idle", lease_owner=None, lease_epoch=_L.lease_epoch + 1, due_at=func.now())
        )
        with self._database.statement() as connection:
            return connection.execute(statement).rowcount == 1

    def disable(self, claim: LaneClaim, tries: Sequence[Try], health: Health, *, reason: str) -> bool:
        """Write down the tries and send nothing there any more; its owner is told. Raises `ClaimLost`.

        What is pending is dropped; it can be asked for again once the endpoint is enabled. False: nothing was written,
        since its owner has mended or moved it since the lane was taken.
        """
        mine = (_E.tenant_id == claim.tenant_id, _E.id == claim.endpoint_id)
        with self._database.transaction() as connection:
            # The endpoint first, as where it is changed: two who lock in one order cannot lock each other out.
            connection.execute(select(_E.id).where(*mine).with_for_update(key_share=True))
            if not _stands(connection, claim):
                return False
            self._write(connection, claim, tries, health, None)
            disabled = (
                update(webhook_endpoints)
                .where(*mine, _E.state == "enabled")
                .values(state="disabled", disabled_reason=reason)
                .returning(*ENDPOINT_COLUMNS, func.now().label("moment"))
            )
            row = connection.execute(disabled).mappings().first()
            drop_pending(connection, messages.c.tenant_id == claim.tenant_id, messages.c.lane_id == claim.lane_id)
            if row is not None:
                data = disabled_data(endpoint_from(row), reason=reason, failing_since=health.failing_since)
                tell(connection, [claim.tenant_id], EndpointEventType.DISABLED, row["moment"], data)
            _give_back(connection, claim.lane_id, claim.epoch, claim.worker_id)
            return True

    def _write(
        self, connection: Connection, claim: LaneClaim, tries: Sequence[Try], health: Health, news: Failing | None
    ) -> bool:
        fares = {name: getattr(health, name) for name in _HEALTH}
        stands = connection.execute(_FARES, {**_lease(claim), **fares, "breaker": health.breaker}).rowcount == 1
        if not stands:
            _stands(connection, claim)
        write_tries(connection, claim.lane_id, tries)
        if stands and news is not None:
            _tell_failing(connection, claim, news)
        return stands


def _stands(connection: Connection, claim: LaneClaim) -> bool:
    """Whether the lane is still what was taken, and stays so to the end. Raises `ClaimLost`."""
    generation = connection.execute(_HELD, _lease(claim)).scalar_one_or_none()
    if generation is None:
        raise ClaimLost(claim.lane_id)
    return bool(generation == claim.generation)


def _lease(claim: LaneClaim) -> dict[str, Any]:
    return {
        "lane": claim.lane_id,
        "epoch": claim.epoch,
        "owner": claim.worker_id,
        "generation": claim.generation,
    }


def _claim_from(row: RowMapping, receiver: Receiver, worker_id: str) -> LaneClaim:
    return LaneClaim(
        lane_id=row["id"],
        tenant_id=row["tenant_id"],
        endpoint_id=row["endpoint_id"],
        worker_id=worker_id,
        epoch=row["lease_epoch"],
        generation=row["generation"],
        now=row["moment"],
        health=Health(**{name: row[name] for name in _HEALTH}),
        url=receiver.url,
        secrets=receiver.secrets,
        headers=receiver.headers,
        max_in_flight=receiver.max_in_flight,
        rate_per_minute=receiver.rate_per_minute,
    )


def _due(connection: Connection, claim: LaneClaim) -> tuple[Outgoing, ...]:
    """A receiver that is left alone gets one message, to see whether it answers again."""
    rows = connection.execute(_DUE, {"lane": claim.lane_id, "most": BATCH}).all()
    found = tuple(
        Outgoing(
            id=row.id,
            event_id=row.event_id,
            url=claim.url or row.url,
            payload=with_delivery_seq(row.payload, row.delivery_seq),
            type=row.type,
            job_id=row.job_id,
            attempts=row.attempts,
            round=row.round,
        )
        for row in rows
    )
    return found if claim.health.open_until is None else found[:1]


def _give_back(
    connection: Connection, lane_id: str, epoch: int, owner: str, not_before: datetime | None = None
) -> None:
    given = {"lane": lane_id, "epoch": epoch, "owner": owner}
    connection.execute(_GIVE_BACK, {**given, "not_before": None if not_before is None else rfc3339(not_before)})


def _tell_failing(connection: Connection, claim: LaneClaim, news: Failing) -> None:
    found = select(*ENDPOINT_COLUMNS, func.now().label("moment")).where(
        _E.tenant_id == claim.tenant_id, _E.id == claim.endpoint_id, _E.state == "enabled"
    )
    row = connection.execute(found).mappings().first()
    if row is not None:
        data = failing_data(
            endpoint_from(row), percent=news.percent, failing_since=news.since, disabled_at=news.ends_at
        )
        tell(connection, [claim.tenant_id], EndpointEventType.FAILING, row["moment"], data)
