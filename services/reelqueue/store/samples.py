"""Events that did not happen, sent to one endpoint so that its owner can see what it does with them."""

from __future__ import annotations

from sqlalchemy import insert

from reelqueue.domain.outgoing import SentSample
from reelqueue.kit.ids import new_id
from reelqueue.store.engine import Database
from reelqueue.store.listening import listening
from reelqueue.store.new_messages import Wanted, enqueue
from reelqueue.store.tables import feed_events


class Samples:
    """Writes samples. They have no number in the feed, and nobody reads them there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def send(self, tenant_id: str, endpoint_id: str, *, kind: str, payload: str) -> SentSample:
        """Have a sample sent, whatever the endpoint subscribes to and whatever it filters.

        It is tried, signed, numbered and kept like any message of the endpoint. Raises `NotFound`, and
        `EndpointNotListening`.
        """
        event_id = new_id("event")
        event = {"id": event_id, "tenant_id": tenant_id, "type": kind, "payload": payload, "sample": True}
        with self._database.transaction() as connection:
            url = listening(connection, tenant_id, endpoint_id)
            position = connection.execute(insert(feed_events).values(event).returning(feed_events.c.position))
            wanted = Wanted(
                event_id=event_id,
                tenant_id=tenant_id,
                position=position.scalar_one(),
                endpoint_id=endpoint_id,
                url=url,
                type=kind,
                job_id=None,
                seq=None,
            )
            [message_id] = enqueue(connection, [wanted])
            return SentSample(event_id=event_id, message_id=message_id)
