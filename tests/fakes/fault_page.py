"""`docs/fault-table.md`: what each cell comes to, written from a run and read again by the next.

`python -m fakes.fault_page RECORDS PAGE` writes the page from what the tests left in the folder RECORDS.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Final

from fakes.crash_points import POINTS
from fakes.fault_cells import CALLS, cells
from fakes.fault_run import Outcome

PAGE: Final = Path(__file__).parents[2] / "docs" / "fault-table.md"
ROUNDED_S: Final = 10
"""Seconds are told, and held, to this much: retries are spread by chance, and a twin counts in pieces."""
ONE_WAIT_S: Final = 30
"""How long a token cools. A job that is due on the edge of it waits once more, or not."""

_HEAD: Final = """\
<!-- Written by `make fault-table`. Do not edit. -->
# What becomes of a job when NemoVideo misbehaves

Each fault that the twin knows ([upstream.md](upstream.md)), once, at each call where it can strike, against the whole
engine: one picture, one instruction that costs 100 credits, one export of 4 s. Every wait and every deadline is
production's, in the upstream's time. `tests/integration/faults` runs all of it and holds this page to it.

In every row: at most one turn for the paid step; one terminal event, or a wait that says for what; each session and
render that the upstream saw is in our tables; a success is the film that the upstream serves, by SHA-256; the bill is
what the ledger charged and reserves, unless it says that it does not know, which it may only where the token or the
session is gone, or said to be.

`turn` is what the upstream's ledger says of it, `charged` and `reserved` are its credits; `bill` is what the job says:
spent, at risk, certainty. `seconds` are from acceptance to the end, to the nearest ten (where a token cools, a run may
need one wait of 30 s more or less), `polls` how often the export was asked for.

The last section is of workers that die, by `os._exit`, at the points of a job's way that are numbered there; 35 s
later, when the lease has run out and the sweep has come by, another goes on.
"""
_VALUES: Final[Mapping[Any, type]] = {"str": str, "int": int}
_COLUMNS: Final = ("job", "turn", "charged", "reserved", "bill", "seconds", "polls")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One cell, as the page tells of it."""

    job: str
    turn: str
    charged: int
    reserved: int
    bill: str
    seconds: int
    polls: int

    @classmethod
    def of(cls, outcome: Outcome) -> Record:
        """What an outcome is on the page."""
        job, billing = outcome.job, outcome.job.billing
        turns = [
            f"{turn['outcome']}{'' if turn['changed_state'] else ', no change'}" for turn in outcome.ledger["turns"]
        ]
        says = job.status.value
        if job.error is not None:
            says = f"failed: {job.error.code}"
        elif not job.status.is_final:
            says = f"{job.status.value}, waits: {job.waiting.reason.value if job.waiting else 'for nothing'}"
        return cls(
            job=says,
            turn="; ".join(turns) or "none",
            charged=outcome.charged,
            reserved=outcome.frozen,
            bill=f"{billing.spent:g} / {billing.at_risk:g} / {billing.certainty}",
            seconds=ROUNDED_S * round(outcome.course.seconds / ROUNDED_S),
            polls=outcome.asked("render_status"),
        )

    def is_like(self, other: Record) -> bool:
        """The same, but for what rounding, and a wait more or less, do to seconds."""
        near = abs(self.seconds - other.seconds) <= ROUNDED_S + ONE_WAIT_S
        return near and {**asdict(self), "seconds": 0} == {**asdict(other), "seconds": 0}


Table = Mapping[tuple[str, str], Record]
"""Records by the section of the page and the name in it: the call and its fault, or `DEATHS` and the point."""
DEATHS: Final = "A worker dies"


def sections() -> Mapping[str, Sequence[str]]:
    """What the page has a place for."""
    named: dict[str, list[str]] = {call: [] for call in CALLS}
    for cell in cells():
        named[cell.call].append(cell.fault)
    return {**named, DEATHS: list(POINTS)}


def hold(record: Record, section: str, name: str) -> None:
    """Compare a record with the page, or leave it for a new one where `FAULT_TABLE` says in which folder."""
    folder = os.environ.get("FAULT_TABLE")
    if folder is None:
        told = _page()[section, name]
        assert record.is_like(told), f"{record}\nthe page says {told}; `make fault-table` writes it anew"
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    left = {"section": section, "name": name, "record": asdict(record)}
    (Path(folder) / f"{section}.{name}.json").write_text(json.dumps(left))


def kept(folder: Path) -> Table:
    """What was left."""
    found = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    return {(one["section"], one["name"]): Record(**one["record"]) for one in found}


def written(table: Table) -> str:
    """The page. What comes to the same in a section shares a row."""
    lines = [_HEAD]
    for section, names in sections().items():
        rows: dict[Record, list[str]] = defaultdict(list)
        for name in names:
            rows[table[section, name]].append(name)
        first = "after" if section == DEATHS else "faults"
        lines += [f"\n## {section}\n", _row((first, *_COLUMNS)), _row("---" for _ in (first, *_COLUMNS))]
        for record, alike in sorted(rows.items(), key=lambda row: -len(row[1])):
            lines.append(_row((" ".join(f"`{name}`" for name in alike), *map(str, asdict(record).values()))))
    return "\n".join(lines) + "\n"


def read(page: str) -> Table:
    """The records of a page."""
    found: dict[tuple[str, str], Record] = {}
    section = ""
    for line in page.splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif line.startswith("| `"):
            names, *values = (part.strip() for part in line[1:-1].split("|"))
            record = Record(
                **{one.name: _VALUES[one.type](value) for one, value in zip(fields(Record), values, strict=True)}
            )
            found |= {(section, name): record for name in re.findall("`([^`]+)`", names)}
    return found


@cache
def _page() -> Table:
    return read(PAGE.read_text())


def _row(values: Iterable[str]) -> str:
    return f"| {' | '.join(values)} |"


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(written(kept(Path(sys.argv[1]))))
