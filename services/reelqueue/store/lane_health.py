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

    The owner wins: a worker that holds the lane at this moment writes down its tries, and nothing of what they say of
    the receiver (`Lanes.record`). Nothing happens where there is no lane yet.
    """
    mine = (_L.id == endpoint_id, _L.tenant_id == tenant_id)
    anew = {**_NEW, "generation": _L.generation + 1, "host": host_of(url)}
    connection.execute(update(webhook_lanes).where(*mine).values(**anew))
    wake(connection, [endpoint_id])
