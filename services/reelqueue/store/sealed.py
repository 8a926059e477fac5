"""The name of the place a secret is sealed for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column


def place(column: Column[Any], *, tenant_id: str | None, row_id: str) -> str:
    """What an envelope is bound to: tenant, table, column and row. Rows of the shared pool have no tenant."""
    return f"{tenant_id or ''}|{column.table.name}|{column.name}|{row_id}"
