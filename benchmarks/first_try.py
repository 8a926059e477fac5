"""How soon after its commit an event is tried for the first time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.announcer import Told
from benchmarks.consumers import Delivery, delivering
from benchmarks.crew import Site
from benchmarks.figures import Aim, Figure, per, percentile
from benchmarks.hooks import Hook
from benchmarks.patience import BenchmarkFailed, Patience
from benchmarks.place import Place
from benchmarks.report import Report, Table
from benchmarks.usage import read_cpu

RATE: Final = 200.0
TENANTS: Final = 20
JOBS: Final = 50


def measure(place: Place, patience: Patience, *, quick: bool) -> Report:
    """One steady run."""
    site, seconds = Site(place, "first_try"), 2 if quick else 30
    with delivering(site, patience) as delivery:
        jobs = [job for one in delivery.consumers(TENANTS, jobs=JOBS) for job in one.jobs]
        first_tries(delivery, jobs, rate=RATE, count=100)
        before = read_cpu(delivery.pids())
        tries = first_tries(delivery, jobs, rate=RATE, count=round(RATE * seconds))
        after = read_cpu(delivery.pids())
    lags_ms = tries.lags_ms
    cores = {name: used / after.elapsed_s(before) for name, used in after.since(before).items()}
    shares = (0.5, 0.95, 0.99, 1.0)
    return Report(
        title="from the commit to the first try",
        measured=(
            f"{len(lags_ms):,} events of {TENANTS} tenants with an endpoint each, one every {1000 / RATE:.0f} ms; from "
            "the moment the commit is acknowledged to the moment the receiver has the POST (on one clock); below "
            "zero: before whoever committed heard of it"
        ),
        figures=[
            Figure(name="p50", value=percentile(lags_ms, 0.5), unit="ms", aim=Aim("at most", 100)),
            Figure(name="p99", value=percentile(lags_ms, 0.99), unit="ms", aim=Aim("at most", 1000)),
            Figure(name="events committed meanwhile", value=tries.told_per_s, unit="/s"),
        ],
        tables=[
            Table(
                title="from the commit to the first try, ms",
                columns=("least", "p50", "p95", "p99", "most"),
                rows=[(min(lags_ms), *(percentile(lags_ms, share) for share in shares))],
            ),
            Table(title="CPU meanwhile", columns=("process", "cores"), rows=sorted(cores.items())),
        ],
    )


@dataclass(frozen=True, slots=True)
class FirstTries:
    """Of each event, milliseconds from its commit to its first try; and how many were committed in a second."""

    lags_ms: list[float]
    told_per_s: float


def first_tries(delivery: Delivery, jobs: Sequence[str], *, rate: float, count: int) -> FirstTries:
    """Tell so many events of these jobs, at that rate if the machine has the time, and wait for their first tries."""
    before = delivery.hooks.count()
    told = delivery.announcer.tell_at(rate, jobs, count)
    ids = delivery.event_ids()
    wanted = {ids[one.job_id, one.seq]: one for one in told}
    found: dict[str, Hook] = {}

    def all_came() -> bool:
        found.update(earliest(delivery.hooks.seen(before)))
        return wanted.keys() <= found.keys()

    delivery.patience.wait(all_came, f"the first tries of {count} events", every_s=0.2)
    moments = [one.at for one in told]
    return FirstTries(lags_ms(wanted, found), per(count - 1, max(moments) - min(moments)))


def earliest(hooks: Iterable[Hook]) -> dict[str, Hook]:
    """The first POST of each id."""
    found: dict[str, Hook] = {}
    for hook in hooks:
        found.setdefault(hook.id, hook)
    return found


def lags_ms(told: Mapping[str, Told], came: Mapping[str, Hook]) -> list[float]:
    """Of each event by its id, how long after it was told it came. Raises `BenchmarkFailed` if one did not."""
    missing = told.keys() - came.keys()
    if missing:
        raise BenchmarkFailed(f"{len(missing)} events were never tried")
    return [1000 * (came[event_id].at - one.at) for event_id, one in told.items()]
