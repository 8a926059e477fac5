"""The ledger of credits: one entry a turn, written with the verdict that settled it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from reelqueue.domain.credits import Booking, Spending, bill
from reelqueue.domain.jobs import Billing, Job
from reelqueue.domain.turns import TurnState
from reelqueue.store.engine import Database
from reelqueue.store.tables import credit_entries, turns

_C = credit_entries.c


def book(connection: Connection, job: Job, entry: Booking) -> None:
    """Add a turn's entry, in the transaction of its verdict. A turn that was booked before stays as it was."""
    statement = insert(credit_entries).values(job_id=job.id, tenant_id=job.tenant_id, **asdict(entry))
    connection.execute(statement.on_conflict_do_nothing(index_elements=[_C.job_id, _C.position]))


def billed(connection: Connection, job_id: str) -> Billing:
    """A job's bill by the entries of its turns, in their order. A turn that was sent and has none is unknown."""
    statement = (
        select(_C.spent, _C.held, _C.before, _C.after, _C.certainty, _C.token_id, turns.c.position)
        .select_from(turns.outerjoin(credit_entries, (_C.job_id == turns.c.job_id) & (_C.position == turns.c.position)))
        .where(turns.c.job_id == job_id, turns.c.state != TurnState.READY)
        .order_by(turns.c.position)
    )
    billing = Billing()
    for row in connection.execute(statement).mappings():
        billing = bill(billing, None if row["certainty"] is None else Booking(**row))
    return billing


class Ledger:
    """What a tenant's turns have cost."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def spent_since(self, tenant_id: str, moment: datetime) -> Spending:
        """The sum of the entries from `moment` on."""
        statement = select(
            func.coalesce(func.sum(_C.spent), 0.0).label("spent"),
            func.count().label("turns"),
            func.count().filter(_C.certainty == "unknown").label("unknown"),
        ).where(_C.tenant_id == tenant_id, _C.created_at >= moment)
        with self._database.statement() as connection:
            row = connection.execute(statement).one()
        return Spending(spent=float(row.spent), turns=row.turns, unknown=row.unknown)
