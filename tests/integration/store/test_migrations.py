from __future__ import annotations

import threading

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event, inspect, text

from reelqueue.errors import DependencyUnavailable
from reelqueue.store.admission import FUNCTION
from reelqueue.store.engine import Database, make_engine
from reelqueue.store.health import Health
from reelqueue.store.migrations import ADVISORY_LOCK, alembic_config, current, downgrade, head, upgrade
from reelqueue.store.tables import metadata


@pytest.fixture
def empty(empty_database_url):
    engine = make_engine(empty_database_url, role=None)
    yield engine
    engine.dispose()


def things(engine):
    """Everything that a migration can leave behind."""
    with engine.connect() as connection:
        return {
            kind: sorted(connection.execute(text(statement)).scalars())
            for kind, statement in {
                "tables": "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
                "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
                "constraints": "SELECT conrelid::regclass::text || ' ' || pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE connamespace = 'public'::regnamespace",
                "functions": "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
                "triggers": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
                "columns": "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' ||"
                " coalesce(column_default, '') FROM information_schema.columns WHERE table_schema = 'public'",
            }.items()
        }


def test_the_migrations_make_what_the_code_expects(database_url):
    engine = make_engine(database_url)
    with engine.connect() as connection:
        command.check(alembic_config(connection))
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}
    engine.dispose()


def test_whoever_is_admitted_is_admitted_by_this_codes_function(database_url):
    """It is made by a migration: changed without one, it would stay what it was where the service runs already."""
    engine = make_engine(database_url)
    with engine.connect() as connection:
        made = connection.execute(text("SELECT prosrc FROM pg_proc WHERE proname = 'admit_jobs'")).scalar_one()
    engine.dispose()
    assert FUNCTION.endswith(f"AS $${made}$$")


def test_up_down_and_up_again_ends_where_it_began(empty, empty_database_url):
    upgrade(empty_database_url)
    made = things(empty)
    downgrade(empty_database_url, "base")
    left = things(empty)
    assert left["tables"] == ["alembic_version"]
    assert left["functions"] == left["triggers"] == []
    upgrade(empty_database_url)
    assert things(empty) == made
    upgrade(empty_database_url)
    assert things(empty) == made


def test_each_step_can_be_taken_back(empty, empty_database_url):
    script = ScriptDirectory.from_config(alembic_config())
    steps = [revision.revision for revision in reversed(list(script.walk_revisions()))]
    before = []
    for step in steps:
        before.append(things(empty))
        upgrade(empty_database_url, step)
    for step in reversed(["base", *steps[:-1]]):
        downgrade(empty_database_url, step)
        found = things(empty)
        for kind in ("functions", "triggers", "indexes", "constraints"):
            expected = before[steps.index(step) + 1] if step != "base" else {**before[0], "indexes": []}
            ours = [one for one in found[kind] if "alembic_version" not in one]
            assert ours == [one for one in expected[kind] if "alembic_version" not in one]


def test_two_deploys_at_once_migrate_one_after_the_other(empty, empty_database_url, at_once):
    assert at_once(2, lambda _: upgrade(empty_database_url)) == [None, None]
    assert current(empty) == head()


def test_whoever_waits_for_another_deploy_waits_as_long_as_it_takes(empty, empty_database_url):
    """A migration of a large table takes minutes: neither a statement's nor a lock's timeout may end the wait."""
    seen = {}

    def note(connection, cursor, statement, *_):
        if "pg_advisory_lock(" in statement:
            for name in ("lock_timeout", "statement_timeout"):
                cursor.execute(f"SHOW {name}")
                seen[name] = cursor.fetchone()[0]

    event.listen(Engine, "before_cursor_execute", note)
    try:
        upgrade(empty_database_url)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert seen == {"lock_timeout": "0", "statement_timeout": "0"}


def test_no_migration_queues_traffic_behind_itself(empty, empty_database_url):
    """Each of them waits for a lock for a few seconds, the second as the first."""
    seen = {}

    def note(connection, cursor, statement, *_):
        for sign in ("CREATE TABLE tenants", "CREATE FUNCTION jobs_status_law"):
            if sign in " ".join(statement.split()):
                cursor.execute("SHOW lock_timeout")
                seen[sign] = cursor.fetchone()[0]

    event.listen(Engine, "before_cursor_execute", note)
    try:
        upgrade(empty_database_url)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert seen == {"CREATE TABLE tenants": "4s", "CREATE FUNCTION jobs_status_law": "4s"}


def test_a_migration_that_breaks_leaves_nothing_and_lets_the_next_one_in(empty, empty_database_url):
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE workers (id text)"))
    with pytest.raises(Exception, match="workers"):
        upgrade(empty_database_url)
    assert things(empty)["tables"] in (["workers"], ["alembic_version", "workers"])
    with empty.begin() as connection:
        connection.execute(text("DROP TABLE workers"))
    upgrade(empty_database_url)
    assert current(empty) == head()
    with empty.connect() as connection:
        locks = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = :id")
        assert connection.execute(locks, {"id": ADVISORY_LOCK & 0xFFFFFFFF}).scalar_one() == 0


# --- readiness --------------------------------------------------------------------------------------------------------


def test_ready_means_at_this_codes_newest_migration(empty, empty_database_url):
    health = Health(Database(empty))
    with pytest.raises(DependencyUnavailable) as caught:
        health.check()
    assert caught.value.retry_after
    upgrade(empty_database_url, "0001")
    with pytest.raises(DependencyUnavailable, match="0001"):
        health.check()
    upgrade(empty_database_url)
    health.check()


def test_no_database_is_not_ready(database_url):
    away = make_engine(database_url.rsplit("/", 1)[0] + "/no_such_database")
    health = Health(Database(away))
    with pytest.raises(DependencyUnavailable):
        health.check()
    away.dispose()


def test_a_connection_cut_from_outside_is_told_once_and_replaced(database_url):
    engine = make_engine(database_url)
    database = Database(engine)
    with database.statement() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    killer = make_engine(database_url, role=None)
    with killer.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    with pytest.raises(DependencyUnavailable), database.statement() as connection:
        connection.execute(text("SELECT 1"))
    with database.transaction() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    for one in (engine, killer):
        one.dispose()


def test_a_pool_with_nothing_left_is_a_database_that_does_not_answer(database_url):
    engine = make_engine(database_url, pool_size=1)
    engine.pool._timeout = 0.05
    database = Database(engine)
    held, release = threading.Barrier(3), threading.Event()

    def hold():
        with database.transaction():
            held.wait()
            release.wait(20)

    threads = [threading.Thread(target=hold) for _ in range(2)]
    for thread in threads:
        thread.start()
    held.wait()
    with pytest.raises(DependencyUnavailable), database.statement():
        pass
    release.set()
    for thread in threads:
        thread.join()
    engine.dispose()


def test_a_job_of_one_output_keeps_it_there_and_back(empty, empty_database_url):
    upgrade(empty_database_url, "0003")
    with empty.begin() as connection:
        connection.execute(text("INSERT INTO tenants (id, name, webhook_secret) VALUES ('t', 't', 'x')"))
        connection.execute(
            text(
                "INSERT INTO jobs (id, tenant_id, instructions, output, result) VALUES"
                " ('a', 't', '[\"x\"]', '{\"format\": \"mp4\"}', '{\"blob_key\": \"k\"}'),"
                " ('b', 't', '[\"x\"]', NULL, NULL)"
            )
        )
    upgrade(empty_database_url, "0005")
    with empty.connect() as connection:
        assert connection.execute(text("SELECT outputs, results FROM jobs ORDER BY id")).all() == [
            ([{"format": "mp4"}], [{"progress": 100, "result": {"blob_key": "k"}, "error": None}]),
            ([], []),
        ]
    downgrade(empty_database_url, "0003")
    with empty.connect() as connection:
        assert connection.execute(text("SELECT output FROM jobs ORDER BY id")).scalars().all() == [
            {"format": "mp4"},
            None,
        ]
