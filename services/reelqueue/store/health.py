"""Whether the database can serve this code."""

from __future__ import annotations

from typing import Final, Literal

from alembic.migration import MigrationContext
from sqlalchemy import exc, text

from reelqueue.errors import DependencyUnavailable
from reelqueue.kit.logs import get_logger
from reelqueue.store.engine import RETRY_AFTER_S, Database, RoleRefused
from reelqueue.store.migrations import head

_HOLDS: Final = text("SELECT row_security_active(to_regclass('jobs'))")

_log = get_logger(__name__)


class Health:
    """The readiness of the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._head = head()

    def check(self) -> None:
        """Raises `DependencyUnavailable` when the database is down or not at this code's newest migration."""
        with self._database.statement() as connection:
            connection.execute(text("SELECT 1"))
            try:
                revision = MigrationContext.configure(connection).get_current_revision()
            except exc.ProgrammingError as error:  # the role has no rights before the migration that grants them
                message = "The role that we work as may not read this database yet."
                raise DependencyUnavailable(message, retry_after=RETRY_AFTER_S) from error
        if revision != self._head:
            message = f"The database is at migration {revision}, this code needs {self._head}."
            raise DependencyUnavailable(message, retry_after=RETRY_AFTER_S)

    def role(self) -> Literal["ok", "down", "unknown"]:
        """Whether policies hold for whom we work as. `unknown` without a database, or without tables.

        They do not for a superuser and for `BYPASSRLS`, and then one wall stands where there should be two.
        """
        try:
            with self._database.statement() as connection:
                holds = connection.execute(_HOLDS).scalar()
        except RoleRefused:
            return "down"
        except DependencyUnavailable:
            return "unknown"
        if holds is False:
            _log.error("database.wall_down", fix="See docs/operations.md, Database roles and the second wall.")
            return "down"
        return "unknown" if holds is None else "ok"
