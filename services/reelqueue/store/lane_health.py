"""A lane that starts anew: its receiver was mended, or is another one."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from sqlalchemy import Connection, update

from reelqueue.domain.lanes import Health, host_of
from reelqueue.store.new_messages import wake
from reelqueue.store.tables import webhook_lanes

_L = webhook_lanes.c
_FRESH: Final = Health()
_NEW: Final[dict[str, Any]] = {
    "breaker": _FRESH.breaker,
    **{one.name: getattr(_FRESH, one.name) for one in fields(Health)},
}


def forget_failures(connection: Connection, tenant_id: str, endpoint_id: str, *, url: str) -> None:
    """Close the endpoint's breaker, forget since when it has been failing, and look at what is due there now.

    A worker that holds the lane at this moment writes down how its own tries went. Nothing happens where there is no
    lane yet.
    """
    mine = (_L.id == endpoint_id, _L.tenant_id == tenant_id)
    connection.execute(update(webhook_lanes).where(*mine).values(**_NEW, host=host_of(url)))
    wake(connection, [endpoint_id])
