"""How long a benchmark may take, and what it raises when it cannot be measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")
ROOT: Final = Path(__file__).resolve().parents[1]
"""The checkout: where `python -m benchmarks…` has to be started."""


class BenchmarkFailed(Exception):
    """It could not be measured. The message says why."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Until when a benchmark may run, by the monotonic clock."""

    until: float

    def wait(self, condition: Callable[[], T], what: str, *, every_s: float = 0.02) -> T:
        """The first truthy answer. Raises `BenchmarkFailed` when patience ends."""
        while not (answer := condition()):
            if time.monotonic() > self.until:
                raise BenchmarkFailed(f"no patience left while waiting for {what}")
            time.sleep(every_s)
        return answer

    def check(self, what: str) -> None:
        """Raises `BenchmarkFailed` when patience has ended."""
        if time.monotonic() > self.until:
            raise BenchmarkFailed(f"no patience left before {what}")
