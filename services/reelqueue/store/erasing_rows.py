"""Which rows of a tenant go next. Reads the tables' foreign keys, so that a new table is not forgotten."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Table, Text, TextClause, any_, delete, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from reelqueue.store.tables import jobs, messages, metadata, projects, tenants, webhook_attempts

PARCEL: Final = 200
"""Most jobs (with all that is theirs), projects, or rows of another table, in one transaction."""

OWNED: Final = tuple(
    table
    for table in reversed(metadata.sorted_tables)
    if any(key.column.table is tenants for key in table.foreign_keys)
)
"""Every table whose rows have an owner; what refers to something comes before it."""
_OF_JOBS: Final = tuple(table for table in OWNED if "job_id" in table.c)
_OF_PROJECTS: Final = tuple(table for table in OWNED if "project_id" in table.primary_key.columns)
_BY_TENANT: Final = tuple(
    table
    for table in OWNED
    if table not in (jobs, projects, webhook_attempts, *_OF_PROJECTS)
    and (table not in _OF_JOBS or table.c.job_id.nullable)
)

_KEEP_SUMS: Final = text("""
INSERT INTO erased_spending AS kept (tenant_id, month, turns, spent, unknown)
SELECT tenant_id, date_trunc('month', created_at AT TIME ZONE 'UTC')::date, count(*), sum(spent),
       count(*) FILTER (WHERE certainty = 'unknown')
FROM credit_entries WHERE job_id = ANY (:ids) GROUP BY 1, 2
ON CONFLICT (tenant_id, month) DO UPDATE SET
    turns = kept.turns + excluded.turns, spent = kept.spent + excluded.spent, unknown = kept.unknown + excluded.unknown
""")


def drop_parcel(connection: Connection, tenant_id: str) -> dict[str, int]:
    """Delete some of the tenant's rows in the caller's transaction: how many, by table. Nothing: none is left.

    Jobs first, the newest first: a retry names the job that it follows. Whatever can be reached through the job or the
    project that it belongs to is, since not every table has an index by tenant.
    """
    return _drop_jobs(connection, tenant_id) or _drop_rest(connection, tenant_id)


def _drop_jobs(connection: Connection, tenant_id: str) -> dict[str, int]:
    newest = select(jobs.c.id).where(jobs.c.tenant_id == tenant_id).order_by(jobs.c.id.desc()).limit(PARCEL)
    ids = list(connection.execute(newest).scalars())
    if not ids:
        return {}
    connection.execute(_KEEP_SUMS, {"ids": ids})
    told = select(messages.c.id).where(_among(messages.c.job_id, ids))
    dropped = {webhook_attempts.name: _drop(connection, webhook_attempts, webhook_attempts.c.message_id.in_(told))}
    for table in _OF_JOBS:
        dropped[table.name] = _drop(connection, table, _among(table.c.job_id, ids))
    dropped[jobs.name] = _drop(connection, jobs, _among(jobs.c.id, ids))
    return {name: number for name, number in dropped.items() if number}


def _drop_rest(connection: Connection, tenant_id: str) -> dict[str, int]:
    for table in OWNED:
        if table is projects:
            dropped = _drop_projects(connection, tenant_id)
            if dropped:
                return dropped
        elif table in _BY_TENANT:
            number = connection.execute(_a_few_of(table), {"tenant": tenant_id, "most": PARCEL}).rowcount
            if number:
                return {table.name: number}
    return {}


def _drop_projects(connection: Connection, tenant_id: str) -> dict[str, int]:
    some = select(projects.c.id).where(projects.c.tenant_id == tenant_id).limit(PARCEL)
    ids = list(connection.execute(some).scalars())
    if not ids:
        return {}
    dropped = {t.name: _drop(connection, t, _among(t.c.project_id, ids)) for t in _OF_PROJECTS}
    dropped[projects.name] = _drop(connection, projects, _among(projects.c.id, ids))
    return {name: number for name, number in dropped.items() if number}


def _a_few_of(table: Table) -> TextClause:
    some = f"SELECT ctid FROM {table.name} WHERE tenant_id = :tenant LIMIT :most"  # noqa: S608 - the name is ours
    return text(f"DELETE FROM {table.name} WHERE ctid = ANY (ARRAY({some}))")  # noqa: S608


def _among(column: Column[Any], ids: list[str]) -> ColumnElement[bool]:
    return column == any_(literal(ids, ARRAY(Text)))


def _drop(connection: Connection, table: Table, which: ColumnElement[bool]) -> int:
    statement: Any = delete(table).where(which)
    return int(connection.execute(statement).rowcount)
