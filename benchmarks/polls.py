"""How often an export is asked for, and how late its end is noticed."""

from __future__ import annotations

import math
from typing import Final

from benchmarks.cells import FaultRun, fault_runs, lawful
from benchmarks.figures import Figure, mean, percentile
from benchmarks.patience import Patience
from benchmarks.place import Place
from benchmarks.report import Report, Table

RENDERS_S: Final = (10.0, 20.0, 27.0, 30.0, 33.0, 45.0, 60.0, 90.0, 180.0, 300.0)
"""Exports take 30 to 90 s (contract §6.1); some are slower."""
VENDOR_S: Final = 30.0
"""How often the vendor's own skill polls (contract §4.8)."""
LEAST: Final = 1
"""Nobody is told when an export is done, so somebody who knew would still ask once."""


def measure(place: Place, patience: Patience, *, quick: bool) -> Report:
    """One job for each length of an export."""
    lengths = RENDERS_S[:2] if quick else RENDERS_S
    rows: list[tuple[float, ...]] = []
    with fault_runs(place, "polls") as runs:
        for render_s in lengths:
            patience.check(f"an export of {render_s:.0f} s")
            polls, late = _ours(runs, render_s)
            theirs = math.ceil(render_s / VENDOR_S)
            rows.append((render_s, float(polls), late, float(theirs), theirs * VENDOR_S - render_s))
    return _report(rows)


def _ours(runs: FaultRun, render_s: float) -> tuple[int, float]:
    """The polls, and the seconds between the export's end and the poll that saw it."""
    outcome = lawful(runs.run(None, render_seconds=(render_s, render_s)), struck=False)
    slept = sum(wait.seconds for wait in outcome.course.waits if wait.status == "rendering")
    return outcome.asked("render_status"), slept - render_s


def _report(rows: list[tuple[float, ...]]) -> Report:
    _, ours, late, theirs, vendor_late = (list(column) for column in zip(*rows, strict=True))
    return Report(
        title="polls of an export",
        measured=(
            f"{len(rows)} jobs with exports of different lengths, the whole engine on the twin's clock, beside what "
            f"polling each {VENDOR_S:.0f} s would do; the least possible is {LEAST} poll, no second late"
        ),
        figures=[
            Figure(name="polls of an export over the least possible", value=mean(ours) / LEAST, unit="times"),
            Figure(name=f"the same, polling each {VENDOR_S:.0f} s", value=mean(theirs) / LEAST, unit="times"),
            Figure(name="seconds until the end is noticed, mean", value=mean(late), unit="s"),
            Figure(name="seconds until the end is noticed, p95", value=percentile(late, 0.95), unit="s"),
            Figure(name=f"the same, polling each {VENDOR_S:.0f} s, mean", value=mean(vendor_late), unit="s"),
        ],
        tables=[
            Table(
                title="by the export's length",
                columns=("export s", "polls", "late s", f"polls each {VENDOR_S:.0f} s", "late s"),
                rows=rows,
            )
        ],
    )
