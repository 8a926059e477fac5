"""The shared metadata and the few column shapes that every table repeats."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Column, ForeignKey, MetaData, Text, func
from sqlalchemy.dialects.postgresql import TIMESTAMP

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Moment = TIMESTAMP(timezone=True)


def id_column() -> Column[str]:
    """A prefixed id as primary key."""
    return Column("id", Text, primary_key=True)


def tenant_column(*, nullable: bool = False, primary_key: bool = False) -> Column[str]:
    """The owner. Every row that belongs to a tenant says so itself."""
    return Column("tenant_id", Text, ForeignKey("tenants.id"), nullable=nullable, primary_key=primary_key)


def created_column() -> Column[Any]:
    """When the row was made, by the database's clock unless given."""
    return Column("created_at", Moment, nullable=False, server_default=func.now())


def one_of(column: str, values: Iterable[str]) -> str:
    """A CHECK that a column holds one of the words."""
    words = ", ".join(f"'{value}'" for value in values)
    return f"{column} IN ({words})"
