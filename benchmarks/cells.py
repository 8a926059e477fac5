"""The fault cells of the tests, for benchmarks: the whole engine against a twin, timed by the upstream's clock."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from benchmarks.patience import ROOT, BenchmarkFailed
from benchmarks.place import Place

sys.path.insert(0, str(ROOT / "tests"))

from fakes.fault_cells import Cell, cells
from fakes.fault_laws import broken
from fakes.fault_run import FaultRun, Outcome
from fakes.twin import Process, Twin
from fakes.twin_engine import TwinEngine, settings_for
from fakes.twin_time import STILL, TwinClock

__all__ = ["Cell", "FaultRun", "Outcome", "Twin", "cell_of", "fault_runs", "lawful", "twins"]


@contextmanager
def twins(place: Place, name: str) -> Iterator[Twin]:
    """A twin whose clock stands still."""
    folder = place.folder / name
    folder.mkdir()
    with ExitStack() as stack:
        process = Process(folder, "--speed", STILL, "--film-max-side", 64, "--seed", 1)
        stack.callback(process.stop)
        twin = Twin(process)
        stack.callback(twin.close)
        yield twin


@contextmanager
def fault_runs(place: Place, name: str) -> Iterator[FaultRun]:
    """Runs cells."""
    with twins(place, name) as twin, ExitStack() as stack:
        clock = TwinClock(twin.url)
        stack.callback(clock.close)
        engine = TwinEngine(settings_for(place.database(name), place.folder / name, twin.url), clock)
        stack.callback(engine.close)
        yield FaultRun(engine, twin)


def cell_of(fault: str, call: str) -> Cell:
    """The cell of that name."""
    return next(cell for cell in cells() if (cell.fault, cell.call) == (fault, call))


def lawful(outcome: Outcome, *, struck: bool = True) -> Outcome:
    """The outcome. Raises `BenchmarkFailed` if it is not the right one: then its figures mean nothing."""
    found = broken(outcome, struck=struck)
    if found:
        raise BenchmarkFailed("; ".join(found))
    return outcome
