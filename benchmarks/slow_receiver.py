"""What a receiver that takes fourteen seconds for each webhook does to everybody else's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchmarks.consumers import WORKER, Consumer, Delivery, delivering
from benchmarks.crew import Site
from benchmarks.figures import Aim, Figure, percentile
from benchmarks.first_try import first_tries
from benchmarks.patience import BenchmarkFailed, Patience
from benchmarks.place import Place
from benchmarks.report import Cell, Report, Table
from benchmarks.usage import rss_bytes

TENANTS: Final = 50
JOBS: Final = 20
RATE: Final = 100.0
SLOW_S: Final = 14.0
MESSAGES: Final = 5000
SLOW_JOBS: Final = 100
MB: Final = 1e6


def measure(place: Place, patience: Patience, *, quick: bool) -> Report:
    """The others alone, and then while the slow one's messages wait and run."""
    site, seconds, messages = Site(place, "slow_receiver"), 3 if quick else 20, 500 if quick else MESSAGES
    with delivering(site, patience, slow_s=SLOW_S) as delivery:
        others = [job for one in delivery.consumers(TENANTS, jobs=JOBS) for job in one.jobs]
        (slow,) = delivery.consumers(1, jobs=SLOW_JOBS, name="slow", slow=True)
        count = round(RATE * seconds)
        first_tries(delivery, others, rate=RATE, count=count // 2)
        memory = [_memory(delivery)]
        alone = first_tries(delivery, others, rate=RATE, count=count).lags_ms
        memory.append(_memory(delivery))
        delivery.announcer.tell_at_once(slow.jobs, messages // SLOW_JOBS)
        patience.wait(lambda: _tried(delivery, slow), "the first try at the slow receiver")
        beside = first_tries(delivery, others, rate=RATE, count=count).lags_ms
        memory.append(_memory(delivery))
        tried = _tried(delivery, slow)
    if tried >= messages:
        raise BenchmarkFailed("the slow receiver had everything before the others were measured")
    return _report(alone, beside, memory, messages=messages, tried=tried)


def _memory(delivery: Delivery) -> int:
    return rss_bytes(delivery.pids()[WORKER])


def _tried(delivery: Delivery, slow: Consumer) -> int:
    """How many came to the slow receiver."""
    return sum(hook.path == slow.path for hook in delivery.hooks.seen())


def _report(
    alone: Sequence[float], beside: Sequence[float], memory: Sequence[int], *, messages: int, tried: int
) -> Report:
    baseline, busy = percentile(alone, 0.99), percentile(beside, 0.99)
    _, before, after = memory
    rows: list[tuple[Cell, ...]] = [
        (name, *(percentile(lags, share) for share in (0.5, 0.95, 0.99, 1.0)), size / MB)
        for name, lags, size in (("alone", alone, before), ("beside the slow one", beside, after))
    ]
    return Report(
        title="a slow receiver",
        measured=(
            f"{len(beside):,} events of {TENANTS} tenants, {RATE:.0f} a second, from the commit to the first try by "
            f"one webhook worker: alone, and while {messages:,} messages of another tenant wait for a receiver that "
            f"answers after {SLOW_S:.0f} s"
        ),
        figures=[
            Figure(name="the others' p99 over alone", value=busy / baseline, unit="x", aim=Aim("at most", 2)),
            Figure(name="growth of the worker", value=(after - before) / MB, unit="MB", aim=Aim("at most", 5)),
            Figure(name="tries at the slow receiver meanwhile", value=tried, unit=""),
        ],
        tables=[
            Table(
                title="the others' first tries, ms; and the worker's memory at the end",
                columns=("when", "p50", "p95", "p99", "most", "RSS MB"),
                rows=rows,
            )
        ],
    )
