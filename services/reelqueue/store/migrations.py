"""Alembic, called from code: the same migrations for a person, a container, the demo and the tests."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from reelqueue.kit.acting import EVERYBODY
from reelqueue.store.engine import make_engine
from reelqueue.store.roles import leakproof, prepare_role

_PACKAGED = Path(__file__).parents[1] / "_migrations"
_CHECKOUT = Path(__file__).parents[3] / "migrations"
ADVISORY_LOCK = 0x5EE1_0001
"""Two deploys at once migrate one after the other."""


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's settings: scripts from the installed package, else from the checkout."""
    config = Config()
    config.set_main_option("script_location", str(_PACKAGED if _PACKAGED.is_dir() else _CHECKOUT).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database to a revision. Safe to run twice, and at the same time as another. Raises `RoleUnusable`."""
    engine = _owner(url)
    try:
        with engine.connect() as connection:
            # Waiting for another deploy, and filling a large table, take as long as they take.
            connection.exec_driver_sql("SET lock_timeout = 0")
            connection.exec_driver_sql("SET statement_timeout = 0")
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({ADVISORY_LOCK})")
            connection.commit()
            try:
                prepare_role(connection)
                leakproof(connection)
                command.upgrade(alembic_config(connection), revision)
                connection.commit()
            finally:
                connection.rollback()
                connection.exec_driver_sql(f"SELECT pg_advisory_unlock({ADVISORY_LOCK})")
                connection.commit()
    finally:
        engine.dispose()


def downgrade(url: str, revision: str) -> None:
    """Take the database back to a revision (`base` for nothing at all)."""
    engine = _owner(url)
    try:
        with engine.connect() as connection:
            command.downgrade(alembic_config(connection), revision)
            connection.commit()
    finally:
        engine.dispose()


def _owner(url: str) -> Engine:
    """As the login role, which owns the tables, and for all tenants: policies hold for an owner too."""
    return make_engine(url, pool_size=1, application="reelqueue-migrate", role=None, whose=EVERYBODY)


def head() -> str | None:
    """The newest revision this code knows."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head()


def current(engine: Engine) -> str | None:
    """The revision the database is at."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()
