"""One message again, because its owner asks for it."""

from __future__ import annotations

from sqlalchemy import select

from reelqueue.domain.outgoing import Message
from reelqueue.errors import NotFound
from reelqueue.store.deliveries import SHOWN
from reelqueue.store.engine import Database
from reelqueue.store.listening import listening
from reelqueue.store.new_messages import Wanted, enqueue
from reelqueue.store.tables import messages

_M = messages.c


class Resends:
    """Sends messages again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def resend(self, tenant_id: str, message_id: str) -> Message:
        """Put a message on its way now, in whatever state it is, and begin its schedule of tries anew.

        It keeps its `webhook-id`, its `delivery_seq` and the tries it had. One that is pending is not sent twice for
        it. Raises `NotFound`; `EndpointNotListening` where nothing would be sent.
        """
        asked = select(_M.position, _M.url, *SHOWN).where(_M.tenant_id == tenant_id, _M.id == message_id)
        with self._database.transaction() as connection:
            row = connection.execute(asked).first()
            if row is None:
                raise NotFound
            url = row.url if row.endpoint_id is None else listening(connection, tenant_id, row.endpoint_id)
            again = Wanted(
                event_id=row.event_id,
                tenant_id=tenant_id,
                position=row.position,
                endpoint_id=row.endpoint_id,
                url=url,
                type=row.type,
                job_id=row.job_id,
                seq=row.seq,
            )
            enqueue(connection, [again])
            now = select(*SHOWN).where(_M.tenant_id == tenant_id, _M.id == message_id)
            return Message(**connection.execute(now).mappings().one())
