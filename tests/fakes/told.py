"""Events told and sent as the service does it: numbered by a sequencer, tried by whoever holds the lane."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, insert, select, update

from reelqueue.domain.outgoing import AttemptRecord, Try
from reelqueue.kit.ids import new_id
from reelqueue.kit.sealing import Sealer
from reelqueue.store.engine import Database
from reelqueue.store.lanes import Lanes
from reelqueue.store.sequencer import Sequencer
from reelqueue.store.tables import feed_events, messages, webhook_lanes


class Told:
    """Tells a tenant's endpoints of events, and tries the messages."""

    def __init__(self, database: Database, sealer: Sealer, tenant_id: str) -> None:
        self.database = database
        self.tenant_id = tenant_id
        self._lanes = Lanes(database, sealer)
        self._sequencer = Sequencer(database)

    def events(self, *kinds: str, **values: Any) -> list[str]:
        """An event of each of these types, numbered and made messages of. Their ids."""
        ids = [new_id("event") for _ in kinds]
        rows = [{"id": one, "tenant_id": self.tenant_id, "type": kind} for one, kind in zip(ids, kinds, strict=True)]
        with self.database.transaction() as connection:
            for row in rows:
                connection.execute(insert(feed_events).values(payload=PAYLOAD, **row, **values))
        while self._sequencer.run_once():
            pass
        return ids

    def message(self, event_id: str, endpoint_id: str | None) -> dict[str, Any]:
        """The message of the event for the endpoint, or for a URL of its own, as its row stands."""
        which = select(messages).where(
            messages.c.event_id == event_id, messages.c.endpoint_id.is_not_distinct_from(endpoint_id)
        )
        with self.database.statement() as connection:
            return dict(connection.execute(which).mappings().one())

    def states(self, endpoint_id: str | None) -> dict[str, str]:
        """The state of each of its messages, by the event."""
        which = select(messages.c.event_id, messages.c.state).where(
            messages.c.tenant_id == self.tenant_id, messages.c.endpoint_id.is_not_distinct_from(endpoint_id)
        )
        with self.database.statement() as connection:
            return {row.event_id: row.state for row in connection.execute(which)}

    def tried(
        self, message_id: str, *tries: AttemptRecord, delivered: bool = False, retry_in_s: float | None = 3600
    ) -> None:
        """Try a message so many times, one after the other, each time with this result."""
        with self.database.statement() as connection:
            lane = connection.execute(select(messages.c.lane_id).where(messages.c.id == message_id)).scalar_one()
        for one in tries:
            worker = new_id("worker")
            rung: Mapping[str, Any] = {"dispatch": "rung", "bell_at": func.now(), "bells": 1}
            with self.database.statement() as connection:
                connection.execute(update(webhook_lanes).where(webhook_lanes.c.id == lane).values(**rung))
            claim = self._lanes.claim(lane, worker)
            assert claim is not None
            made = Try(message_id=message_id, attempt=one, delivered=delivered, retry_in_s=retry_in_s)
            self._lanes.finish(claim, [made], claim.health)

    def answered(self, endpoint_id: str) -> None:
        """Deliver all that is pending there."""
        started = datetime(2026, 3, 1, tzinfo=UTC)
        record = AttemptRecord(started_at=started, elapsed_ms=1, status=200, error_class=None, excerpt="")
        for event_id, state in self.states(endpoint_id).items():
            if state == "pending":
                self.tried(self.message(event_id, endpoint_id)["id"], record, delivered=True)


PAYLOAD = '{"type":"job.failed","timestamp":"2026-03-01T00:00:00.000Z","data":{"canary":true}}'
