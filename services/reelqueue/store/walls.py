"""Row-level security: the second wall behind the tenant condition of every query.

Each session says for whom it works (`reelqueue.tenant`). A row of a protected table is seen and written by its tenant
and by the service (`*`); a session that says nothing sees nothing. It holds for every role that is neither superuser
nor `BYPASSRLS`, the tables' owner included. For migrations: `protect` in the one that makes a table.

Three things make it cheap. Each setting is read in a subselect, so once a statement and not once a row. What asks for
the service is `IS NOT NULL`, which the planner takes to be nearly always true: its estimates, and so its plans, stay
what they are without policies (`= '*'` alone would make it expect a two-hundredth of the rows). And the comparison is
of text, which is leakproof: conditions like it may still use an index, as those on dates and numbers may. One that is
not is `@>` on JSON (`roles.leakproof`), another `coalesce` (`flows`).
"""

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import Connection, text

from reelqueue.store.roles import APP_ROLE

SETTING: Final = "reelqueue.tenant"
WALL: Final = "tenant_wall"
POOL: Final = "pool_is_read"
SHARED: Final = frozenset({"upstream_tokens"})
"""Rows without a tenant are the pool's: read by every tenant, written by none of them."""

_SERVICE: Final = f"(SELECT 1 WHERE current_setting('{SETTING}', true) = '*') IS NOT NULL"
_MINE: Final = f"(SELECT current_setting('{SETTING}', true))"
_SOMEBODY: Final = f"(SELECT nullif(current_setting('{SETTING}', true), '')) IS NOT NULL"


def protect(table: str, *, owner: str = "tenant_id") -> None:
    """Put the wall around a table whose column `owner` names the tenant. Safe to repeat."""
    unprotect(table)
    op.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY')
    op.execute(f'CREATE POLICY {WALL} ON "{table}" USING ({_SERVICE} OR "{owner}" = {_MINE})')
    if table in SHARED:
        op.execute(f'CREATE POLICY {POOL} ON "{table}" FOR SELECT USING ("{owner}" IS NULL AND {_SOMEBODY})')


def unprotect(table: str) -> None:
    """Take the wall down."""
    for policy in (WALL, POOL):
        op.execute(f'DROP POLICY IF EXISTS {policy} ON "{table}"')
    op.execute(f'ALTER TABLE "{table}" NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY')


def owned_tables(connection: Connection) -> dict[str, str]:
    """The tables of this schema that say whose their rows are, and the column that does."""
    columns = text(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT a.attisdropped"
        " AND (a.attname = 'tenant_id' OR (c.relname = 'tenants' AND a.attname = 'id')) ORDER BY 1"
    )
    return {str(table): str(column) for table, column in connection.execute(columns)}


def grant_rows() -> None:
    """The app role may read and write rows of all tables there are and of those to come, and do nothing else."""
    for statement in (
        "GRANT {rows} ON ALL TABLES IN SCHEMA {schema} TO {role}",
        "GRANT {counters} ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {rows} ON TABLES TO {role}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {counters} ON SEQUENCES TO {role}",
        "REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {role}",
    ):
        op.execute(_named(statement))


def revoke_rows() -> None:
    """Take back what `grant_rows` gave, in this database."""
    for statement in (
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} REVOKE {rows} ON TABLES FROM {role}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} REVOKE {counters} ON SEQUENCES FROM {role}",
        "REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM {role}",
        "REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}",
    ):
        op.execute(_named(statement))


def _named(statement: str) -> str:
    schema = op.get_bind().execute(text("SELECT quote_ident(current_schema())")).scalar_one()
    rows, counters = "SELECT, INSERT, UPDATE, DELETE", "USAGE, SELECT"
    return statement.format(schema=schema, role=APP_ROLE, rows=rows, counters=counters)
