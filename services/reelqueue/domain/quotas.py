"""Quotas: what a tenant may use, and the rate at which its jobs are accepted. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from reelqueue.domain.budgets import Level, Position

MINUTE_US = 60_000_000


class QuotaName(StrEnum):
    """What is limited beside credits."""

    JOBS_PER_MINUTE = "jobs_per_minute"
    LIVE_JOBS = "live_jobs"
    STORAGE_BYTES = "storage_bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantQuotas:
    """A tenant's limits; `None` is unlimited. Credits are those of a day and of a month, in UTC."""

    jobs_per_minute: int | None = None
    live_jobs: int | None = None
    storage_bytes: int | None = None
    credits_per_day: Decimal | None = None
    credits_per_month: Decimal | None = None

    def budgets(self) -> tuple[tuple[Level, Decimal | None], ...]:
        """The month first: where both ran out, a new day would not help."""
        return (Level.MONTH, self.credits_per_month), (Level.DAY, self.credits_per_day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A number a minute, by GCRA: the whole number may come at once, then one comes free after the other.

    So in any minute at most twice the number is accepted, and over many minutes the number each. `mark` is when all of
    it will be free again; no mark, or one that has passed: all of it is.
    """

    limit: int
    mark: datetime | None
    now: datetime

    @property
    def interval_us(self) -> int:
        """Microseconds until one more is free, rounded up."""
        return -(-MINUTE_US // self.limit)

    @property
    def debt_us(self) -> int:
        """Microseconds until all is free."""
        return 0 if self.mark is None else max(0, (self.mark - self.now) // timedelta(microseconds=1))

    @property
    def used(self) -> int:
        """How many are not free."""
        return min(self.limit, -(-self.debt_us // self.interval_us))

    @property
    def remaining(self) -> int:
        """How many would be accepted at once."""
        return self.limit - self.used

    @property
    def resets_s(self) -> int:
        """Whole seconds until all is free."""
        return math.ceil(self.debt_us / 1_000_000)

    def wait_s(self, count: int) -> float | None:
        """Seconds until so many are free: 0 for now, `None` for never. Waiting so long suffices for a lone caller."""
        if count > self.limit:
            return None
        return max(0, self.debt_us + (count - self.limit) * self.interval_us) / 1_000_000

    def after(self, count: int) -> Rate:
        """The rate once so many were accepted."""
        mark = self.now + timedelta(microseconds=self.debt_us + count * self.interval_us)
        return Rate(limit=self.limit, mark=mark, now=self.now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a tenant uses of its quotas at a moment. A figure that nothing limits may be `None`: nobody counted."""

    now: datetime
    live_jobs: int | None
    storage_bytes: int | None
    day: Position
    month: Position

    def of(self, level: Level) -> Position:
        """The credits of a level."""
        return self.day if level is Level.DAY else self.month


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRate:
    """What a token of the tenant's own can carry."""

    id: str
    label: str
    requests_per_minute: int
    max_turns: int
    max_renders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A tenant's limits with what is used of them, and its place among the running jobs."""

    quotas: TenantQuotas
    usage: Usage
    mark: datetime | None
    max_running: int
    running: int
    tokens: Sequence[TokenRate] = ()

    @property
    def rate(self) -> Rate | None:
        """Of accepted jobs."""
        if self.quotas.jobs_per_minute is None:
            return None
        return Rate(limit=self.quotas.jobs_per_minute, mark=self.mark, now=self.usage.now)
