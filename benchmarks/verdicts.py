"""How long nobody knows what a broken stream's turn has done: from the break to the right verdict."""

from __future__ import annotations

from typing import Final

from benchmarks.cells import FaultRun, cell_of, fault_runs, lawful
from benchmarks.figures import Aim, Figure, percentile
from benchmarks.patience import Patience
from benchmarks.place import Place
from benchmarks.report import Cell, Report, Table

FAULTS: Final = (
    *("drop", "drop_mid_line", "drop_mid_event", "drop_mid_character", "drop_partial", "drop_canceled"),
    *("reset_before", "reset_after", "refused", "hang", "hang_after", "silence"),
    *("500", "502", "500_after", "504_after", "redirect", "wrong_content_type", "empty_stream_running"),
    *("json_reply", "json_reply_done"),
)
"""After which the stream says nothing of how the turn ended."""
TURNS_S: Final = (30.0, 100.0, 300.0)
"""An edit, a quick generation and a slow one (contract §6.1)."""


def measure(place: Place, patience: Patience, *, quick: bool) -> Report:
    """Each fault at turns of several lengths, with the vendor's waits."""
    faults, lengths = (FAULTS[:3], TURNS_S[:1]) if quick else (FAULTS, TURNS_S)
    rows: list[tuple[Cell, ...]] = []
    with fault_runs(place, "verdicts") as runs:
        for fault in faults:
            patience.check(f"the fault {fault}")
            rows.append((fault, *(_seconds(runs, fault, turn_s) for turn_s in lengths)))
    return _report(rows, lengths)


def _seconds(runs: FaultRun, fault: str, turn_s: float) -> float:
    """Upstream seconds for which the job stood at its instruction after the stream was gone, each of them slept."""
    outcome = lawful(runs.run(cell_of(fault, "run_sse"), generation_seconds=(turn_s, turn_s)))
    waits: list[float] = [wait.seconds for wait in outcome.course.waits if wait.status == "instructing"]
    return sum(waits)


def _report(rows: list[tuple[Cell, ...]], lengths: tuple[float, ...]) -> Report:
    figures = []
    for place, turn_s in enumerate(lengths, start=1):
        seconds = [float(row[place] or 0.0) for row in rows]
        name = f"a turn of {turn_s:.0f} s: break to verdict"
        figures += [
            Figure(name=f"{name}, p50", value=percentile(seconds, 0.5), unit="s"),
            Figure(name=f"{name}, p95", value=percentile(seconds, 0.95), unit="s", aim=Aim("at most", 360.0)),
        ]
    columns = ("fault", *(f"turn of {turn_s:.0f} s" for turn_s in lengths))
    return Report(
        title="from a broken stream to the right verdict",
        measured=(
            f"{len(rows)} faults at the stream of a paid turn, one job each, the whole engine with production's waits "
            "on the twin's clock; a turn that goes on after the break is waited for, so its own length is in the figure"
        ),
        figures=figures,
        tables=[Table(title="upstream seconds", columns=columns, rows=rows)],
        notes=[
            "each verdict was checked against the twin's ledger: turns, charges, and the film by SHA-256",
            "where the turn never was, five looks find nothing: 30 s and four times 60 s",
        ],
    )
