"""What a job would probably cost, and when it would be done. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from reelqueue.domain.estimates import Estimates
from reelqueue.domain.jobs import Policies

Reach = Literal["safe", "likely", "unlikely", "unreachable", "unknown"]
"""Whether a time is met: in nine of ten cases; as likely as not; less than that; not by the fastest; nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Credits of the whole job, moments of its start and end. `None`: too few jobs to say."""

    turns: int
    credits_likely: float
    credits_most: float | None
    wait_p50_s: float | None
    wait_p90_s: float | None
    finish_p50: datetime | None
    finish_p90: datetime | None
    start_by: Reach | None
    """`None`: no such time was given."""
    finish_by: Reach | None
    basis: str
    samples: int


def quote(
    turns: int,
    policies: Policies,
    estimates: Estimates,
    *,
    turn_costs: float,
    now: datetime,
    start_by: datetime | None,
    finish_by: datetime | None,
) -> Quote:
    """The quote of a job with this many instructions. At most, each of them is followed by what its policies add.

    `turn_costs` is what a budget would reserve for each. The most is never said to be less than that.
    """
    follow_ups = (policies.on_question == "answer") + (policies.post_production == "strip")
    most = estimates.credits_most
    waits = (estimates.wait_p50_s, estimates.wait_p90_s)
    finishes = _ends(now, waits, (estimates.work_p50_s, estimates.work_p90_s))
    starts = _ends(now, waits, (0.0, 0.0))
    fastest = None if estimates.least_s is None else now + timedelta(seconds=estimates.least_s)
    return Quote(
        turns=turns,
        credits_likely=turn_costs * turns,
        credits_most=None if most is None else max(most, turn_costs) * turns * (1 + follow_ups),
        wait_p50_s=waits[0],
        wait_p90_s=waits[1],
        finish_p50=finishes[0],
        finish_p90=finishes[1],
        start_by=None if start_by is None else _reach(start_by, starts, None),
        finish_by=None if finish_by is None else _reach(finish_by, finishes, fastest),
        basis=estimates.basis,
        samples=estimates.samples,
    )


def _ends(
    now: datetime, waits: tuple[float | None, float | None], work: tuple[float | None, float | None]
) -> tuple[datetime | None, datetime | None]:
    ends = [
        None if wait is None or one is None else now + timedelta(seconds=wait + one)
        for wait, one in zip(waits, work, strict=True)
    ]
    return ends[0], ends[1]


def _reach(by: datetime, when: tuple[datetime | None, datetime | None], fastest: datetime | None) -> Reach:
    if fastest is not None and fastest > by:
        return "unreachable"
    half, most = when
    if half is None or most is None:
        return "unknown"
    if most <= by:
        return "safe"
    return "likely" if half <= by else "unlikely"
