"""What processes use: CPU seconds and resident memory, of a process with all its children."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class CpuReading:
    """CPU seconds (user and system) by name, at a moment."""

    at: float
    seconds: Mapping[str, float]

    def since(self, earlier: CpuReading) -> dict[str, float]:
        """CPU seconds used in between, by name. A name that is new began at nothing."""
        return {name: seconds - earlier.seconds.get(name, 0.0) for name, seconds in self.seconds.items()}

    def elapsed_s(self, earlier: CpuReading) -> float:
        """Wall-clock seconds in between."""
        return self.at - earlier.at


def read_cpu(pids: Mapping[str, int]) -> CpuReading:
    """Read all of them now."""
    return CpuReading(time.monotonic(), {name: _cpu_s(pid) for name, pid in pids.items()})


def rss_bytes(pid: int) -> int:
    """Resident memory of one process, without children."""
    return int(psutil.Process(pid).memory_info().rss)


def _cpu_s(pid: int) -> float:
    """Of a process, its live children, and those that have ended and were waited for (PostgreSQL's backends)."""
    total = 0.0
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total
