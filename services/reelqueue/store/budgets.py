"""Reserving credits for jobs as they are accepted, and settling what they reserved: the writes of the ledger.

A job's position, its day's balances and the transfers between them are written in one statement, in the transaction
of the change that they follow. The job's row is locked by then, so a job settles one change after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, text

from reelqueue.domain.budgets import Account, Position, Reservation, Transfer, exact, position_of, transfers
from reelqueue.domain.jobs import Job
from reelqueue.store.rows import job_from
from reelqueue.store.storable import dumps

RECENT: Final = 50
"""Settled turns that say what the next one will cost."""

_EXPECTED = text(f"""
SELECT avg(cost) FROM (
    SELECT spent + greatest(held, 0) AS cost FROM credit_entries
    WHERE tenant_id = :tenant_id AND certainty = 'inferred' ORDER BY created_at DESC LIMIT {RECENT}) AS lately
""")  # noqa: S608 - the number is ours

_MINE = text(
    'SELECT tenant_id, day, turns, "each", already, reserved, spent, at_risk FROM credit_reservations'
    " WHERE job_id = :job_id"
)

_RESERVE = text("""
WITH given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(CAST(:jobs AS jsonb)) AS g (
        job_id text, turns integer, "each" numeric, already numeric, reserved numeric)
), kept AS (
    INSERT INTO credit_reservations (job_id, tenant_id, day, turns, "each", already, reserved)
    SELECT job_id, :tenant_id, :day, turns, "each", already, reserved FROM given ORDER BY job_id
), moved AS (
    INSERT INTO credit_transfers (tenant_id, day, job_id, kind, source, target, amount)
    SELECT :tenant_id, :day, job_id, 'reserve', 'budget', 'reserved', reserved FROM given WHERE reserved > 0
)
INSERT INTO credit_accounts AS a (tenant_id, day, budget, reserved)
SELECT :tenant_id, :day, -sum(reserved), sum(reserved) FROM given
ON CONFLICT (tenant_id, day) DO UPDATE SET
    budget = a.budget + excluded.budget, reserved = a.reserved + excluded.reserved
""")

_SETTLE = text("""
WITH held AS (
    UPDATE credit_reservations SET reserved = :reserved, spent = :spent, at_risk = :at_risk WHERE job_id = :job_id
    RETURNING tenant_id, day
), moved AS (
    INSERT INTO credit_transfers (tenant_id, day, job_id, kind, source, target, amount)
    SELECT h.tenant_id, h.day, :job_id, m.kind, m.source, m.target, m.amount
    FROM held h, jsonb_to_recordset(CAST(:moves AS jsonb)) AS m (kind text, source text, target text, amount numeric)
)
UPDATE credit_accounts a SET
    budget = a.budget + :more_budget, reserved = a.reserved + :more_reserved,
    spent = a.spent + :more_spent, at_risk = a.at_risk + :more_at_risk
FROM held h WHERE a.tenant_id = h.tenant_id AND a.day = h.day
""")


def turn_costs(connection: Connection, tenant_id: str, *, otherwise: float) -> Decimal:
    """What one turn of the tenant's is expected to cost: as its last ones did on average, or else `otherwise`.

    The one place that says so: what is reserved comes from here, and what a quote calls likely. The scheduler charges
    seconds and not credits (`docs/decisions/0011-credit-seconds.md`).
    """
    mean = connection.execute(_EXPECTED, {"tenant_id": tenant_id}).scalar()
    return exact(otherwise if mean is None else float(mean))


def reserve(connection: Connection, tenant_id: str, day: date, reservations: Sequence[Reservation]) -> None:
    """Write what jobs reserve on one day."""
    given = [
        {
            "job_id": one.job_id,
            "turns": one.turns,
            "each": str(one.each),
            "already": str(one.already),
            "reserved": str(one.position.reserved),
        }
        for one in reservations
    ]
    connection.execute(_RESERVE, {"jobs": dumps(given), "tenant_id": tenant_id, "day": day})


def settle(connection: Connection, row: RowMapping) -> None:
    """Bring a job's credits to where its bill says that they stand. A job that reserved nothing costs nothing.

    `row` is what a change of the job returned. Safe to repeat: where nothing has changed nothing is written.
    """
    if not row["reserved"]:
        return
    job: Job = job_from(row)
    found = connection.execute(_MINE, {"job_id": job.id}).mappings().one()
    held = reservation_from(job.id, found)
    after = position_of(held, job)
    moves = transfers(held.position, after)
    if moves:
        connection.execute(_SETTLE, _settling(held, after, moves))


def reservation_from(job_id: str, row: RowMapping) -> Reservation:
    """A row as a value."""
    return Reservation(
        job_id=job_id,
        tenant_id=row["tenant_id"],
        day=row["day"],
        turns=row["turns"],
        each=row["each"],
        already=row["already"],
        position=Position(reserved=row["reserved"], spent=row["spent"], at_risk=row["at_risk"]),
    )


def _settling(held: Reservation, after: Position, moves: Sequence[Transfer]) -> dict[str, Any]:
    old, new = held.position.balances(), after.balances()
    told = [{"kind": one.kind, "source": one.source, "target": one.target, "amount": str(one.amount)} for one in moves]
    return {
        "job_id": held.job_id,
        "reserved": after.reserved,
        "spent": after.spent,
        "at_risk": after.at_risk,
        "moves": dumps(told),
        **{f"more_{account.value}": new[account] - old[account] for account in Account},
    }
