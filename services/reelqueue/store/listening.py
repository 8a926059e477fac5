"""Whether an endpoint may be sent something now."""

from __future__ import annotations

from sqlalchemy import Connection, select

from reelqueue.errors import EndpointNotListening, NotFound
from reelqueue.store.tables import webhook_endpoints

_E = webhook_endpoints.c


def listening(connection: Connection, tenant_id: str, endpoint_id: str) -> str:
    """The endpoint's URL. It is neither disabled nor deleted before the caller's transaction ends.

    Raises `NotFound` for one that is not the tenant's, `EndpointNotListening` for one that is disabled or deleted.
    """
    asked = select(_E.url, _E.state, _E.deleted_at).where(_E.tenant_id == tenant_id, _E.id == endpoint_id)
    # The lock that `new_messages.enqueue` takes of it.
    row = connection.execute(asked.with_for_update(key_share=True)).first()
    if row is None:
        raise NotFound
    if row.state != "enabled" or row.deleted_at is not None:
        raise EndpointNotListening
    return str(row.url)
