"""What a benchmark finds out: numbers with their unit, their aim, and the maths between them. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


class NothingMeasured(ValueError):
    """A number was asked of no measurements."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What the project wants of a figure. A miss is printed, and fails nothing."""

    way: Literal["at most", "at least"]
    limit: float

    def met_by(self, value: float) -> bool:
        """Whether the value is on the right side of the limit, or on it."""
        return value <= self.limit if self.way == "at most" else value >= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number that stands for a benchmark. `name` says what it is, `unit` in what."""

    name: str
    value: float
    unit: str
    aim: Aim | None = None

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; `None` without one."""
        return None if self.aim is None else self.aim.met_by(self.value)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of all values do not exceed, by nearest rank: always one that was measured.

    Raises `NothingMeasured`, and `ValueError` for a share that is none.
    """
    if not 0 <= share <= 1:
        raise ValueError("a share is between 0 and 1")
    if not values:
        raise NothingMeasured("no values")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean. Raises `NothingMeasured`."""
    if not values:
        raise NothingMeasured("no values")
    return math.fsum(values) / len(values)


def per(amount: float, count: float) -> float:
    """The amount of one of `count`. Raises `NothingMeasured` when there is none."""
    if count <= 0:
        raise NothingMeasured("nothing to share it between")
    return amount / count


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The rise of the least-squares line through (x, y). Raises `NothingMeasured` without two different x."""
    if len({x for x, _ in points}) < 2:
        raise NothingMeasured("a line needs two different places")
    middle_x, middle_y = mean([x for x, _ in points]), mean([y for _, y in points])
    run = math.fsum((x - middle_x) ** 2 for x, _ in points)
    return math.fsum((x - middle_x) * (y - middle_y) for x, y in points) / run


def shown(value: float | str | None) -> str:
    """A number as people read it: three significant digits, thousands apart; what is not there as a dash."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"
