"""What a live stream holds in memory, with a thousand of them in one worker process."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.api import turns_running, twin_settings
from benchmarks.crew import Site
from benchmarks.figures import Aim, Figure, slope
from benchmarks.jobs import Workload, working
from benchmarks.patience import Patience
from benchmarks.place import Place
from benchmarks.report import Report, Table
from benchmarks.usage import CpuReading, read_cpu, rss_bytes

WORKER: Final = "worker-stream"
THREADS: Final = 1100
WARM: Final = 20
"""So many first: what is imported and pooled at the first streams is not held by the others."""
HOLD_S: Final = 8.0
KIB: Final = 1024.0


def measure(place: Place, patience: Patience, *, quick: bool) -> Report:
    """Open streams in steps, then hold all of them for a while."""
    site, levels = Site(place, "streams"), ([40, 80] if quick else [250, 500, 750, 1000])
    threads = {"stream": THREADS, "step": 16, "webhook": 1}
    roles = site.all_roles(threads=threads, twin_arguments=())
    with working(site, roles, patience, max_running=THREADS, picture=False) as work:
        # An hour a turn: none ends while we look. The heartbeats keep their pace.
        twin_settings(site.twin_url, generation_seconds=[3600, 3600])
        points = _points(work, (WARM, *levels))
        before = read_cpu(work.pids())
        time.sleep(1.0 if quick else HOLD_S)
        used = read_cpu(work.pids())
        still = turns_running(site.twin_url)
    return _report(points, before, used, still)


def _points(work: Workload, levels: Sequence[int]) -> list[tuple[int, int, float]]:
    """At each level: the streams, the worker's resident memory in bytes, and the seconds since none was open."""
    pid, began = work.pids()[WORKER], time.monotonic()
    points = [(0, rss_bytes(pid), 0.0)]
    for level in levels:
        work.post_at_once(level - points[-1][0])
        _await_turns(work, level)
        points.append((level, rss_bytes(pid), time.monotonic() - began))
    return points


def _await_turns(work: Workload, count: int) -> None:
    def open_now() -> bool:
        work.check_none_failed()
        return turns_running(work.site.twin_url) >= count

    work.patience.wait(open_now, f"{count} streams", every_s=0.2)


def _report(points: list[tuple[int, int, float]], before: CpuReading, after: CpuReading, still: int) -> Report:
    (_, empty, _), (warm, warm_rss, _), *_ = points
    streams, rss, _ = points[-1]
    cores = _cores(before, after)
    rows = [
        (
            float(count),
            rss / KIB / KIB,
            None if count == 0 else (rss - empty) / KIB / count,
            None if count <= warm else (rss - warm_rss) / KIB / (count - warm),
            seconds,
        )
        for count, rss, seconds in points
    ]
    columns = ("streams", "RSS MiB", "KiB a stream", f"KiB a stream after {warm}", "open after s")
    return Report(
        title="live streams",
        measured=(
            f"one stream worker with {THREADS} threads; jobs whose turns the twin holds open, a heartbeat each 15 s; "
            f"its resident memory at each level, then its CPU over {after.elapsed_s(before):.0f} s with all open"
        ),
        figures=[
            Figure(
                name=f"memory of a stream at {streams}, over the worker without any",
                value=(rss - empty) / KIB / streams,
                unit="KiB",
                aim=Aim("at most", 110.0),
            ),
            Figure(
                name="memory of a further stream",
                value=slope([(count, rss / KIB) for count, rss, _ in points[1:]]),
                unit="KiB",
                aim=Aim("at most", 110.0),
            ),
            Figure(name=f"cores the worker uses for {streams}", value=cores[WORKER], unit=""),
            Figure(name="streams still open at the end", value=still, unit=""),
        ],
        tables=[
            Table(title="resident memory", columns=columns, rows=rows),
            Table(title="CPU while all are open", columns=("process", "cores"), rows=sorted(cores.items())),
        ],
    )


def _cores(before: CpuReading, after: CpuReading) -> Mapping[str, float]:
    return {role: seconds / after.elapsed_s(before) for role, seconds in after.since(before).items()}
