"""Opening a tenant's accounts with its first budget: what was spent before, and what its live jobs may cost."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import Connection, func, select, text, update

from reelqueue.domain.budgets import Position, Reservation, exact, turns_left
from reelqueue.store.budgets import reserve
from reelqueue.store.rows import JOB_COLUMNS, job_from
from reelqueue.store.tables import jobs, tenant_quotas

_Q = tenant_quotas.c

# Jobs that reserve are settled by themselves. What the others left at risk is of the day on which they ended.
_BEFORE = text("""
WITH first AS (SELECT date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS at
), known AS (
    SELECT (e.created_at AT TIME ZONE 'UTC')::date AS day, 'spent' AS account, e.spent::numeric(20, 6) AS amount
    FROM credit_entries e JOIN jobs j ON j.id = e.job_id, first
    WHERE e.tenant_id = :tenant_id AND e.created_at >= first.at AND e.spent > 0
      AND (NOT j.reserved OR j.id = ANY (CAST(:live AS text[])))
    UNION ALL
    SELECT (j.finished_at AT TIME ZONE 'UTC')::date, 'at_risk', (j.billing ->> 'at_risk')::numeric(20, 6)
    FROM jobs j, first
    WHERE j.tenant_id = :tenant_id AND j.finished_at >= first.at AND NOT j.reserved
      AND (j.billing ->> 'at_risk')::float8 > 0
), summed AS MATERIALIZED (
    SELECT day, account, sum(amount) AS amount FROM known GROUP BY 1, 2 HAVING sum(amount) > 0
), moved AS (
    INSERT INTO credit_transfers (tenant_id, day, kind, source, target, amount)
    SELECT :tenant_id, day, 'opening', 'budget', account, amount FROM summed ORDER BY day, account
)
INSERT INTO credit_accounts AS a (tenant_id, day, budget, spent, at_risk)
SELECT :tenant_id, day, -sum(amount), coalesce(sum(amount) FILTER (WHERE account = 'spent'), 0),
       coalesce(sum(amount) FILTER (WHERE account = 'at_risk'), 0)
FROM summed GROUP BY day ORDER BY day
ON CONFLICT (tenant_id, day) DO UPDATE SET
    budget = a.budget + excluded.budget, spent = a.spent + excluded.spent, at_risk = a.at_risk + excluded.at_risk
""")


def open_accounts(connection: Connection, tenant_id: str, each: Decimal) -> None:
    """Count the month so far, and reserve for the live jobs that have not. Done once a tenant.

    To be called when every new job of the tenant's reserves. The live jobs are locked first, then the quotas, as when
    a job ends: none of them can be booked or end meanwhile.
    """
    live = (
        select(*JOB_COLUMNS)
        .where(jobs.c.tenant_id == tenant_id, jobs.c.dispatch != "done", ~jobs.c.reserved)
        .order_by(jobs.c.id)
        .with_for_update(key_share=True, of=jobs)
    )
    found = [job_from(row) for row in connection.execute(live).mappings()]
    mine = select(_Q.opened_at).where(_Q.tenant_id == tenant_id).with_for_update()
    if connection.execute(mine).scalar() is not None:
        return
    # The lock may have been waited for: what was spent until now is seen by a statement that begins now.
    ids = [job.id for job in found]
    connection.execute(update(jobs).where(jobs.c.id.in_(ids)).values(reserved=True))
    connection.execute(_BEFORE, {"tenant_id": tenant_id, "live": ids})
    day = connection.execute(select(func.date(func.timezone("UTC", func.now())))).scalar_one()
    if ids:
        reserve(
            connection,
            tenant_id,
            day,
            [
                Reservation(
                    job_id=job.id,
                    tenant_id=tenant_id,
                    day=day,
                    turns=turns_left(job),
                    each=each,
                    already=exact(job.billing.spent),
                    position=Position(reserved=each * turns_left(job)),
                )
                for job in found
            ],
        )
    opened = update(tenant_quotas).where(_Q.tenant_id == tenant_id).values(opened_at=func.now())
    connection.execute(opened)
