"""How fast one reader gets through a tenant's feed, and how soon it hears of what happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from benchmarks.consumers import DISPATCHER, Delivery, delivering
from benchmarks.crew import Account, Site
from benchmarks.feed_reader import FeedReader, Following, check_whole
from benchmarks.figures import Figure, percentile
from benchmarks.patience import Patience
from benchmarks.place import Place
from benchmarks.report import Cell, Report, Table
from benchmarks.usage import read_cpu

EVENTS: Final = 20_000
JOBS: Final = 200
RATE: Final = 200.0
GATEWAY: Final = "gateway"
_UNNUMBERED: Final = "SELECT count(*) FROM feed_events WHERE seq IS NULL AND NOT sample"


@dataclass(frozen=True, slots=True)
class Reading:
    """One way through the whole feed: events a second, and milliseconds of CPU for each by process."""

    name: str
    rate: float
    cpu_ms: Mapping[str, float]


def measure(place: Place, patience: Patience, *, quick: bool) -> Report:
    """Write, number, read in two ways; then follow what is told at a steady rate."""
    site, events = Site(place, "feed"), 1_000 if quick else EVENTS
    with delivering(site, patience, more=[site.gateway()], worker=False) as delivery:
        account = site.account(max_running=1, upstream=False)
        jobs = delivery.announcer.jobs(account.tenant_id, JOBS)
        with delivery.standing_still(DISPATCHER):
            delivery.announcer.tell_at_once(jobs, events // JOBS)
            began = time.monotonic()
        patience.wait(lambda: delivery.scalar(_UNNUMBERED) == 0, "the last number", every_s=0.005)
        numbered = events / (time.monotonic() - began)
        readings = _readings(delivery, account, events, rounds=1 if quick else 3)
        lags = _follow(delivery, account, jobs, events, seconds=2 if quick else 15)
    return _report(events, numbered, readings, lags)


def _readings(delivery: Delivery, account: Account, events: int, *, rounds: int) -> list[Reading]:
    found = []
    with FeedReader(delivery.site.base_url, account) as reader:
        ways: dict[str, Callable[[], list[int]]] = {
            "pages of 500": lambda: [event["seq"] for page in reader.pages() for event in page],
            "a stream": lambda: [one.seq for one in islice(reader.stream(), events)],
        }
        for _ in range(rounds):
            for name, read in ways.items():
                before = read_cpu(delivery.pids())
                numbers = read()
                after = read_cpu(delivery.pids())
                check_whole(numbers, events)
                used = after.since(before)
                cpu_ms = {role: 1000 * used[role] / events for role in (GATEWAY, "postgres")}
                found.append(Reading(name, events / after.elapsed_s(before), cpu_ms))
                delivery.patience.check("the next reading")
    return found


def _follow(delivery: Delivery, account: Account, jobs: Sequence[str], after: int, *, seconds: float) -> list[float]:
    """Milliseconds from each commit to the moment its event was read from a stream."""
    count = round(RATE * seconds)
    with FeedReader(delivery.site.base_url, account) as reader:
        following = Following(reader, after, count)
        following.start()
        told = delivery.announcer.tell_at(RATE, jobs, count)
        delivery.patience.wait(lambda: not following.is_alive(), f"{count} events on the stream")
        ids = delivery.event_ids()
        moments = {ids[one.job_id, one.seq]: one.at for one in told}
        return [1000 * (one.at - moments[one.event_id]) for one in following.heard]


def _report(events: int, numbered: float, readings: Sequence[Reading], lags: Sequence[float]) -> Report:
    best = {one.name: one for one in sorted(readings, key=lambda one: one.rate)}
    rows: list[tuple[Cell, ...]] = [(one.name, one.rate, *one.cpu_ms.values()) for one in readings]
    shares = (0.5, 0.95, 0.99, 1.0)
    return Report(
        title="reading a feed",
        measured=(
            f"{events:,} events of one tenant, read from the first to the last by one reader over one connection to "
            f"one gateway process, each number checked; then {RATE:.0f} events a second followed on a stream, from "
            "the moment the commit is acknowledged to the moment the line is read"
        ),
        figures=[
            *(Figure(name=f"events to one reader, {name}", value=one.rate, unit="/s") for name, one in best.items()),
            Figure(name="events numbered by one dispatcher", value=numbered, unit="/s"),
            Figure(name="from the commit to the reader, p50", value=percentile(lags, 0.5), unit="ms"),
            Figure(name="from the commit to the reader, p99", value=percentile(lags, 0.99), unit="ms"),
        ],
        tables=[
            Table(title="readings", columns=("way", "events/s", "gateway CPU ms", "Postgres CPU ms"), rows=rows),
            Table(
                title="from the commit to the reader, ms",
                columns=("p50", "p95", "p99", "most"),
                rows=[tuple(percentile(lags, share) for share in shares)],
            ),
        ],
    )
