"""Whether choosing whose turn it is costs more the more jobs wait, and how fast one dispatcher rings."""

from __future__ import annotations

import time
from functools import partial
from typing import Final

from sqlalchemy import text

from benchmarks.crew import Site
from benchmarks.figures import Aim, Figure, percentile
from benchmarks.patience import Patience
from benchmarks.place import Place
from benchmarks.report import Cell, Report, Table
from benchmarks.vacuum import vacuum
from reelqueue.jobs.aside import Aside
from reelqueue.store.dispatch import Dispatch
from reelqueue.store.engine import Database
from reelqueue.worker.app import make_app
from reelqueue.worker.bells import CeleryBells

TENANTS: Final = 10_000
FEW: Final = 10_000
MANY: Final = 1_000_000
BATCH: Final = 100
RUNG_AT_ONCE: Final = 200
CHUNK: Final = 50_000

_TENANTS: Final = text("""
WITH made AS (
    INSERT INTO tenants (id, name, webhook_secret, has_waiting, max_running)
    SELECT 'ten_' || n, 'tenant ' || n, '\\x00', false, 1000000 FROM generate_series(1, :tenants) AS n RETURNING id
), flowing AS (
    INSERT INTO flows (tenant_id, customer, has_waiting) SELECT id, '', false FROM made
)
INSERT INTO upstream_tokens (id, label, kind, secret, fingerprint, max_turns)
VALUES ('tok_1', 'pool', 'supplied', '\\x00', '\\x00', 100000000)
""")
_JOBS: Final = text("""
INSERT INTO jobs (id, tenant_id, instructions, billing)
SELECT 'job_' || lpad(n::text, 26, '0'), 'ten_' || 1 + ((n - 1) / 2) % :tenants, '["animate this photo"]', '{}'
FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS n
""")

_FLAGS: Final = (
    text("UPDATE tenants t SET has_waiting = EXISTS (SELECT FROM jobs j WHERE j.tenant_id = t.id)"),
    text("UPDATE flows f SET has_waiting = EXISTS (SELECT FROM jobs j WHERE j.tenant_id = f.tenant_id)"),
)


def measure(place: Place, patience: Patience, *, quick: bool) -> Report:
    """The same batches with few and with many jobs waiting, in one database; then bells until enough were rung."""
    site, many, rounds = Site(place, "depth"), 100_000 if quick else MANY, 10 if quick else 40
    services = site.services()
    try:
        _fill(services.database, 1, FEW)
        few = _batches(services.dispatch, rounds)
        patience.check("filling")
        _fill(services.database, FEW + 1, many)
        patience.check("the deep queue")
        deep = _batches(services.dispatch, rounds)
        bells = CeleryBells(make_app(place.valkey.url))
        admitted, rung = _ring(services.dispatch, bells, 1000 if quick else 5000)
    finally:
        services.close()
    shallow_ms, deep_ms = percentile(few, 0.5), percentile(deep, 0.5)
    rows: list[tuple[Cell, ...]] = [
        (f"{count:,} waiting", *(percentile(times, share) for share in (0.5, 0.95)))
        for count, times in ((FEW, few), (many, deep))
    ]
    return Report(
        title="a deep queue",
        measured=(
            f"{FEW:,} and {many:,} waiting jobs of {TENANTS:,} tenants; choose {BATCH}, two of a tenant, take their "
            f"room on a token, mark as rung and commit; then the same with the bells published and acknowledged, "
            f"{RUNG_AT_ONCE} at a time, by one dispatcher, which admits the next while it rings"
        ),
        figures=[
            Figure(name=f"a batch of {BATCH} at {many:,}, p50", value=deep_ms, unit="ms", aim=Aim("at most", 5)),
            Figure(name="that, over a batch at 10,000", value=deep_ms / shallow_ms, unit="x", aim=Aim("at most", 1.5)),
            Figure(name="jobs to acknowledged bells", value=rung, unit="jobs/s", aim=Aim("at least", 5000)),
            Figure(name="of that time, admitting", value=admitted, unit=""),
        ],
        tables=[Table(title=f"a batch of {BATCH}", columns=("queue", "p50 ms", "p95 ms"), rows=rows)],
    )


def _fill(database: Database, first: int, last: int) -> None:
    with database.transaction() as connection:
        # What the rows are is known: their keys need no check one by one.
        connection.execute(text("SET LOCAL ROLE NONE"))
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        if first == 1:
            connection.execute(_TENANTS, {"tenants": TENANTS})
        for start in range(first, last + 1, CHUNK):
            end = min(last, start + CHUNK - 1)
            connection.execute(_JOBS, {"tenants": TENANTS, "first": start, "last": end})
        for flags in _FLAGS:
            connection.execute(flags)
    vacuum(database, "jobs", "tenants", "flows")


def _batches(dispatch: Dispatch, rounds: int) -> list[float]:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        bells = dispatch.admit(BATCH)
        times.append((time.perf_counter() - began) * 1000)
        if len(bells) != BATCH:
            raise RuntimeError(f"{len(bells)} of {BATCH} were admitted")
    return times


def _ring(dispatch: Dispatch, bells: CeleryBells, jobs: int) -> tuple[float, float]:
    """The share of the time that admitting takes, and how many jobs a second were rung, as the dispatcher does it."""
    bells.ring(dispatch.admit(RUNG_AT_ONCE))
    ringing, admitting, rung, began = Aside("rings"), 0.0, 0, time.perf_counter()
    while rung < jobs:
        before = time.perf_counter()
        found = dispatch.admit(RUNG_AT_ONCE)
        admitting += time.perf_counter() - before
        ringing.begin(partial(bells.ring, found))
        rung += len(found)
    ringing.finish()
    taken = time.perf_counter() - began
    return admitting / taken, rung / taken
