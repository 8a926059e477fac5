"""Whether the database can serve this code."""

from __future__ import annotations

from alembic.migration import MigrationContext
from sqlalchemy import text

from reelqueue.errors import DependencyUnavailable
from reelqueue.store.engine import RETRY_AFTER_S, Database
from reelqueue.store.migrations import head


class Health:
    """The readiness of the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._head = head()

    def check(self) -> None:
        """Raises `DependencyUnavailable` when the database is down or not at this code's newest migration."""
        with self._database.statement() as connection:
            connection.execute(text("SELECT 1"))
            revision = MigrationContext.configure(connection).get_current_revision()
        if revision != self._head:
            message = f"The database is at migration {revision}, this code needs {self._head}."
            raise DependencyUnavailable(message, retry_after=RETRY_AFTER_S)
