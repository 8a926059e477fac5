"""Whether a tenant's quotas and budgets allow the jobs of a transaction that is about to accept them.

The tenant's row in `tenant_quotas` is locked first, so that its jobs are accepted one transaction after the other: of
any number at once as many pass as there is room for, and what one reserves the next one sees. Then the jobs are
written, and only then counted: jobs that were there already, under their idempotency key, count as nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NoReturn

from sqlalchemy import Connection, RowMapping, select, text, update

from reelqueue.domain.budgets import Level, Position, Reservation, turns_left
from reelqueue.domain.jobs import Job
from reelqueue.domain.quotas import QuotaName, Rate, TenantQuotas, Usage
from reelqueue.errors import BudgetExhausted, QuotaExceeded
from reelqueue.kit.clock import rfc3339
from reelqueue.store.budgets import reserve, turn_costs
from reelqueue.store.tables import tenant_quotas

_Q = tenant_quotas.c
LIMITS: Final = (_Q.jobs_per_minute, _Q.live_jobs, _Q.storage_bytes, _Q.credits_per_day, _Q.credits_per_month)

# A job that is not done either waits to be admitted or was: each half has an index of its own.
_USAGE = text("""
WITH moment AS MATERIALIZED (
    SELECT at, (at AT TIME ZONE 'UTC')::date AS today, date_trunc('month', at AT TIME ZONE 'UTC')::date AS first
    FROM (SELECT clock_timestamp() AS at) c
), days AS MATERIALIZED (
    SELECT a.day = m.today AS is_today, a.reserved, a.spent, a.at_risk
    FROM moment m JOIN credit_accounts a ON a.tenant_id = :tenant_id AND a.day BETWEEN m.first AND m.today
)
SELECT m.at AS now,
    CASE WHEN :count_live THEN
        (SELECT count(*) FROM jobs WHERE tenant_id = :tenant_id AND dispatch = 'idle' AND admitted_at IS NULL)
      + (SELECT count(*) FROM jobs WHERE tenant_id = :tenant_id AND dispatch <> 'done' AND admitted_at IS NOT NULL)
    END AS live_jobs,
    CASE WHEN :count_bytes THEN
        (SELECT coalesce(sum(bytes), 0) FROM assets WHERE tenant_id = :tenant_id)
      + (SELECT coalesce(sum((r -> 'result' ->> 'bytes')::bigint), 0)
         FROM jobs j, jsonb_array_elements(j.results) r WHERE j.tenant_id = :tenant_id AND j.results <> '[]')
    END AS storage_bytes,
    coalesce(sum(d.reserved) FILTER (WHERE d.is_today), 0) AS day_reserved,
    coalesce(sum(d.spent) FILTER (WHERE d.is_today), 0) AS day_spent,
    coalesce(sum(d.at_risk) FILTER (WHERE d.is_today), 0) AS day_at_risk,
    coalesce(sum(d.reserved), 0) AS month_reserved,
    coalesce(sum(d.spent), 0) AS month_spent,
    coalesce(sum(d.at_risk), 0) AS month_at_risk
FROM moment m LEFT JOIN days d ON true
GROUP BY m.at
""")


def quotas_from(row: RowMapping) -> TenantQuotas:
    """The limits in a row that has `LIMITS`."""
    return TenantQuotas(**{column.name: row[column.name] for column in LIMITS})


def usage(connection: Connection, tenant_id: str, *, live: bool, storage: bool) -> Usage:
    """What the tenant uses now. What is not asked for is not counted, since that may take long."""
    asked = {"tenant_id": tenant_id, "count_live": live, "count_bytes": storage}
    row = connection.execute(_USAGE, asked).mappings().one()
    return Usage(
        now=row["now"],
        live_jobs=row["live_jobs"],
        storage_bytes=None if row["storage_bytes"] is None else int(row["storage_bytes"]),
        day=_position(row, "day"),
        month=_position(row, "month"),
    )


def _position(row: RowMapping, level: str) -> Position:
    return Position(reserved=row[f"{level}_reserved"], spent=row[f"{level}_spent"], at_risk=row[f"{level}_at_risk"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """A tenant's quotas, locked until the transaction ends."""

    tenant_id: str
    quotas: TenantQuotas
    mark: datetime | None
    accounted: bool
    credits_per_turn: float
    """What a turn is expected to cost while nothing is known."""

    def reserves(self, job: Job) -> bool:
        """Whether the job reserves credits. One that takes no turn is free."""
        return self.accounted and turns_left(job) > 0

    def admit(self, connection: Connection, jobs: Sequence[Job]) -> Rate | None:
        """Count and reserve for jobs that were just written. What is left of the rate, if there is one.

        Raises `QuotaExceeded` and `BudgetExhausted`; the caller then rolls back.
        """
        quotas = self.quotas
        now_used = usage(
            connection,
            self.tenant_id,
            live=quotas.live_jobs is not None,
            storage=quotas.storage_bytes is not None,
        )
        rate = self._rate(now_used, len(jobs))
        check_live(quotas, now_used, len(jobs))
        check_storage(quotas, now_used)
        self._reserve(connection, now_used, [job for job in jobs if self.reserves(job)])
        if rate is not None:
            marked = update(tenant_quotas).where(_Q.tenant_id == self.tenant_id).values(jobs_mark=rate.mark)
            connection.execute(marked)
        return rate

    def _rate(self, used: Usage, count: int) -> Rate | None:
        limit = self.quotas.jobs_per_minute
        if limit is None:
            return None
        rate = Rate(limit=limit, mark=self.mark, now=used.now)
        wait_s = rate.wait_s(count)
        if wait_s == 0:
            return rate.after(count)
        raise _exceeded(
            QuotaName.JOBS_PER_MINUTE,
            limit,
            rate.used,
            f"At most {limit} jobs a minute are accepted; these are {count}."
            if wait_s is None
            else "Too many jobs were accepted in the last minute.",
            retry_after=wait_s,
            resets_in_s=rate.resets_s,
        )

    def _reserve(self, connection: Connection, used: Usage, jobs: Sequence[Job]) -> None:
        if not jobs:
            return
        turns = sum(turns_left(job) for job in jobs)
        each = turn_costs(connection, self.tenant_id, otherwise=self.credits_per_turn)
        for level, limit in self.quotas.budgets():
            taken = used.of(level).used
            if limit is not None and taken + each * turns > limit:
                _exhausted(level, limit=limit, used=taken, needed=each * turns, now=used.now)
        day = used.now.astimezone(UTC).date()
        whole = [
            Reservation(job_id=job.id, tenant_id=self.tenant_id, day=day, turns=turns_left(job), each=each)
            for job in jobs
        ]
        reserve(connection, self.tenant_id, day, [replace(one, position=Position(reserved=one.whole)) for one in whole])


def lock(connection: Connection, tenant_id: str, *, credits_per_turn: float) -> Meter:
    """Wait for the tenant's quotas and hold them. A tenant that has none may do everything."""
    asked = select(*LIMITS, _Q.jobs_mark, _Q.accounted_since).where(_Q.tenant_id == tenant_id).with_for_update()
    row = connection.execute(asked).mappings().first()
    return Meter(
        tenant_id=tenant_id,
        quotas=TenantQuotas() if row is None else quotas_from(row),
        mark=None if row is None else row["jobs_mark"],
        accounted=row is not None and row["accounted_since"] is not None,
        credits_per_turn=credits_per_turn,
    )


def admit_file(connection: Connection, tenant_id: str) -> None:
    """Count a file that was just written without a job. Raises `QuotaExceeded`; the caller then rolls back."""
    meter = lock(connection, tenant_id, credits_per_turn=0)
    if meter.quotas.storage_bytes is not None:
        check_storage(meter.quotas, usage(connection, tenant_id, live=False, storage=True))


def check_live(quotas: TenantQuotas, used: Usage, count: int) -> None:
    """Raises `QuotaExceeded`. `used` counts the new jobs already."""
    limit = quotas.live_jobs
    if limit is not None and used.live_jobs is not None and used.live_jobs > limit:
        said = "Too many jobs are under way; one that ends, or is canceled, makes room."
        raise _exceeded(QuotaName.LIVE_JOBS, limit, used.live_jobs - count, said)


def check_storage(quotas: TenantQuotas, used: Usage) -> None:
    """Raises `QuotaExceeded`. `used` counts new files already."""
    limit = quotas.storage_bytes
    if limit is not None and used.storage_bytes is not None and used.storage_bytes > limit:
        said = "Files and results would take more room than you have; delete assets to make some."
        raise _exceeded(QuotaName.STORAGE_BYTES, limit, used.storage_bytes, said)


def _exceeded(
    quota: QuotaName, limit: int, used: int, said: str, *, retry_after: float | None = None, **more: Any
) -> QuotaExceeded:
    detail = {"quota": quota.value, "limit": limit, "used": used, **more}
    return QuotaExceeded(said, retry_after=retry_after, detail=detail)


def _exhausted(level: Level, *, limit: Decimal, used: Decimal, needed: Decimal, now: datetime) -> NoReturn:
    never = " No period has room for it." if needed > limit else ""
    raise BudgetExhausted(
        f"This would take {float(needed):g} credits, and {float(max(Decimal(0), limit - used)):g} are left.{never}",
        detail={
            "level": level.value,
            "limit": float(limit),
            "used": float(used),
            "left": float(max(Decimal(0), limit - used)),
            "needed": float(needed),
            "resets_at": rfc3339(level.resets_at(now)),
        },
    )
