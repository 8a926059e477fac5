"""A token's rate kept by many threads of many processes, beside the libraries that are usually taken for it."""

from __future__ import annotations

import math
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import redis

from benchmarks.figures import Aim, Figure, per
from benchmarks.limiters import LIMIT, LIMITERS, Try
from benchmarks.patience import BenchmarkFailed, Patience
from benchmarks.place import Place
from benchmarks.report import Cell, Report, Table
from reelqueue.kit.gcra import Gcra, connect

TRIES: Final = 1_000_000
PROCESSES: Final = 4
THREADS: Final = 15
MINUTE_S: Final = 10.0
"""A minute of the long run: short enough that many of them fit."""
PER_MINUTE: Final = 5_000
LONGEST_S: Final = 420.0
"""However slow the machine, the million tries end after this."""
MOST_S: Final = LONGEST_S + 60.0
"""How long all of it may take."""
EACH_S: Final = 2.5
"""How long each of the limiters is tried."""


@dataclass(slots=True)
class Tried:
    """What one process did. The moments are the machine's monotonic clock, which all its processes share."""

    tries: int = 0
    failed: int = 0
    granted: list[float] = field(default_factory=list)
    began: float = 0.0
    ended: float = 0.0


def measure(place: Place, patience: Patience, *, quick: bool) -> Report:
    """The long run of ours, then every limiter for a short while."""
    with redis.Redis.from_url(place.valkey.url) as client:
        client.flushall()
    tries, longest_s = (20_000, 5.0) if quick else (TRIES, LONGEST_S)
    runs = _in_processes(PROCESSES, _long_run, place.valkey.url, math.ceil(tries / PROCESSES / THREADS), longest_s)
    every, missing = [], []
    for name in LIMITERS:
        patience.check(name)
        with redis.Redis.from_url(place.valkey.url) as client:
            client.flushall()
        try:
            found = _in_processes(2, _short_run, place.valkey.url, name, 0.5 if quick else EACH_S)
        except ImportError:
            missing.append(name)
            continue
        every.append(_row(name, found))
    return _report(runs, every, missing)


def most_in_any(window_s: float, moments: Sequence[float]) -> int:
    """The most of them that lie in any window of that length, its end not included."""
    ordered = sorted(moments)
    most = first = 0
    for last, moment in enumerate(ordered):
        while moment - ordered[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def _in_processes(count: int, work: Callable[..., Tried], *arguments: object) -> list[Tried]:
    # Forked, since a fresh interpreter would import every benchmark first; nothing here has threads or connections yet.
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("fork")) as pool:
        return [one.result() for one in [pool.submit(work, *arguments) for _ in range(count)]]


def _long_run(url: str, each: int, longest_s: float) -> Tried:
    gate = Gcra(connect(url), prefix="long:", minute_s=MINUTE_S)

    def once() -> float | None:
        decision = gate.take("token", PER_MINUTE, 1, 2.0)
        return decision.wait_s if decision.admitted else None

    return _threads(once, THREADS, each, longest_s)


def _short_run(url: str, name: str, seconds: float) -> Tried:
    return _threads(LIMITERS[name](url), 10, None, seconds)


def _threads(once: Try, threads: int, each: int | None, seconds: float) -> Tried:
    """Try as fast as may be on each thread, `each` times or for so long."""
    began = time.monotonic()

    def work() -> Tried:
        done = Tried()
        while (now := time.monotonic()) < began + seconds and (each is None or done.tries < each):
            done.tries += 1
            try:
                wait_s = once()
            except Exception:  # noqa: BLE001 - a limiter that breaks under load is a finding
                done.failed += 1
                continue
            if wait_s is not None:
                # The grant was made between the question and the answer: the middle is at most half of that off.
                done.granted.append((now + time.monotonic()) / 2 + wait_s)
        return done

    with ThreadPoolExecutor(threads) as pool:
        all_ = [one.result() for one in [pool.submit(work) for _ in range(threads)]]
    return Tried(
        tries=sum(one.tries for one in all_),
        failed=sum(one.failed for one in all_),
        granted=list(chain.from_iterable(one.granted for one in all_)),
        began=began,
        ended=time.monotonic(),
    )


def _row(name: str, runs: Sequence[Tried]) -> list[Cell]:
    granted = list(chain.from_iterable(run.granted for run in runs))
    tries, failed = sum(run.tries for run in runs), sum(run.failed for run in runs)
    seconds = max(run.ended for run in runs) - min(run.began for run in runs)
    if not granted:
        raise BenchmarkFailed(f"{name} let nothing through")
    most = most_in_any(1.0, granted)
    over = 100.0 * max(0, most - LIMIT) / LIMIT
    return [name, per(tries - failed, seconds), float(most), over, float(failed)]


def _report(runs: Sequence[Tried], rows: Sequence[Sequence[Cell]], missing: Sequence[str]) -> Report:
    granted = sorted(chain.from_iterable(run.granted for run in runs))
    tries, failed = sum(run.tries for run in runs), sum(run.failed for run in runs)
    seconds = max(run.ended for run in runs) - min(run.began for run in runs)
    allowed = PER_MINUTE * (granted[-1] - granted[0]) / MINUTE_S
    over = max(0, most_in_any(MINUTE_S, granted) - PER_MINUTE)
    notes = [f"not installed, so not measured: {', '.join(missing)}"] if missing else []
    return Report(
        title="a token's rate kept by all processes together",
        measured=(
            f"{tries:,} tries by {PROCESSES * THREADS} threads in {PROCESSES} processes against one key of "
            f"{PER_MINUTE:,} in {MINUTE_S:.0f} s, as fast as may be, reserving up to 2 s; then each limiter by 20 "
            f"threads in 2 processes against one key of {LIMIT} a second; what is over is what an upstream would see"
        ),
        figures=[
            Figure(name="tries", value=tries, unit=""),
            Figure(name="admissions over the limit in any window", value=over, unit="", aim=Aim("at most", 0)),
            Figure(
                name="share of the allowed rate used",
                value=100 * per(len(granted) - 1, allowed),
                unit="%",
                aim=Aim("at least", 98),
            ),
            Figure(name="decisions a second", value=per(tries - failed, seconds), unit="/s"),
            Figure(name="tries that Redis did not answer", value=failed, unit=""),
        ],
        tables=[
            Table(
                title=f"each limiter at {LIMIT} a second",
                columns=("limiter", "decisions/s", "most in any second", "over %", "failed"),
                rows=rows,
            )
        ],
        notes=notes,
    )
