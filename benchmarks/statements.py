"""Which SQL statements a database ran, by `pg_stat_statements`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from benchmarks.figures import per

_SPACES: Final = re.compile(r"\s+")
_COUNTED: Final = """
SELECT r.rolname, s.query, sum(s.calls)::float8, sum(s.total_exec_time)::float8
FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND r.rolname <> current_user
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""
CONTROL: Final = ("BEGIN", "COMMIT", "ROLLBACK")
"""Round trips too, but no queries."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement with its values left out: which process ran it, how often, for how many milliseconds in all."""

    process: str
    text: str
    calls: float
    ms: float

    @property
    def is_control(self) -> bool:
        """Whether it only begins or ends a transaction."""
        return self.text.upper().startswith(CONTROL)


class StatementCounter:
    """Counts what others run in one database. Its own connection is another role's, and is left out."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        name = connection.info.dbname
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        # For sessions that begin after this: call it before the processes start.
        connection.execute(
            psycopg.sql.SQL("ALTER DATABASE {} SET pg_stat_statements.track = 'top'").format(
                psycopg.sql.Identifier(name)
            )
        )

    def reset(self) -> None:
        """Count from here."""
        self._connection.execute(
            "SELECT pg_stat_statements_reset(0, (SELECT oid FROM pg_database WHERE datname = current_database()), 0)"
        )

    def read(self) -> list[Statement]:
        """What ran since, the most frequent first."""
        rows = self._connection.execute(_COUNTED).fetchall()
        return [Statement(process, shortened(query), calls, ms) for process, query, calls, ms in rows]


def shortened(query: str, *, most: int = 110) -> str:
    """A statement on one line."""
    line = _SPACES.sub(" ", query).strip()
    return line if len(line) <= most else line[: most - 1] + "…"


def calls_per(statements: Iterable[Statement], count: float) -> float:
    """Statements for each of `count`."""
    return per(sum(one.calls for one in statements), count)
