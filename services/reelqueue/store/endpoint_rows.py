"""Rows of webhook endpoints to values."""

from __future__ import annotations

from typing import Final

from sqlalchemy import RowMapping

from reelqueue.domain.endpoints import Endpoint
from reelqueue.store.tables import webhook_endpoints

_E = webhook_endpoints.c
ENDPOINT_COLUMNS: Final = (
    _E.id,
    _E.tenant_id,
    _E.url,
    _E.event_types,
    _E.description,
    _E.state,
    _E.created_at,
    _E.disabled_reason,
)


def endpoint_from(row: RowMapping) -> Endpoint:
    """The endpoint of a row with those columns, and maybe more."""
    shown = {column.name: row[column.name] for column in ENDPOINT_COLUMNS}
    return Endpoint(**{**shown, "event_types": tuple(row["event_types"])})
