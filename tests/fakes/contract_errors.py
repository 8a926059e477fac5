"""The contract's list of what can go wrong upstream (`tests/data/upstream_errors.yaml`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from reelqueue.nemo.error_table import Call, Where

_LIST = Path(__file__).parents[1] / "data" / "upstream_errors.yaml"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing at one call. `section` is without its sign."""

    where: Where
    what: int | str
    call: Call
    section: str

    def __str__(self) -> str:
        return f"{self.where} {self.what!r} at {self.call}"


def entries() -> Iterator[Entry]:
    """All of them, each call by itself."""
    for group in yaml.safe_load(_LIST.read_text()):
        for what in group["what"]:
            for call in group.get("calls", list(Call)):
                yield Entry(Where(group["where"]), what, Call(call), group["section"])
