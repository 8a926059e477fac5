"""The role that the service works as: made once a cluster, or by hand, and never a mighty one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from fakes.rows import Rows
from reelqueue.errors import DependencyUnavailable
from reelqueue.kit.acting import EVERYBODY, NOBODY
from reelqueue.store import roles
from reelqueue.store.engine import Database, RoleRefused, make_engine
from reelqueue.store.health import Health
from reelqueue.store.migrations import downgrade, upgrade
from reelqueue.store.roles import APP_ROLE, RoleUnusable, prepare_role


@pytest.fixture
def admin(postgres_cluster) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_cluster.url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def make_user(admin, postgres_cluster) -> Iterator:
    """`make_user(database url, rights)`: the URL as a new user, who owns the database and may do what the words say."""
    made = []

    def make(url: str, rights: str = "") -> str:
        user, parts = f"user_{uuid.uuid4().hex[:8]}", urlsplit(url)
        admin.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'secret' {rights}")
        admin.execute(f"ALTER DATABASE {parts.path[1:]} OWNER TO {user}")
        made.append((parts.path[1:], user))
        return parts._replace(netloc=f"{user}:secret@{parts.hostname}:{parts.port}").geturl()

    yield make
    for database, user in made:
        with psycopg.connect(postgres_cluster.url_of(database), autocommit=True) as inside:
            inside.execute(f"DROP OWNED BY {user} CASCADE")
        admin.execute(f"ALTER DATABASE {database} OWNER TO CURRENT_USER")
        admin.execute(f"DROP ROLE {user}")


@pytest.fixture
def app_role(_migrated_template) -> str:
    """The role itself, made by the migration of another database."""
    return APP_ROLE


@pytest.fixture
def another_role(admin, monkeypatch) -> Iterator[str]:
    """A role of another name than that which the whole cluster uses, and which is not there yet."""
    name = f"app_{uuid.uuid4().hex[:8]}"
    monkeypatch.setattr(roles, "APP_ROLE", name)
    yield name
    admin.execute(f"DROP ROLE IF EXISTS {name}")


def prepared(url: str) -> None:
    engine = make_engine(url, role=None)
    try:
        with engine.connect() as connection:
            prepare_role(connection)
    finally:
        engine.dispose()


def works_for(url: str, whose: str) -> Database:
    return Database(make_engine(url, pool_size=1, whose=whose))


def test_two_deploys_that_make_the_role_at_once_both_go_on(postgres_cluster, another_role, admin, eventually):
    """In different databases of one cluster: no lock of one database holds the other. The first to commit makes it."""
    url = postgres_cluster.url
    with ThreadPoolExecutor(1) as pool, psycopg.connect(url) as first:
        first.execute(f"CREATE ROLE {another_role} NOLOGIN")
        second = pool.submit(prepared, url)
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE %s AND wait_event_type = 'Lock'"
        eventually(lambda: admin.execute(waiting, [f"CREATE ROLE {another_role}%"]).fetchone() == (1,))
        first.commit()
        assert second.result(20) is None
    prepared(url)


def test_the_role_that_is_made_has_no_might(postgres_cluster, another_role, admin):
    prepared(postgres_cluster.url)
    found = admin.execute(
        "SELECT rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = %s",
        [another_role],
    )
    assert found.fetchall() == [(False, False, False, False, False)]


def test_who_may_make_roles_makes_it_and_may_assume_it(empty_database_url, another_role, make_user):
    url = make_user(empty_database_url, "CREATEROLE")
    for _ in range(2):
        prepared(url)
    with psycopg.connect(url, options=f"-c role={another_role}") as connection:
        assert connection.execute("SELECT current_user").fetchone() == (another_role,)


def test_who_may_not_is_told_what_to_run(empty_database_url, another_role, make_user, admin):
    url = make_user(empty_database_url)
    with pytest.raises(RoleUnusable, match=r"CREATE ROLE \w+ NOLOGIN .*\nGRANT"):
        prepared(url)
    admin.execute(f"CREATE ROLE {another_role} NOLOGIN")
    with pytest.raises(RoleUnusable, match="GRANT"):
        prepared(url)
    admin.execute(f"GRANT {another_role} TO {urlsplit(url).username}")
    prepared(url)


@pytest.mark.parametrize("might", ["SUPERUSER", "BYPASSRLS", "CREATEROLE"])
def test_a_role_that_policies_would_not_hold_for_is_refused(postgres_cluster, another_role, admin, might):
    admin.execute(f"CREATE ROLE {another_role} NOLOGIN {might}")
    with pytest.raises(RoleUnusable, match="no policy would hold"):
        prepared(postgres_cluster.url)


def test_an_owner_without_any_right_is_enough_and_the_wall_holds_for_it(empty_database_url, make_user, admin, app_role):
    """As a hosted database gives it: no superuser. What owns the tables is not let through them either."""
    url = make_user(empty_database_url)
    admin.execute(f"GRANT {app_role} TO {urlsplit(url).username}")
    upgrade(url)
    service = works_for(url, EVERYBODY)
    with service.statement() as connection:
        connection.execute(text("INSERT INTO tenants (id, name, webhook_secret) VALUES ('ten_1', 't', 'x')"))
    Rows(service).job("ten_1")
    Health(service).check()
    assert Health(service).role() == "ok"
    for role, whose, seen in ((None, NOBODY, 0), (None, EVERYBODY, 1), (APP_ROLE, NOBODY, 0), (APP_ROLE, "ten_1", 1)):
        engine = make_engine(url, pool_size=1, role=role, whose=whose)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM jobs")).scalar_one() == seen, (role, whose)
        engine.dispose()
    service.engine.dispose()
    downgrade(url, "base")
    assert admin.execute("SELECT count(*) FROM pg_roles WHERE rolname = %s", [APP_ROLE]).fetchone() == (1,)
    upgrade(url)


def test_two_users_and_two_urls_keep_the_service_from_the_tables(empty_database_url, make_user, admin, app_role):
    """The stricter way: the service's own login owns nothing, whatever role it takes."""
    owner = make_user(empty_database_url)
    admin.execute(f"GRANT {app_role} TO {urlsplit(owner).username}")
    upgrade(owner)
    admin.execute("CREATE ROLE plain_login LOGIN PASSWORD 'secret'")
    try:
        admin.execute(f"GRANT {app_role} TO plain_login")
        parts = urlsplit(empty_database_url)
        url = parts._replace(netloc=f"plain_login:secret@{parts.hostname}:{parts.port}").geturl()
        service = works_for(url, EVERYBODY)
        Health(service).check()
        with service.statement() as connection:
            connection.exec_driver_sql("SET ROLE NONE")
            with pytest.raises(ProgrammingError, match="must be owner"):
                connection.exec_driver_sql("DROP TABLE jobs")
        service.dispose()
    finally:
        admin.execute("DROP ROLE plain_login")


# --- what the service says of it --------------------------------------------------------------------------------------


def test_without_the_role_nothing_answers_and_readiness_says_why(empty_database_url, make_user, app_role, logged):
    """Not granted to the login, as not there: the server refuses it at the door."""
    url = make_user(empty_database_url)
    database = works_for(url, EVERYBODY)
    with pytest.raises(RoleRefused), database.statement():
        pass
    assert Health(database).role() == "down"
    with pytest.raises(DependencyUnavailable):
        Health(database).check()
    assert "database.role_refused" in logged()
    database.dispose()


def test_readiness_sees_a_role_that_walks_through_walls(database_url, logged):
    database = Database(make_engine(database_url, pool_size=1, role=None, whose=EVERYBODY))
    assert Health(database).role() == "down"
    assert "database.wall_down" in logged()
    database.dispose()


def test_of_a_database_that_is_away_or_empty_nothing_is_known(database_url, empty_database_url):
    away = works_for(database_url.rsplit("/", 1)[0] + "/no_such_database", EVERYBODY)
    empty = works_for(empty_database_url, EVERYBODY)
    assert [Health(one).role() for one in (away, empty)] == ["unknown", "unknown"]
    for one in (away, empty):
        one.dispose()


def test_before_the_migration_that_gives_the_role_its_rights_nothing_is_ready(empty_database_url):
    upgrade(empty_database_url, "0011")
    database = works_for(empty_database_url, EVERYBODY)
    with pytest.raises(DependencyUnavailable, match="may not read"):
        Health(database).check()
    database.dispose()
