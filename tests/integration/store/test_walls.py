"""The second wall: what the database shows and takes when a query has lost its tenant condition."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from itertools import count

import pytest
from psycopg import errors
from sqlalchemy import (
    Boolean,
    Date,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    Numeric,
    Text,
    event,
    exc,
    insert,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from fakes.job_rows import as_owner
from reelqueue.domain.intake import JobFilter
from reelqueue.errors import NotFound
from reelqueue.kit.acting import EVERYBODY, NOBODY, acting_for
from reelqueue.store.api_keys import ApiKeys
from reelqueue.store.assets import Assets
from reelqueue.store.blob_names import BlobNames
from reelqueue.store.engine import Database, make_engine
from reelqueue.store.jobs import Jobs
from reelqueue.store.roles import APP_ROLE
from reelqueue.store.tables import assets, metadata, upstream_tokens

OPEN = {
    "alembic_version": "the database's revision; the service reads it and never writes it",
    "breakers": "the upstream's phases, of no tenant; of jobs it holds ids alone",
    "scheduler": "one row of figures that tenants are compared with; it names none",
    "workers": "processes of ours; no tenant's data",
}
"""Tables that no wall stands around, and why."""

A, B = "ten_a", "ten_b"
FILLERS = {
    ARRAY: list,
    JSONB: dict,
    LargeBinary: lambda: b"x",
    Boolean: bool,
    Float: float,
    Numeric: float,
    Integer: count(1).__next__,
    DateTime: lambda: text("now()"),
    Date: lambda: text("now()"),
    Text: lambda: uuid.uuid4().hex,
}


def owner_of(table):
    return table.c.id if table.name == "tenants" else table.c.get("tenant_id")


WALLED = sorted((table for table in metadata.tables.values() if owner_of(table) is not None), key=lambda t: t.name)


def filled(table, tenant):
    """A row that says whose it is, and of the rest only what must be there."""
    row = {}
    for column in table.c:
        if column is owner_of(table):
            row[column.name] = tenant
        elif not column.nullable and column.identity is None and (column.server_default is None or column.primary_key):
            row[column.name] = next(make for kind, make in FILLERS.items() if isinstance(column.type, kind))()
    return row


@pytest.fixture(scope="module")
def walled(module_database):
    """A row of each of two tenants in every table that has a tenant, in a database that no longer minds what they say.

    So that a table needs no code here to be put to the test: whatever rows of it mean, policies look at their owner.
    """
    with as_owner(module_database) as connection:
        constraints = text(
            "SELECT conrelid::regclass::text, quote_ident(conname) FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f')"
        )
        for table, name in connection.execute(constraints).all():
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        connection.exec_driver_sql("SET session_replication_role = replica")
        for table in WALLED:
            connection.exec_driver_sql(f"ALTER TABLE {table.name} DISABLE TRIGGER USER")
            for tenant in (A, B):
                connection.execute(insert(table).values(filled(table, tenant)))
        connection.execute(insert(upstream_tokens).values({**filled(upstream_tokens, None), "id": "tok_pool"}))
    return module_database


def owners(connection, table):
    return sorted(connection.execute(select(owner_of(table))).scalars(), key=str)


@contextmanager
def refused_by_the_wall():
    with pytest.raises(exc.ProgrammingError) as caught:
        yield
    assert isinstance(caught.value.orig, errors.InsufficientPrivilege)
    assert "row-level security policy" in str(caught.value.orig)


# --- around what it stands --------------------------------------------------------------------------------------------


def test_a_wall_stands_around_every_table_that_says_whose_its_rows_are(database):
    """A new table with a tenant needs `protect` in its migration; one without needs a reason above."""
    found = text(
        "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AND EXISTS ("
        "  SELECT FROM pg_policies p WHERE p.tablename = c.relname AND p.policyname = 'tenant_wall' AND p.cmd = 'ALL'"
        "  AND p.roles = '{public}')"
        " FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
    )
    with database.statement() as connection:
        standing = dict(connection.execute(found).all())
    assert {name for name, stands in standing.items() if stands} == {table.name for table in WALLED}
    assert {name for name, stands in standing.items() if not stands} == set(OPEN)


def test_nobody_else_is_let_through(database):
    """A second policy widens the first."""
    with database.statement() as connection:
        found = connection.execute(text("SELECT tablename, policyname FROM pg_policies")).all()
    assert [(table, name) for table, name in found if name != "tenant_wall"] == [("upstream_tokens", "pool_is_read")]


# --- the first wall is down -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", WALLED, ids=lambda table: table.name)
def test_a_tenant_sees_its_own_rows_and_no_others(walled, table):
    shared = [None] if table is upstream_tokens else []
    with acting_for(A), walled.statement() as connection:
        assert owners(connection, table) == sorted([*shared, A], key=str)
    with acting_for(NOBODY), walled.statement() as connection:
        assert owners(connection, table) == []
    with acting_for(EVERYBODY), walled.statement() as connection:
        assert owners(connection, table) == sorted([*shared, A, B], key=str)


@pytest.mark.parametrize("table", WALLED, ids=lambda table: table.name)
@pytest.mark.parametrize("whose", [A, NOBODY])
def test_a_tenant_writes_no_row_of_another(walled, table, whose):
    owner = owner_of(table)
    with acting_for(whose), walled.transaction() as connection:
        assert connection.execute(table.update().values({owner: owner}).where(owner == B)).rowcount == 0
        assert connection.execute(table.delete().where(owner == B)).rowcount == 0
        connection.rollback()
    with refused_by_the_wall(), acting_for(whose), walled.transaction() as connection:
        connection.execute(insert(table).values({**filled(table, B), owner.name: "ten_c"}))
    with walled.statement() as connection:
        assert B in owners(connection, table)


@pytest.mark.parametrize("table", WALLED, ids=lambda table: table.name)
def test_a_tenant_gives_no_row_away(walled, table):
    owner = owner_of(table)
    with refused_by_the_wall(), acting_for(A), walled.transaction() as connection:
        connection.execute(table.update().values({owner: "ten_c"}).where(owner == A))


def test_the_pool_is_read_by_tenants_and_written_by_the_service(walled):
    pool = upstream_tokens.c.tenant_id.is_(None)
    with acting_for(A), walled.transaction() as connection:
        assert connection.execute(select(upstream_tokens.c.id).where(pool)).scalars().all() == ["tok_pool"]
        assert connection.execute(upstream_tokens.update().values(label="mine").where(pool)).rowcount == 0
        assert connection.execute(upstream_tokens.delete().where(pool)).rowcount == 0
    with refused_by_the_wall(), acting_for(A), walled.transaction() as connection:
        connection.execute(insert(upstream_tokens).values(filled(upstream_tokens, None)))
    with walled.as_service().transaction() as connection:
        assert connection.execute(upstream_tokens.update().values(label="ours").where(pool)).rowcount == 1


def test_a_method_that_took_another_tenants_name_finds_nothing(board, database, tenant, other_tenant):
    """As a query without its condition would, each of these asks for rows of the other tenant."""
    job_id = board.job(other_tenant)
    keys = ApiKeys(database, b"pepper")
    keys.create(other_tenant, name="k", scopes=["jobs:read"])
    jobs = Jobs(database)
    assert jobs.find(other_tenant, job_id).id == job_id
    with acting_for(tenant):
        with pytest.raises(NotFound):
            jobs.find(other_tenant, job_id)
        with pytest.raises(NotFound):
            jobs.request_cancel(other_tenant, job_id)
        assert jobs.list(other_tenant, JobFilter(), before=None, limit=10) == []
        assert keys.list(other_tenant) == []
        with refused_by_the_wall():
            keys.create(other_tenant, name="mine", scopes=["jobs:read"])


def test_whether_a_file_is_named_does_not_depend_on_who_asks(database, tenant):
    """A file that looked like one that nobody names would be deleted."""
    key = f"t/{tenant}/a/00/{'0' * 64}"
    values = {"kind": "image", "sha256": "0" * 64, "blob_key": key}
    with database.statement() as connection:
        connection.execute(insert(assets).values({**filled(assets, tenant), **values}))
    with acting_for(NOBODY):
        assert Assets(database).is_named(tenant, key)
        assert BlobNames(database).unnamed([key]) == []


# --- the role ---------------------------------------------------------------------------------------------------------


def test_the_service_is_neither_superuser_nor_owner(database):
    with database.statement() as connection:
        assert connection.execute(text("SELECT current_user")).scalar_one() == APP_ROLE
        mighty = text(
            "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolcanlogin OR rolreplication"
            " FROM pg_roles WHERE rolname = current_user"
        )
        assert connection.execute(mighty).scalar_one() is False
        owned = text("SELECT count(*) FROM pg_class WHERE pg_get_userbyid(relowner) = current_user")
        assert connection.execute(owned).scalar_one() == 0


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE jobs",
        "TRUNCATE jobs",
        "CREATE TABLE mine (id text)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE jobs ADD COLUMN mine text",
        "ALTER TABLE jobs DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE jobs NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY tenant_wall ON jobs",
        "CREATE POLICY mine ON jobs USING (true)",
        "CREATE INDEX mine ON jobs (id)",
        "ALTER ROLE reelqueue_app BYPASSRLS",
        "UPDATE alembic_version SET version_num = '0001'",
        "SET row_security = off; SELECT * FROM jobs",
    ],
)
def test_the_service_has_rows_and_nothing_else(database, statement):
    with pytest.raises(exc.DBAPIError) as caught, database.transaction() as connection:
        connection.exec_driver_sql(statement)
    assert isinstance(caught.value.orig, errors.InsufficientPrivilege)


def test_reset_role_leads_back_to_the_role(database):
    with database.statement() as connection:
        connection.exec_driver_sql("RESET ROLE")
        assert connection.execute(text("SELECT current_user")).scalar_one() == APP_ROLE


# --- a pool keeps nobody's name ---------------------------------------------------------------------------------------

SEEN = select(metadata.tables["tenants"].c.id)


@pytest.fixture
def single(database_url, tenant, other_tenant):
    """One connection for everybody, as a gateway has them: for nobody until somebody says so."""
    engine = make_engine(database_url, pool_size=1)
    engine.pool._max_overflow = 0
    yield Database(engine)
    engine.dispose()


def test_a_connection_works_for_whoever_holds_it(single, tenant, other_tenant):
    kinds = (single.statement, single.transaction)
    for kind in (*kinds, *reversed(kinds), *kinds):
        for whose, seen in ((tenant, [tenant]), (other_tenant, [other_tenant]), (None, []), (tenant, [tenant])):
            with acting_for(NOBODY if whose is None else whose), kind() as connection:
                assert connection.execute(SEEN).scalars().all() == seen
            with kind() as connection:
                assert connection.execute(SEEN).scalars().all() == []
    with single.as_service().transaction() as connection:
        assert len(connection.execute(SEEN).scalars().all()) == 2
    with single.statement() as connection:
        assert connection.execute(SEEN).scalars().all() == []


def test_what_is_rolled_back_takes_no_name_with_it(single, tenant, other_tenant):
    """A setting that is made in a transaction ends with its rollback, and the pool would not know."""
    for whose, other in ((tenant, other_tenant), (other_tenant, tenant)) * 3:
        with acting_for(other), single.statement() as connection:
            connection.execute(SEEN)
        with pytest.raises(ZeroDivisionError), acting_for(whose), single.transaction():
            raise ZeroDivisionError
        with acting_for(whose), single.transaction() as connection:
            assert connection.execute(SEEN).scalars().all() == [whose]
            connection.rollback()
        with pytest.raises(exc.DBAPIError), acting_for(other), single.transaction() as connection:
            connection.exec_driver_sql("SELECT 1 / 0")
        with acting_for(whose), single.statement() as connection:
            assert connection.execute(SEEN).scalars().all() == [whose]


def test_a_connection_that_was_replaced_works_for_nobody_first(single, tenant):
    with acting_for(tenant), single.statement() as connection:
        assert connection.execute(SEEN).scalars().all() == [tenant]
        connection.invalidate()
    with single.statement() as connection:
        assert connection.execute(SEEN).scalars().all() == []
    with acting_for(tenant), single.transaction() as connection:
        assert connection.execute(SEEN).scalars().all() == [tenant]


def test_whoever_stays_pays_nothing(single, tenant):
    with acting_for(tenant):
        for kind in (single.statement, single.transaction, single.statement):
            with kind() as connection:
                connection.execute(SEEN)
        told = []

        def note(_connection, _cursor, statement, *_):
            told.append(statement)

        event.listen(single.engine, "before_cursor_execute", note)
        for kind in (single.statement, single.transaction):
            with kind() as connection:
                connection.execute(SEEN)
    assert [statement for statement in told if "set_config" in statement] == []
    assert len(told) == 2
