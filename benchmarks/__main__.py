"""`python -m benchmarks [names…] [--quick]`."""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from benchmarks import (
    accept,
    clients,
    cost,
    deliveries,
    depth,
    dispatch,
    feed,
    first_byte,
    first_try,
    flood,
    kills,
    parsing,
    polls,
    slow_receiver,
    streams,
    throttle,
    throughput,
    verdicts,
)
from benchmarks.patience import ROOT, Patience
from benchmarks.place import OUT, Place
from benchmarks.report import Report, Run, keep, render
from reelqueue.kit.logs import configure_logs

MOST_S: Final = 90.0
"""No benchmark may take longer, but for those of `LONGER`."""
LONGER: Final[Mapping[str, float]] = {
    "throttle": throttle.MOST_S,
    "kills": 900.0,
    "deliveries": 180.0,
    "slow_receiver": 180.0,
    "feed": 180.0,
    "clients": 300.0,
}
"""A killed worker's work is free only when its lease has run out, and some write what they measure first."""


class Benchmark(Protocol):
    """What each of the modules has. Raises what keeps it from being measured."""

    def measure(self, place: Place, patience: Patience, *, quick: bool) -> Report: ...


BENCHMARKS: Final[Mapping[str, Benchmark]] = {
    "accept": accept,
    "first_byte": first_byte,
    "cost": cost,
    "streams": streams,
    "clients": clients,
    "throughput": throughput,
    "dispatch": dispatch,
    "throttle": throttle,
    "depth": depth,
    "flood": flood,
    "parsing": parsing,
    "verdicts": verdicts,
    "polls": polls,
    "deliveries": deliveries,
    "first_try": first_try,
    "slow_receiver": slow_receiver,
    "kills": kills,
    "feed": feed,
}


def main(arguments: Sequence[str]) -> int:
    """Run them one after the other; 1 if one of them could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Print the project's figures.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"which: {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that everything runs")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    configure_logs(process="benchmarks", style="console", level="error")
    # So that a stop from outside ends the servers too, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    failed = []
    with Place() as place:
        for name in options.names or BENCHMARKS:
            try:
                _run(name, place, quick=options.quick)
            except Exception:  # noqa: BLE001 - whatever one of them lacks, the others can be measured
                failed.append(name)
                traceback.print_exc()
    if failed:
        print(f"could not be measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run(name: str, place: Place, *, quick: bool) -> None:
    command = f"python -m benchmarks {name}{' --quick' if quick else ''}"
    machine, began = place.machine(), time.monotonic()
    report = BENCHMARKS[name].measure(place, Patience(began + LONGER.get(name, MOST_S)), quick=quick)
    run = Run(name=name, command=command, quick=quick, machine=machine, seconds=time.monotonic() - began)
    kept = keep(report, run, OUT)
    print(f"{render(report, run)}\n  took {run.seconds:.0f} s; kept as {kept.relative_to(ROOT)}\n", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
