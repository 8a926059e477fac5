"""What a tenant's jobs came to, in groups.

The jobs' own rows are summed, along the index of the tenant's ids: an id begins with the time at which it was made, so
a time is a stretch of that index. A job counts in the time in which it was accepted, with all that it cost since.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import RowMapping, text

from reelqueue.domain.usage import MOST_GROUPS, UsageQuery, UsageReport, Used
from reelqueue.kit.ids import PREFIXES, encode, uuid7
from reelqueue.store.engine import Database

_GROUPS: Final = {
    "day": "to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    "project": "project_id",
    "customer": "customer",
    "metadata": "metadata ->> :key",
}

_USED: Final = """
WITH mine AS (
    SELECT {group} AS name, status, jsonb_array_length(receipts) AS turns,
           coalesce((billing ->> 'spent')::float8, 0) AS spent, coalesce((billing ->> 'at_risk')::float8, 0) AS at_risk,
           billing ->> 'certainty' = 'unknown' AS unknown, files.bytes, files.ms
    FROM jobs LEFT JOIN LATERAL (
        SELECT sum((r -> 'result' ->> 'bytes')::bigint) AS bytes, sum((r -> 'result' ->> 'duration_ms')::bigint) AS ms
        FROM jsonb_array_elements(results) r) files ON results <> '[]'
    WHERE tenant_id = :tenant_id AND id >= :first AND id < :last AND created_at >= :since AND created_at < :until
)
SELECT name, grouping(name) = 1 AS is_total, count(*) AS accepted,
       count(*) FILTER (WHERE status = 'succeeded') AS succeeded, count(*) FILTER (WHERE status = 'failed') AS failed,
       count(*) FILTER (WHERE status = 'canceled') AS canceled, coalesce(sum(turns), 0) AS turns,
       coalesce(sum(spent), 0) AS credits_spent, coalesce(sum(at_risk), 0) AS credits_at_risk,
       count(*) FILTER (WHERE unknown) AS unknown,
       coalesce(sum(bytes), 0) AS result_bytes, coalesce(sum(ms), 0) AS result_ms
FROM mine GROUP BY GROUPING SETS ((name), ())
ORDER BY is_total DESC, accepted DESC, name LIMIT :most
"""
_MARGIN_MS: Final = 300_000
"""By how much the clock that makes ids may differ from the one that says when a job was accepted."""


class UsageRows:
    """Reads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def used(self, tenant_id: str, query: UsageQuery) -> UsageReport:
        """The tenant's jobs of that time. Groups come by name, if there are not too many."""
        parameters = {
            "tenant_id": tenant_id,
            "since": query.since,
            "until": query.until,
            "first": _id_at(query.since, -_MARGIN_MS),
            "last": _id_at(query.until, _MARGIN_MS),
            "most": MOST_GROUPS + 2,
        }
        if query.key is not None:
            parameters["key"] = query.key
        statement = text(_USED.format(group=_GROUPS[query.by]))
        with self._database.statement() as connection:
            total, *groups = [_used(row) for row in connection.execute(statement, parameters).mappings()]
        complete = len(groups) <= MOST_GROUPS
        kept = sorted(groups[:MOST_GROUPS], key=lambda one: (one.group is None, one.group or ""))
        return UsageReport(query=query, total=total, groups=kept, complete=complete)


def _id_at(moment: datetime, margin_ms: int) -> str:
    """The least id of a job that was made at the moment, so much later."""
    millis = max(0, int(moment.timestamp() * 1000) + margin_ms)
    return PREFIXES["job"] + encode(uuid7(millis, bytes(10)))


def _used(row: RowMapping) -> Used:
    counts = ("accepted", "succeeded", "failed", "canceled", "turns", "unknown", "result_bytes", "result_ms")
    return Used(
        group=row["name"],
        credits_spent=float(row["credits_spent"]),
        credits_at_risk=float(row["credits_at_risk"]),
        **{name: int(row[name]) for name in counts},
    )
