"""A benchmark's findings, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from benchmarks.figures import Figure, shown

Cell: TypeAlias = str | float | None
WIDTH: Final = 118


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under headings. `printed` is how many of them a terminal gets; JSON gets all."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    printed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was measured, and what came out."""

    title: str
    measured: str
    figures: Sequence[Figure]
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The circumstances: without them a figure means nothing."""

    name: str
    command: str
    quick: bool
    machine: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


def document(report: Report, run: Run) -> dict[str, Any]:
    """The whole of it, for JSON."""
    return {
        "benchmark": run.name,
        "title": report.title,
        "measured": report.measured,
        "command": run.command,
        "quick": run.quick,
        "machine": run.machine,
        "seconds": round(run.seconds, 1),
        "figures": [{**asdict(figure), "met": figure.met} for figure in report.figures],
        "tables": [asdict(table) for table in report.tables],
        "notes": list(report.notes),
    }


def keep(report: Report, run: Run, folder: Path) -> Path:
    """Write the JSON as `<name>.json`, whole or not at all, and return where it lies."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"{run.name}.json.new"
    fresh.write_text(json.dumps(document(report, run), indent=2, ensure_ascii=False) + "\n")
    return fresh.replace(folder / f"{run.name}.json")


def render(report: Report, run: Run) -> str:
    """The whole of it, for a terminal."""
    machine = ", ".join(f"{name} {shown(value)}" for name, value in run.machine.items())
    lines = [
        f"{run.name}: {report.title}{' (quick: only to see that it runs)' if run.quick else ''}",
        *_labeled("measured", report.measured),
        *_labeled("on", machine),
        *_labeled("command", run.command),
    ]
    for table in report.tables:
        lines += ["", f"  {table.title}", *(f"    {line}" for line in _aligned(table))]
        if table.printed is not None and table.printed < len(table.rows):
            lines.append(f"    and {len(table.rows) - table.printed} more in the JSON")
    lines += ["", *(f"  {line}" for line in _aligned(_figures(report.figures)))]
    for note in report.notes:
        lines += _labeled("note", note)
    return "\n".join(lines)


def _labeled(label: str, words: str) -> list[str]:
    return textwrap.wrap(words, WIDTH, initial_indent=f"  {label:<10}", subsequent_indent=" " * 12)


def _figures(figures: Sequence[Figure]) -> Table:
    verdicts = {True: "met", False: "MISSED", None: ""}
    rows = [
        (
            figure.name,
            f"{shown(figure.value)} {figure.unit}".strip(),
            "" if figure.aim is None else f"aim: {figure.aim.way} {shown(figure.aim.limit)}",
            verdicts[figure.met],
        )
        for figure in figures
    ]
    return Table(title="", columns=(), rows=rows)


def _aligned(table: Table) -> list[str]:
    """Columns under each other; numbers to the right, words to the left."""
    places = range(max((len(row) for row in (table.columns, *table.rows)), default=0))
    numeric = [any(isinstance(row[place], float | int) for row in table.rows) for place in places]
    texts = [[shown(cell) for cell in row] for row in table.rows[: table.printed]]
    if table.columns:
        texts.insert(0, list(table.columns))
    widths = [max(len(row[place]) for row in texts) for place in range(len(numeric))]
    return ["  ".join(_placed(row, widths, numeric)).rstrip() for row in texts]


def _placed(row: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> list[str]:
    return [
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(row, widths, numeric, strict=True)
    ]
