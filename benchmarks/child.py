"""A part of a benchmark in a process of its own: a plan as JSON in, findings as JSON out."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from benchmarks.patience import ROOT, BenchmarkFailed


def ask_child(module: str, plan: Mapping[str, Any]) -> dict[str, Any]:
    """What `python -m module` says to the plan. Raises `BenchmarkFailed`."""
    done = subprocess.run(
        [sys.executable, "-m", module], input=json.dumps(plan), capture_output=True, text=True, cwd=ROOT, check=False
    )
    if done.returncode != 0:
        raise BenchmarkFailed(f"{module} failed: {done.stderr.strip()[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
