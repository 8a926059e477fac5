"""Whether anything changed, of many things at once: for those who wait and would else ask one by one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from sqlalchemy import text

from reelqueue.store.engine import Database

JOB_VERSION: Final = "jobs.xmin::text"
"""Any change to a row gives it another `xmin`, whatever it is that changed."""
_VERSIONS: Final = text(f"""
SELECT id, {JOB_VERSION} AS version FROM jobs WHERE id = ANY (CAST(:keys AS text[]))
UNION ALL
SELECT tenant_id, last_seq::text FROM feeds WHERE tenant_id = ANY (CAST(:keys AS text[]))
""")  # noqa: S608 - the word is ours


class Watched:
    """Jobs by their ids, and feeds by their tenants'. For a service's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def versions(self, keys: Collection[str]) -> Mapping[str, str]:
        """Of each that is there, a word that is another one after each change."""
        with self._database.statement() as connection:
            rows = connection.execute(_VERSIONS, {"keys": list(keys)})
            return {row.id: row.version for row in rows}
