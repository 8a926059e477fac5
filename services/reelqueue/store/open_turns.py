"""Whether a job has a turn that was sent and whose cost is not known: neither on the bill nor in the ledger."""

from __future__ import annotations

from typing import Final

from sqlalchemy import and_, exists, or_

from reelqueue.domain.turns import TurnState
from reelqueue.store.tables import credit_entries, jobs, turns

_BOOKED: Final = exists().where(
    credit_entries.c.job_id == turns.c.job_id, credit_entries.c.position == turns.c.position
)
OPEN_TURN: Final = (
    exists()
    .where(
        turns.c.job_id == jobs.c.id,
        or_(
            turns.c.state.in_((TurnState.SENDING, TurnState.UNKNOWN)),
            and_(turns.c.state == TurnState.FINISHED, ~_BOOKED),
        ),
    )
    .label("open_turn")
)
"""A column of a statement over `jobs`. A turn whose outcome stayed unknown is open for good: it may have cost more."""
