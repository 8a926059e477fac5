"""Intents: what is written before a billable request leaves, and what becomes of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import RowMapping, Update, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from reelqueue.domain.claims import Claim, ClaimLost
from reelqueue.domain.turns import Snapshot, Turn, TurnState
from reelqueue.domain.upstream import TurnEnd, TurnReport
from reelqueue.store.engine import Database
from reelqueue.store.fence import still_held
from reelqueue.store.tables import turns

_NOW = func.now()


class Turns:
    """The turns of jobs. Every write is fenced by the claim; none moves a turn back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, job_id: str, position: int) -> Turn | None:
        """The turn of an instruction, if it was prepared."""
        statement = select(turns).where(turns.c.job_id == job_id, turns.c.position == position)
        with self._database.statement() as connection:
            row = connection.execute(statement).mappings().first()
        return None if row is None else _turn_from(row)

    def prepare(self, claim: Claim, position: int, before: Snapshot) -> None:
        """Keep what the session looked like before the turn. A turn still `ready` takes the newer look.

        Raises `ClaimLost` when the claim is gone or the turn was sent: the look comes too late.
        """
        source = select(
            literal(claim.job.id), literal(position), literal(claim.job.tenant_id), literal(before.row(), JSONB)
        ).where(still_held(claim))
        statement = (
            insert(turns)
            .from_select(["job_id", "position", "tenant_id", "before"], source)
            .on_conflict_do_update(
                index_elements=[turns.c.job_id, turns.c.position],
                set_={"before": before.row()},
                where=turns.c.state == TurnState.READY,
            )
            .returning(turns.c.position)
        )
        with self._database.statement() as connection:
            if connection.execute(statement).first() is None:
                raise ClaimLost(claim.job.id)

    def begin_sending(self, claim: Claim, position: int) -> None:
        """Commit the intent: from here on the instruction counts as sent. Exactly one call ever succeeds.

        Raises `ClaimLost` when the claim is gone or the turn is not `ready`. Then not a byte may leave.
        """
        statement = (
            update(turns)
            .where(
                turns.c.job_id == claim.job.id,
                turns.c.position == position,
                turns.c.state == TurnState.READY,
                still_held(claim),
            )
            .values(state=TurnState.SENDING, epoch=claim.epoch, sent_at=func.now())
        )
        self._write(claim, statement)

    def finish(self, claim: Claim, position: int, report: TurnReport | None) -> Turn:
        """Close a turn whose outcome is known: from its stream (`report`) or by observation (`None`). Returns it.

        Raises `ClaimLost`.
        """
        said = None if report is None else asdict(report)
        closed = self._sent(claim, position).values(state=TurnState.FINISHED, report=said, finished_at=_NOW)
        with self._database.statement() as connection:
            row = connection.execute(closed.returning(turns)).mappings().first()
        if row is None:
            raise ClaimLost(claim.job.id)
        return _turn_from(row)

    def give_up(self, claim: Claim, position: int) -> None:
        """Close a turn whose outcome could not be found out. Raises `ClaimLost`."""
        self._write(claim, self._sent(claim, position).values(state=TurnState.UNKNOWN, finished_at=_NOW))

    def reopen(self, claim: Claim, position: int) -> None:
        """Make a turn that was proven not taken ready again. The proof is the caller's; see `jobs/steps/instruct.py`.

        Raises `ClaimLost` when the claim is gone or the turn was not sent under this very epoch.
        """
        statement = self._sent(claim, position).where(turns.c.epoch == claim.epoch)
        self._write(claim, statement.values(state=TurnState.READY, epoch=None, sent_at=None))

    def observe(self, claim: Claim, position: int, seen: Snapshot) -> None:
        """Count one look at the session after the stream ended or broke, and keep what it saw. Raises `ClaimLost`."""
        statement = self._sent(claim, position, TurnState.SENDING, TurnState.FINISHED)
        self._write(claim, statement.values(observations=turns.c.observations + 1, last_seen=seen.row()))

    @staticmethod
    def _sent(claim: Claim, position: int, *states: TurnState) -> Update:
        return update(turns).where(
            turns.c.job_id == claim.job.id,
            turns.c.position == position,
            turns.c.state.in_(states or (TurnState.SENDING,)),
            still_held(claim),
        )

    def _write(self, claim: Claim, statement: Update) -> None:
        with self._database.statement() as connection:
            if connection.execute(statement).rowcount != 1:
                raise ClaimLost(claim.job.id)


def _turn_from(row: RowMapping) -> Turn:
    return Turn(
        job_id=row["job_id"],
        position=row["position"],
        state=TurnState(row["state"]),
        before=_snapshot(row["before"]),
        sent_at=row["sent_at"],
        observations=row["observations"],
        last_seen=None if row["last_seen"] is None else _snapshot(row["last_seen"]),
        report=None if row["report"] is None else _report(row["report"]),
    )


def _snapshot(value: dict[str, Any]) -> Snapshot:
    return Snapshot.restored(value)


def _report(value: dict[str, Any]) -> TurnReport:
    texts, tools = tuple(value["texts"]), tuple(value["tools"])
    return TurnReport(**{**value, "end": TurnEnd(value["end"]), "texts": texts, "tools": tools})
