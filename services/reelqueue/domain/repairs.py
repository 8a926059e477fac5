"""What was done to an input file so that it could be used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

RepairKind = Literal["converted", "scaled", "renamed"]


@dataclass(frozen=True, slots=True)
class Measure:
    """How large a picture is: its file in bytes, its sides in pixels as they are shown."""

    bytes: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Repair:
    """One change.

    `converted`: from one format to another, each by its usual extension. `scaled`: the file was over the limit; each
    side is a `Measure`. `renamed`: the cleaned name as it was sent, and the label that is stored.
    """

    kind: RepairKind
    before: str | Measure
    after: str | Measure


def repairs_json(repairs: Iterable[Repair]) -> list[dict[str, Any]]:
    """As the API shows them and the columns keep them."""
    return [{"kind": one.kind, "from": _said(one.before), "to": _said(one.after)} for one in repairs]


def repairs_from(value: Iterable[Mapping[str, Any]]) -> tuple[Repair, ...]:
    """Out of a column."""
    return tuple(Repair(one["kind"], _read(one["from"]), _read(one["to"])) for one in value)


def _said(side: str | Measure) -> str | dict[str, int]:
    if isinstance(side, str):
        return side
    return {"bytes": side.bytes, "width": side.width, "height": side.height}


def _read(side: str | Mapping[str, int]) -> str | Measure:
    return side if isinstance(side, str) else Measure(**side)
