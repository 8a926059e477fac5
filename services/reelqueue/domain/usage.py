"""What a tenant has used in a time: its jobs, what they did and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

By = Literal["day", "project", "customer", "metadata"]
MOST_GROUPS: Final = 1000
LONGEST_DAYS: Final = 92


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuery:
    """Jobs accepted from `since` on and before `until`; `key` is the member of the metadata, for `by` metadata."""

    since: datetime
    until: datetime
    by: By
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """The jobs of one group. `group` is the day, the id or the word; `None` for jobs that name none.

    `turns` are those whose outcome is known. `unknown` counts jobs whose cost, or a part of it, could not be read.
    """

    group: str | None
    accepted: int
    succeeded: int
    failed: int
    canceled: int
    turns: int
    credits_spent: float
    credits_at_risk: float
    unknown: int
    result_bytes: int
    result_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """All groups together, and each by itself; of too many, those with the most jobs."""

    query: UsageQuery
    total: Used
    groups: Sequence[Used]
    complete: bool
