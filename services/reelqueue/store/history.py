"""The last jobs that succeeded, as samples for estimates."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from sqlalchemy import text

from reelqueue.domain.estimates import ONE_TURN, Estimates, Sample, Size, estimate
from reelqueue.kit.clock import Clock, SystemClock
from reelqueue.store.engine import Database

LAST: Final = 200
"""Jobs that are looked at, of one tenant and of all."""
KEPT_S: Final = 5.0
"""How long what was read is used again. A job more among two hundred changes little."""
MOST_KEPT: Final = 1000
"""Tenants whose samples are kept."""

# A question waits for its owner, and a retry does a part of a job: neither tells how long a job takes.
_SAMPLES = """
SELECT jsonb_array_length(instructions) AS turns, outputs <> '[]' AS exports,
       greatest(0, extract(epoch FROM admitted_at - created_at)) AS wait_s,
       greatest(0, extract(epoch FROM finished_at - admitted_at)) AS work_s,
       CASE WHEN billing ->> 'certainty' = 'inferred' AND receipts <> '[]'
            THEN ((billing ->> 'spent')::float8 + (billing ->> 'at_risk')::float8) / jsonb_array_length(receipts) END
           AS credits
FROM (
    SELECT * FROM jobs WHERE status = 'succeeded' {whose} ORDER BY finished_at DESC LIMIT :last
) AS lately
WHERE answers = '[]' AND retried_from IS NULL
"""
_OWN = text(_SAMPLES.format(whose="AND tenant_id = :tenant_id"))
_OF_ALL = text(_SAMPLES.format(whose=""))


class History:
    """What jobs took lately. Thread-safe; what it says may be some seconds old."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._kept: dict[str | None, tuple[float, Sequence[Sample]]] = {}

    def of(self, tenant_id: str, size: Size = ONE_TURN) -> Estimates:
        """From the tenant's own last jobs, else from everybody's, else without figures. At most two statements."""
        return estimate(self._samples(tenant_id), self._samples(None), size)

    def _samples(self, tenant_id: str | None) -> Sequence[Sample]:
        """`None`: of all tenants."""
        now = self._clock.monotonic()
        with self._lock:
            until, samples = self._kept.get(tenant_id, (now, ()))
        if until > now:
            return samples
        samples = self._read(tenant_id)
        with self._lock:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[tenant_id] = (now + KEPT_S, samples)
        return samples

    def _read(self, tenant_id: str | None) -> Sequence[Sample]:
        statement, who = (_OF_ALL, {}) if tenant_id is None else (_OWN, {"tenant_id": tenant_id})
        # Everybody's are figures without a name, and are kept for all who ask: they are read as the service.
        database = self._database.as_service() if tenant_id is None else self._database
        with database.statement() as connection:
            rows = connection.execute(statement, {"last": LAST, **who}).all()
        return tuple(
            Sample(
                size=Size(turns=row.turns, exports=row.exports),
                wait_s=float(row.wait_s),
                work_s=float(row.work_s),
                credits=None if row.credits is None else float(row.credits),
            )
            for row in rows
        )
