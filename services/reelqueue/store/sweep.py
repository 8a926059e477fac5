"""What has fallen between two chairs: leases of dead workers, lost flags, passed deadlines, poisoned jobs."""

from __future__ import annotations

from sqlalchemy import TextClause, select, text

from reelqueue.errors import Poisoned
from reelqueue.kit.limits import CLAIMS_BEFORE_POISONED
from reelqueue.store.admission import PROJECT_FREE
from reelqueue.store.deadlines import Deadlines
from reelqueue.store.ending import fail_all
from reelqueue.store.engine import Database
from reelqueue.store.flows import FLOW, flow_of
from reelqueue.store.history import History
from reelqueue.store.settlement import ask_again
from reelqueue.store.tables import jobs

BATCH = 500

_FLAGS = text(f"""
UPDATE tenants SET has_waiting = true, no_room = NULL,
    virtual_time = greatest(virtual_time, coalesce((SELECT s.virtual_time FROM scheduler s), 0))
WHERE id = ANY (ARRAY(
    SELECT t.id FROM tenants t
    WHERE NOT t.has_waiting AND t.no_room IS NULL AND NOT t.paused
      AND EXISTS (
        SELECT FROM jobs j WHERE j.tenant_id = t.id AND j.dispatch = 'idle' AND j.admitted_at IS NULL
          AND {PROJECT_FREE})
      AND t.max_running > (
        SELECT count(*) FROM jobs r WHERE r.tenant_id = t.id AND r.admitted_at IS NOT NULL AND r.dispatch <> 'done')
    FOR NO KEY UPDATE SKIP LOCKED))
""")  # noqa: S608 - the condition is ours


# The first waiting job of each customer, by a walk along the index that leaps from one to the next.
_FLOWS = text(f"""
WITH RECURSIVE flow (tenant_id, customer) AS (
    (SELECT tenant_id, {FLOW} FROM jobs WHERE dispatch = 'idle' AND admitted_at IS NULL
     ORDER BY tenant_id, {FLOW} LIMIT 1)
    UNION ALL
    SELECT n.* FROM flow f CROSS JOIN LATERAL (
        SELECT j.tenant_id, {flow_of("j")} FROM jobs j
        WHERE j.dispatch = 'idle' AND j.admitted_at IS NULL
          AND (j.tenant_id, {flow_of("j")}) > (f.tenant_id, f.customer)
        ORDER BY j.tenant_id, {flow_of("j")} LIMIT 1) n
)
INSERT INTO flows (tenant_id, customer, virtual_time, has_waiting)
SELECT w.tenant_id, w.customer, t.flow_time, true FROM flow w JOIN tenants t ON t.id = w.tenant_id
WHERE NOT EXISTS (
    SELECT FROM flows f WHERE f.tenant_id = w.tenant_id AND f.customer = w.customer AND f.has_waiting)
ORDER BY 1, 2
ON CONFLICT (tenant_id, customer) DO UPDATE SET
    has_waiting = true, virtual_time = greatest(flows.virtual_time, excluded.virtual_time)
RETURNING 1
""")  # noqa: S608 - the expressions are ours


def _orphans(table: str, due: str = "now()", also: str = "", *, key: str = "id") -> TextClause:
    """The rows of workers whose lease ran out, by the database's clock. The epoch rises: the old worker is fenced."""
    return text(f"""
UPDATE {table} SET dispatch = 'idle', lease_owner = NULL, lease_epoch = lease_epoch + 1, due_at = {due}{also}
WHERE {key} = ANY (ARRAY(
    SELECT h.{key} FROM {table} h
    WHERE h.dispatch = 'held'
      AND NOT EXISTS (SELECT FROM workers w WHERE w.id = h.lease_owner AND w.expires_at > now())
    LIMIT {BATCH} FOR UPDATE SKIP LOCKED))
RETURNING {key}""")  # noqa: S608 - the names are ours


# A job that used up its crashes is due never again: `fail_poisoned` ends it.
_ORPHANED_JOBS = _orphans(
    "jobs",
    f"CASE WHEN crashes + 1 < {CLAIMS_BEFORE_POISONED} THEN now() END",
    ", crashes = crashes + 1",
)
_ORPHANED_LANES = _orphans("webhook_lanes")
_ORPHANED_RECOVERIES = _orphans("recoveries", key="job_id")


class Sweep:
    """Repairs. Each may run anywhere, at any time, twice at once."""

    def __init__(self, database: Database, history: History | None = None) -> None:
        self._database = database
        self._deadlines = Deadlines(database, history or History(database))

    def take_over(self) -> int:
        """Free what dead workers held. Returns how many rows. A job so freed has one more crash on its count."""
        with self._database.statement() as connection:
            tables = (_ORPHANED_JOBS, _ORPHANED_LANES, _ORPHANED_RECOVERIES)
            return sum(len(connection.execute(one).all()) for one in tables)

    def restore_flags(self) -> int:
        """Give the waiting flag back to tenants and customers that lost it between two commits. Returns how many."""
        with self._database.statement() as connection:
            return len(connection.execute(_FLOWS).all()) + connection.execute(_FLAGS).rowcount

    def ask_for_room(self) -> int:
        """Let tenants that found no room on a token look again. Returns how many."""
        with self._database.statement() as connection:
            return ask_again(connection)

    def fail_poisoned(self) -> int:
        """End jobs that brought their worker down three times without any progress. Returns how many."""
        condition = (jobs.c.dispatch == "idle") & (jobs.c.crashes >= CLAIMS_BEFORE_POISONED)
        return fail_all(self._database, select(jobs.c.id).where(condition).limit(BATCH), Poisoned())

    def fail_overdue(self) -> int:
        """End jobs that cannot meet their times and have cost nothing; wake late ones that wait. Returns how many."""
        return self._deadlines.keep()
