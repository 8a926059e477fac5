"""The ledger of credits: one entry a turn, written with the verdict that settled it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from reelqueue.domain.claims import Claim
from reelqueue.domain.credits import Booking, Spending
from reelqueue.store.engine import Database
from reelqueue.store.tables import credit_entries

_C = credit_entries.c


def book(connection: Connection, claim: Claim, entry: Booking) -> None:
    """Add a turn's entry, in the transaction of its verdict. A turn that was booked before stays as it was."""
    statement = insert(credit_entries).values(job_id=claim.job.id, tenant_id=claim.job.tenant_id, **asdict(entry))
    connection.execute(statement.on_conflict_do_nothing(index_elements=[_C.job_id, _C.position]))


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
