"""Events that did not happen, sent to one endpoint so that its owner can see what it does with them."""

from __future__ import annotations

from sqlalchemy import insert, select

from reelqueue.domain.outgoing import SentSample
from reelqueue.errors import NotFound, StateConflict
from reelqueue.kit.ids import new_id
from reelqueue.store.engine import Database
from reelqueue.store.sending import Wanted, enqueue
from reelqueue.store.tables import feed_events, webhook_endpoints

_E = webhook_endpoints.c


class Samples:
    """Writes samples. They have no number in the feed, and nobody reads them there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def send(self, tenant_id: str, endpoint_id: str, *, kind: str, payload: str) -> SentSample:
        """Have a sample sent, whatever the endpoint subscribes to and whatever it filters.

        It is tried, signed, numbered and kept like any message of the endpoint. Raises `NotFound`, and `StateConflict`
        for an endpoint that is disabled.
        """
        found = select(_E.url, _E.state).where(_E.tenant_id == tenant_id, _E.id == endpoint_id, _E.deleted_at.is_(None))
        event_id = new_id("event")
        event = {"id": event_id, "tenant_id": tenant_id, "type": kind, "payload": payload, "sample": True}
        with self._database.transaction() as connection:
            endpoint = connection.execute(found.with_for_update(key_share=True)).first()
            if endpoint is None:
                raise NotFound
            if endpoint.state != "enabled":
                raise StateConflict("The endpoint is disabled. Enable it first.")
            position = connection.execute(insert(feed_events).values(event).returning(feed_events.c.position))
            wanted = Wanted(
                event_id=event_id,
                tenant_id=tenant_id,
                position=position.scalar_one(),
                endpoint_id=endpoint_id,
                url=endpoint.url,
                type=kind,
                job_id=None,
                seq=None,
            )
            [message_id] = enqueue(connection, [wanted])
            return SentSample(event_id=event_id, message_id=message_id)
