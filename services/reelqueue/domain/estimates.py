"""What the last jobs say of the next one: credits a turn, time at work, time before it. Pure.

A quantile of a handful of jobs says little. Below `ENOUGH_TO_SAY` nothing is said, and below `ENOUGH_TO_JUDGE` no job
is failed for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from reelqueue.domain.jobs import Job

ENOUGH_TO_SAY: Final = 5
"""Samples behind a figure that is shown."""
ENOUGH_TO_JUDGE: Final = 20
"""Samples behind a figure that a job may fail by: a tenth of fewer is less than two jobs."""
LEAST: Final = 0.1
"""The quantile that stands for the least time a job takes: nine in ten took longer."""

Basis = Literal["own", "everybody", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What makes two jobs comparable: the turns that are left to pay for, and whether anything is exported."""

    turns: int
    exports: bool


ONE_TURN: Final = Size(turns=1, exports=True)


def size_of(job: Job) -> Size:
    """What is left of a job."""
    return Size(turns=max(0, len(job.instructions) - job.instruction_index), exports=bool(job.outputs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One job that succeeded, without a question in between. Seconds; credits a turn, `None` if nobody knows."""

    size: Size
    wait_s: float
    work_s: float
    credits: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """Figures for a job of one size. Seconds; credits are those of one turn. `None`: too few jobs to say.

    `samples` counts the jobs behind the times at work, `basis` says whose they were. `wait` is from being accepted to
    being admitted, `work` from there to the end. What a turn is likely to cost is not among them: budgets reserve by it
    (`store/budgets.py`).
    """

    samples: int = 0
    basis: Basis = "none"
    credits_most: float | None = None
    work_p10_s: float | None = None
    work_p50_s: float | None = None
    work_p90_s: float | None = None
    wait_p50_s: float | None = None
    wait_p90_s: float | None = None

    @property
    def least_s(self) -> float | None:
        """The time that a job takes at the very least; `None` while there are too few to judge by."""
        return self.work_p10_s if self.samples >= ENOUGH_TO_JUDGE else None


UNKNOWN: Final = Estimates()


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies, between two of them by proportion. Needs one value."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def estimate(own: Sequence[Sample], everybody: Sequence[Sample], size: Size) -> Estimates:
    """From a tenant's own jobs where there are enough of them; else from everybody's; else nothing."""
    mine = [one for one in own if one.size == size]
    theirs = [one for one in everybody if one.size == size]
    if len(mine) >= ENOUGH_TO_SAY:
        found = _times(mine, "own")
    elif len(theirs) >= ENOUGH_TO_SAY:
        found = _times(theirs, "everybody")
    else:
        found = UNKNOWN
    return _with_credits(_with_wait(found, own, everybody), own, everybody)


def _times(samples: Sequence[Sample], basis: Basis) -> Estimates:
    work = [one.work_s for one in samples]
    return Estimates(
        samples=len(samples),
        basis=basis,
        work_p10_s=quantile(work, LEAST),
        work_p50_s=quantile(work, 0.5),
        work_p90_s=quantile(work, 0.9),
    )


def _with_wait(found: Estimates, own: Sequence[Sample], everybody: Sequence[Sample]) -> Estimates:
    """How long a job waits does not depend on its size."""
    waits = [one.wait_s for one in (own if len(own) >= ENOUGH_TO_SAY else everybody)]
    if len(waits) < ENOUGH_TO_SAY:
        return found
    return replace(found, wait_p50_s=quantile(waits, 0.5), wait_p90_s=quantile(waits, 0.9))


def _with_credits(found: Estimates, own: Sequence[Sample], everybody: Sequence[Sample]) -> Estimates:
    for samples in (own, everybody):
        known = [one.credits for one in samples if one.credits is not None]
        if len(known) >= ENOUGH_TO_SAY:
            return replace(found, credits_most=max(known))
    return found
