"""A tenant that floods the queue beside tenants with a job each: who waits for whom, in simulated time."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

from benchmarks.crew import Site
from benchmarks.figures import Aim, Figure, mean, percentile
from benchmarks.patience import Patience
from benchmarks.place import Place
from benchmarks.report import Cell, Report, Table
from benchmarks.simulated_crew import Crew, jain
from reelqueue.store.dispatch import Dispatch
from reelqueue.store.engine import Database

SLOTS: Final = 10
JOB_S: Final = 60.0
SMALL: Final = 50
EQUAL: Final = 10

_EMPTY: Final = text("TRUNCATE jobs, flows, scheduler, upstream_tokens, tenants CASCADE")
_TOKEN: Final = text("""
INSERT INTO upstream_tokens (id, label, kind, secret, fingerprint, max_turns)
VALUES ('tok_1', 'pool', 'supplied', '\\x00', '\\x00', :slots)
""")
_TENANT: Final = text("""
INSERT INTO tenants (id, name, webhook_secret, has_waiting, max_running, virtual_time)
VALUES (:id, :id, '\\x00', true, 1000000, coalesce((SELECT virtual_time FROM scheduler), 0))
""")
_JOBS: Final = text("""
INSERT INTO jobs (id, tenant_id, customer, instructions, billing)
SELECT 'job_' || left(md5(:id), 8) || lpad(n::text, 18, '0'), :id, 'c' || n % :customers, '["x"]', '{}'
FROM generate_series(1, :jobs) AS n
""")
_FLOWS: Final = text("""
INSERT INTO flows (tenant_id, customer, has_waiting) SELECT DISTINCT tenant_id, customer, true FROM jobs
WHERE tenant_id = :id
""")


def measure(place: Place, patience: Patience, *, quick: bool) -> Report:
    """The small tenants alone, and beside the flood; then tenants that are all alike."""
    site, flood = Site(place, "flood"), 1_000 if quick else 10_000
    services = site.services()
    try:
        database = services.database
        alone = _waits(database, flood=0, customers=1)
        rows: list[tuple[Cell, ...]] = [("alone", *_summary(alone), 1.0)]
        worst = []
        for customers in (1, 1000):
            patience.check("the next flood")
            waits = _waits(database, flood=flood, customers=customers)
            worst.append(max(late / early for late, early in zip(sorted(waits), sorted(alone), strict=True)))
            rows.append((f"beside {flood:,} jobs of {customers:,} customers", *_summary(waits), worst[-1]))
        patience.check("tenants that are alike")
        index, filled = _alike(database)
    finally:
        services.close()
    return Report(
        title="a flood",
        measured=(
            f"{SMALL} tenants with a job each arrive while one tenant holds all {SLOTS} slots of the only token; then "
            f"{EQUAL} tenants that are alike; each job takes {JOB_S:.0f} s of simulated time, admission and settlement "
            f"are the real statements; waits are counted in jobs that begin before one's own, its own included"
        ),
        figures=[
            Figure(name="longest wait beside the flood over alone", value=max(worst), unit="x", aim=Aim("at most", 2)),
            Figure(name="Jain index over equal tenants", value=index, unit="", aim=Aim("at least", 0.95)),
            Figure(name="slots used while there is work", value=filled, unit="", aim=Aim("at least", 0.95)),
        ],
        tables=[Table(title="place in line", columns=("small tenants", "p50", "p95", "worst ratio"), rows=rows)],
    )


def _summary(waits: list[int]) -> tuple[float, float]:
    return percentile(waits, 0.5), percentile(waits, 0.95)


def _prepare(database: Database) -> Crew:
    with database.transaction() as connection:
        connection.exec_driver_sql("SET LOCAL ROLE NONE")
        connection.execute(_EMPTY)
        connection.execute(_TOKEN, {"slots": SLOTS})
    return Crew(database, Dispatch(database), seconds=lambda _: JOB_S)


def _arrive(database: Database, name: str, jobs: int, customers: int = 1) -> None:
    with database.transaction() as connection:
        connection.execute(_TENANT, {"id": name})
        connection.execute(_JOBS, {"id": name, "jobs": jobs, "customers": customers})
        connection.execute(_FLOWS, {"id": name})


def _waits(database: Database, *, flood: int, customers: int) -> list[int]:
    """Of each small tenant, how many jobs began from its arrival on, up to its own."""
    crew = _prepare(database)
    if flood:
        _arrive(database, "flood", flood, customers)
        while crew.running < SLOTS:
            crew.admit(SLOTS - crew.running)
        for _ in range(3 * SLOTS):
            crew.end_next()
            crew.admit(1)
    small = {f"small {number}" for number in range(SMALL)}
    for name in sorted(small):
        _arrive(database, name, 1)
    before = len(crew.started)
    while len(small & {tenant for _, tenant, _ in crew.started[before:]}) < SMALL:
        if crew.running == SLOTS:
            crew.end_next()
        crew.admit(1)
    begun = [tenant for _, tenant, _ in crew.started[before:]]
    return [begun.index(tenant) + 1 for tenant in small]


def _alike(database: Database) -> tuple[float, float]:
    """The Jain index of what equal tenants got, and how full the slots were."""
    crew, filled = _prepare(database), []
    names = [f"equal {number}" for number in range(EQUAL)]
    for name in names:
        _arrive(database, name, 40)
    for _ in range(300):
        while crew.running < SLOTS and crew.admit(SLOTS - crew.running):
            pass
        filled.append(crew.running / SLOTS)
        crew.end_next()
    return jain([crew.slot_seconds[name] for name in names]), mean(filled)
