"""Whether the ledger's balances are the sums of its transfers, and of the jobs' positions. Nothing here writes.

One statement a set of accounts, so that all is seen at one moment: writes go on meanwhile, and each is seen whole or
not at all. A day takes an index scan over its transfers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import text

from reelqueue.domain.drift import AccountKey, Drift
from reelqueue.store.engine import Database

# The current and the last month: what is older is settled, but for what a late look finds.
_NEXT = text("""
SELECT tenant_id, day FROM credit_accounts
WHERE (tenant_id, day) > (:tenant_id, :day) AND day >= (now() AT TIME ZONE 'UTC')::date - 62
ORDER BY tenant_id, day LIMIT :most
""")

_DRIFT = text("""
WITH moved AS (
    SELECT account, sum(amount) AS amount, sum(amount) FILTER (WHERE kind = 'opening') AS opened FROM (
        SELECT target AS account, amount, kind FROM credit_transfers WHERE tenant_id = :tenant_id AND day = :day
        UNION ALL
        SELECT source, -amount, kind FROM credit_transfers WHERE tenant_id = :tenant_id AND day = :day) legs
    GROUP BY 1
), held AS MATERIALIZED (
    SELECT coalesce(sum(r.reserved), 0) AS reserved, coalesce(sum(r.spent), 0) AS spent,
           coalesce(sum(r.at_risk), 0) AS at_risk,
           coalesce(sum(r.reserved) FILTER (WHERE r.reserved > 0 AND j.dispatch = 'done'), 0) AS left_over
    FROM credit_reservations r LEFT JOIN jobs j ON r.reserved > 0 AND j.id = r.job_id
    WHERE r.tenant_id = :tenant_id AND r.day = :day
), balances AS (
    SELECT b.account, b.amount, b.held
    FROM credit_accounts a, held h, LATERAL (VALUES
        ('budget', a.budget, -h.reserved - h.spent - h.at_risk), ('reserved', a.reserved, h.reserved),
        ('spent', a.spent, h.spent), ('at_risk', a.at_risk, h.at_risk)) b (account, amount, held)
    WHERE a.tenant_id = :tenant_id AND a.day = :day
      -- The rows of a tenant that is being erased go in parcels.
      AND a.tenant_id NOT IN (SELECT id FROM tenants WHERE state = 'erasing')
)
SELECT coalesce(sum(abs(b.amount - coalesce(m.amount, 0))), 0) AS transfers,
       coalesce(sum(abs(b.amount - coalesce(m.opened, 0) - b.held)), 0) AS jobs,
       (SELECT left_over FROM held) AS left_over
FROM balances b LEFT JOIN moved m USING (account)
""")


class Accounts:
    """Reads the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def following(self, last: AccountKey | None, most: int) -> Sequence[AccountKey]:
        """Up to so many sets of accounts after the last one, in an order that stays."""
        after = last or AccountKey(tenant_id="", day=date.min)
        with self._database.statement() as connection:
            rows = connection.execute(_NEXT, {"tenant_id": after.tenant_id, "day": after.day, "most": most})
            return [AccountKey(tenant_id=row.tenant_id, day=row.day) for row in rows]

    def drift(self, key: AccountKey) -> Drift:
        """What does not fit, as of now."""
        with self._database.statement() as connection:
            row = connection.execute(_DRIFT, {"tenant_id": key.tenant_id, "day": key.day}).one()
        return Drift(key=key, transfers=float(row.transfers), jobs=float(row.jobs), left_over=float(row.left_over))
