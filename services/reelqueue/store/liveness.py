"""Whether the processes of one host do their work, as the database sees it. For health checks, beside the process."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select, text

from reelqueue.store.engine import Database
from reelqueue.store.tables import workers

_SPOKE = text("""
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database()
  AND application_name = :application
  AND client_addr IS NOT DISTINCT FROM inet_client_addr()
  AND state_change > clock_timestamp() - make_interval(secs => :within)
""")


class Liveness:
    """Asks about other processes of the host that asks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def holds_lease(self, *, host: str, queues: Sequence[str]) -> bool:
        """Whether a worker of that host and exactly these queues has a lease that has not run out.

        Its heartbeat thread runs and reaches the database. A draining worker still counts: it finishes what it has.
        """
        found = (
            select(func.count())
            .select_from(workers)
            .where(
                workers.c.node.endswith(f"@{host}", autoescape=True),
                workers.c.queues.contains(list(queues)),
                workers.c.queues.contained_by(list(queues)),
                workers.c.expires_at > func.now(),
            )
        )
        with self._database.statement() as connection:
            return bool(connection.execute(found).scalar_one())

    def spoke(self, application: str, *, within_s: float) -> bool:
        """Whether a process of that `application_name`, on the address we come from, used the database just now.

        Behind a connection pooler every host has the pooler's address: then any such process anywhere counts.
        """
        with self._database.statement() as connection:
            parameters = {"application": application, "within": within_s}
            return bool(connection.execute(_SPOKE, parameters).scalar_one())
