"""`docs/fault-table.md`: what each cell comes to, written from a run and read again by the next.

`python -m fakes.fault_page RECORDS PAGE` writes the page from what the tests left in the folder RECORDS.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from fakes.fault_cells import CALLS, cells
from fakes.fault_run import Outcome

PAGE: Final = Path(__file__).parents[2] / "docs" / "fault-table.md"
ROUNDED_S: Final = 10
"""Seconds are told, and held, to this much: retries are spread by chance, and a twin counts in pieces."""

_HEAD: Final = """\
<!-- Written by `make fault-table`. Do not edit. -->
# What becomes of a job when NemoVideo misbehaves

Each fault that the twin knows ([upstream.md](upstream.md)), at each call where it can strike, once, against the whole
engine: one picture, one instruction that costs 100 credits, one export of 30 s. Every wait and every deadline is
production's, in the upstream's time. `tests/integration/faults` runs all of it and holds this page to it.

In every row: at most one turn for the paid step; one terminal event, or a wait that says for what; each session and
render that the upstream saw is in our tables; a success is the film that the upstream serves, by SHA-256; the bill is
what the ledger charged and reserves, unless it says that it does not know, which it may only where the token or the
session is gone.

`turn` is what the upstream's ledger says of it, `charged` and `reserved` are its credits; `bill` is what the job says:
spent, at risk, certainty. `seconds` are from acceptance to the end, `polls` how often the export was asked for.
"""
_COLUMNS: Final = ("faults", "job", "turn", "charged", "reserved", "bill", "seconds", "polls")


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
        """The same, but for what rounding does to seconds."""
        near = abs(self.seconds - other.seconds) <= ROUNDED_S
        return near and {**asdict(self), "seconds": 0} == {**asdict(other), "seconds": 0}


Table = Mapping[tuple[str, str], Record]
"""Records by call and fault."""


def keep(folder: Path, call: str, fault: str, record: Record) -> None:
    """Leave a record for the page."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{call}.{fault}.json").write_text(json.dumps({"call": call, "fault": fault, "record": asdict(record)}))


def kept(folder: Path) -> Table:
    """What was left."""
    found = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    return {(one["call"], one["fault"]): Record(**one["record"]) for one in found}


def written(table: Table) -> str:
    """The page. Faults that come to the same at a call share a row."""
    lines = [_HEAD]
    for call in CALLS:
        rows: dict[Record, list[str]] = defaultdict(list)
        for cell in cells():
            if cell.call == call:
                rows[table[call, cell.fault]].append(cell.fault)
        lines += [f"\n## {call}\n", _row(_COLUMNS), _row("---" for _ in _COLUMNS)]
        for record, faults in sorted(rows.items(), key=lambda row: -len(row[1])):
            lines.append(_row((" ".join(f"`{fault}`" for fault in faults), *map(str, asdict(record).values()))))
    return "\n".join(lines) + "\n"


def read(page: str) -> Table:
    """The records of a page."""
    found: dict[tuple[str, str], Record] = {}
    call = ""
    for line in page.splitlines():
        if line.startswith("## "):
            call = line.removeprefix("## ")
        elif line.startswith("| `"):
            faults, job, turn, charged, reserved, bill, seconds, polls = (
                part.strip() for part in line[1:-1].split("|")
            )
            record = Record(
                job=job,
                turn=turn,
                charged=int(charged),
                reserved=int(reserved),
                bill=bill,
                seconds=int(seconds),
                polls=int(polls),
            )
            found |= {(call, fault.strip("`")): record for fault in faults.split()}
    return found


def _row(values: Iterable[str]) -> str:
    return f"| {' | '.join(values)} |"


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(written(kept(Path(sys.argv[1]))))
