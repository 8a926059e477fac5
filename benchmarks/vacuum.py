"""What only the owner of the tables may do, between a benchmark's preparation and its measure."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

from reelqueue.store.engine import Database
from reelqueue.store.roles import APP_ROLE

_AS_OWNER: Final = text("SET ROLE NONE")
_AS_SERVICE: Final = text(f"SET ROLE {APP_ROLE}")


def vacuum(database: Database, *tables: str) -> None:
    """Tidy the tables and learn what is in them."""
    with database.statement() as connection:
        connection.execute(_AS_OWNER)
        connection.execute(text("SET statement_timeout = '60s'"))
        connection.execute(text(f"VACUUM ANALYZE {', '.join(tables)}"))
        connection.execute(_AS_SERVICE)
