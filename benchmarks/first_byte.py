"""How soon after the 202 the upstream hears of a job, when nothing else is going on."""

from __future__ import annotations

import random
import time
from typing import Any, Final

import psycopg

from benchmarks.api import twin_ledger
from benchmarks.crew import Site
from benchmarks.figures import Aim, Figure, percentile
from benchmarks.jobs import working
from benchmarks.patience import BenchmarkFailed, Patience
from benchmarks.place import Place
from benchmarks.report import Cell, Report, Table

SPEED: Final = 50.0
"""Shortens what comes after the first byte, so that the next job need not wait for it."""
PAUSE_S: Final = (0.05, 0.25)
_TIMES: Final = """
SELECT extract(epoch FROM created_at)::float8, extract(epoch FROM admitted_at)::float8,
       extract(epoch FROM started_at)::float8
FROM jobs WHERE id = %s
"""


def measure(place: Place, patience: Patience, *, quick: bool) -> Report:
    """One job after the other, each when the one before has been delivered and a moment has passed."""
    site, count, warm = Site(place, "first_byte", speed=SPEED), 5 if quick else 50, 3
    chance = random.Random(7)
    posted: list[tuple[str, float, float]] = []
    with working(site, site.all_roles(), patience, max_running=50) as work:
        for number in range(warm + count):
            began = time.time()
            job_id = work.api.submit(**work.fields)
            posted.append((job_id, began, time.time()))
            work.await_webhooks(number + 1)
            time.sleep(chance.uniform(*PAUSE_S))
            requests = [line["real_at"] for line in twin_ledger(site.twin_url, "requests")]
        stages = [_stages(work.observer, *one, requests) for one in posted[warm:]]
    return _report(stages)


def _stages(
    observer: psycopg.Connection[Any], job_id: str, began: float, accepted: float, requests: list[float]
) -> tuple[float, ...]:
    """Milliseconds from the 202 to: the first byte, the admission, the claim; and from the claim to the first byte."""
    first = min((moment for moment in requests if moment >= began), default=None)
    row = observer.execute(_TIMES, [job_id]).fetchone()
    if first is None or row is None:
        raise BenchmarkFailed("the twin saw no request of a job")
    _, admitted, started = row
    return tuple(1000 * span for span in (first - accepted, admitted - accepted, started - accepted, first - started))


def _report(stages: list[tuple[float, ...]]) -> Report:
    names = ("202 to the first byte", "202 to the admission", "202 to the claim", "the claim to the first byte")
    columns = list(zip(*stages, strict=True))
    rows: list[tuple[Cell, ...]] = [
        (name, *(percentile(values, share) for share in (0.0, 0.5, 0.95, 1.0)))
        for name, values in zip(names, columns, strict=True)
    ]
    return Report(
        title="from 202 to the upstream",
        measured=(
            f"{len(stages)} jobs one after the other on an idle stack; from the moment the client has the 202 to the "
            "moment the twin notes the job's first request (all on one clock); below zero: before the 202 was read"
        ),
        figures=[
            Figure(name="p50", value=percentile(columns[0], 0.5), unit="ms", aim=Aim("at most", 60.0)),
            Figure(name="p95", value=percentile(columns[0], 0.95), unit="ms"),
        ],
        tables=[Table(title="stages, ms", columns=("stage", "least", "p50", "p95", "most"), rows=rows)],
    )
