"""Choosing the next jobs fairly among a hundred thousand, beside the window function that is usually written for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import text

from benchmarks.crew import Site
from benchmarks.figures import Figure, mean, percentile
from benchmarks.patience import Patience
from benchmarks.place import Place
from benchmarks.report import Cell, Report, Table
from benchmarks.vacuum import vacuum
from reelqueue.store.dispatch import Dispatch
from reelqueue.store.engine import Database

TENANTS: Final = 1000
JOBS: Final = 100_000
BIG_SHARE: Final = 0.6
"""How much of the queue is one tenant's."""
EACH: Final = 2

_MAKE_TENANTS: Final = text("""
WITH made AS (
    INSERT INTO tenants (id, name, webhook_secret, has_waiting)
    SELECT 'ten_' || n, 'tenant ' || n, '\\x00', true FROM generate_series(1, :tenants) AS n RETURNING id
)
INSERT INTO flows (tenant_id, customer, has_waiting) SELECT id, '', true FROM made
""")
_MAKE_JOBS: Final = text("""
INSERT INTO jobs (id, tenant_id, instructions, billing)
SELECT 'job_' || lpad(n::text, 26, '0'),
       'ten_' || CASE WHEN n % 100 < :share THEN 1 ELSE 2 + n % (:tenants - 1) END,
       '["animate this photo"]', '{}'
FROM generate_series(1, :jobs) AS n
""")
_WINDOW: Final = text("""
UPDATE jobs SET dispatch = 'rung', bell_at = now(), bells = 1, admitted_at = now(), waiting = NULL
WHERE dispatch = 'idle' AND id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER (PARTITION BY tenant_id ORDER BY id) AS turn
        FROM jobs WHERE dispatch = 'idle' AND admitted_at IS NULL) queued
    ORDER BY turn, id LIMIT :most)
RETURNING id
""")
_OF_BIG: Final = text(
    "SELECT count(*), count(DISTINCT tenant_id), count(*) FILTER (WHERE tenant_id = 'ten_1') "
    "FROM jobs WHERE id = ANY (:ids)"
)


@dataclass(slots=True)
class Side:
    """One way to choose, and how long it took each time, in milliseconds."""

    name: str
    choose: Callable[[int], Sequence[str]]
    times_ms: dict[int, list[float]] = field(default_factory=dict)
    first: dict[int, Sequence[str]] = field(default_factory=dict)

    def measure(self, most: int) -> None:
        began = time.perf_counter()
        ids = self.choose(most)
        self.times_ms.setdefault(most, []).append((time.perf_counter() - began) * 1000)
        self.first.setdefault(most, ids)


def measure(place: Place, patience: Patience, *, quick: bool) -> Report:
    """Both ways in turn, in one database that they empty together."""
    site, rounds = Site(place, "dispatch"), {50: 3, 500: 2} if quick else {50: 30, 500: 12}
    services = site.services()
    try:
        database = services.database
        _fill(database)
        stride = Side("stride on the tenant row (ours)", lambda most: _stride(services.dispatch, most))
        window = Side("row_number() per tenant", lambda most: _window(database, most))
        for most, times in rounds.items():
            for _ in range(times):
                for side in (stride, window):
                    side.measure(most)
                patience.check("the next round")
        return _report(database, [stride, window])
    finally:
        services.close()


def _fill(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(text("SET LOCAL statement_timeout = '60s'"))
        connection.execute(_MAKE_TENANTS, {"tenants": TENANTS})
        connection.execute(_MAKE_JOBS, {"tenants": TENANTS, "jobs": JOBS, "share": round(BIG_SHARE * 100)})
    vacuum(database, "jobs", "tenants")


def _stride(dispatch: Dispatch, most: int) -> Sequence[str]:
    return [bell.id for bell in dispatch.admit(most, each=EACH)]


def _window(database: Database, most: int) -> Sequence[str]:
    with database.statement() as connection:
        return list(connection.execute(_WINDOW, {"most": most}).scalars())


def _report(database: Database, sides: Sequence[Side]) -> Report:
    stride, window = sides
    rows: list[tuple[Cell, ...]] = []
    for side in sides:
        for most, times in side.times_ms.items():
            chosen, tenants, big = _of_first_batch(database, side.first[most])
            rows.append(
                (
                    f"{side.name}, {most}",
                    *(percentile(times, share) for share in (0.5, 0.95)),
                    1000 * mean(times) / most,
                    chosen,
                    tenants,
                    big / chosen if chosen else 0.0,
                )
            )
    columns = ("choice", "p50 ms", "p95 ms", "µs a job", "chosen", "tenants", "share of the big one")
    return Report(
        title="admitting fairly",
        measured=(
            f"{JOBS:,} waiting jobs of {TENANTS:,} tenants, {BIG_SHARE:.0%} of them one tenant's; choose, mark as rung "
            f"and commit 50 and 500; ours takes {EACH} of a tenant at a time and honors its cap and its weight; in turn"
        ),
        figures=list(_figures(stride.times_ms, window.times_ms)),
        tables=[Table(title="batches", columns=columns, rows=rows)],
    )


def _figures(stride: Mapping[int, list[float]], window: Mapping[int, list[float]]) -> list[Figure]:
    figures = []
    for most, times in stride.items():
        ours, theirs = percentile(times, 0.5), percentile(window[most], 0.5)
        figures.append(Figure(name=f"a batch of {most}, p50", value=ours, unit="ms"))
        figures.append(Figure(name=f"the window function over ours, {most}", value=theirs / ours, unit="x"))
    return figures


def _of_first_batch(database: Database, ids: Sequence[str]) -> tuple[float, float, float]:
    with database.statement() as connection:
        chosen, tenants, big = connection.execute(_OF_BIG, {"ids": list(ids)}).one()
    return float(chosen), float(tenants), float(big)
