"""Intents: what is written before a billable request leaves, and what becomes of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Integer, RowMapping, Text, Update, bindparam, exists, func, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from reelqueue.domain.claims import Claim, ClaimLost
from reelqueue.domain.tokens import BLOCKED_AGAIN_S
from reelqueue.domain.turns import Snapshot, Turn, TurnState
from reelqueue.domain.upstream import TurnEnd, TurnReport
from reelqueue.errors import TokenBlocked
from reelqueue.store.engine import Database
from reelqueue.store.fence import HELD, HELD_JOB, held
from reelqueue.store.tables import jobs, turns, upstream_tokens

_T = turns.c
_AT: Final = bindparam("at", type_=Integer)
_NOW = func.now()

# Each is built once: what SQLAlchemy makes of a statement it then finds again without reading it.
_FIND: Final = select(turns).where(_T.job_id == HELD_JOB, _T.position == _AT)
_PREPARE: Final = insert(turns).from_select(
    ["job_id", "position", "tenant_id", "before"],
    select(HELD_JOB, _AT, bindparam("tenant", type_=Text), bindparam("look", type_=JSONB)).where(HELD),
)
_PREPARE_AGAIN: Final = _PREPARE.on_conflict_do_update(
    index_elements=[_T.job_id, _T.position],
    set_={"before": _PREPARE.excluded.before},
    where=_T.state == TurnState.READY,
).returning(_T.position)
_TURN: Final = update(turns).where(_T.job_id == HELD_JOB, _T.position == _AT, HELD)
_BLOCKED: Final = exists().where(
    jobs.c.id == HELD_JOB, upstream_tokens.c.id == jobs.c.token_id, upstream_tokens.c.blocked_at.is_not(None)
)
_IS_BLOCKED: Final = select(_BLOCKED)
_BEGIN_SENDING: Final = _TURN.where(_T.state == TurnState.READY, ~_BLOCKED).values(
    state=TurnState.SENDING, epoch=bindparam("held_epoch"), sent_at=_NOW
)
_SENT: Final = _TURN.where(_T.state == TurnState.SENDING)
_FINISH: Final = _SENT.values(
    state=TurnState.FINISHED, report=bindparam("said", type_=_T.report.type), finished_at=_NOW
).returning(turns)
_GIVE_UP: Final = _SENT.values(state=TurnState.UNKNOWN, finished_at=_NOW)
_REOPEN: Final = _SENT.where(_T.epoch == bindparam("held_epoch")).values(
    state=TurnState.READY, epoch=None, sent_at=None
)
_OBSERVE: Final = _TURN.where(_T.state.in_((TurnState.SENDING, TurnState.FINISHED))).values(
    observations=_T.observations + 1, last_seen=bindparam("look", type_=_T.last_seen.type)
)


class Turns:
    """The turns of jobs. Every write is fenced by the claim; none moves a turn back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, job_id: str, position: int) -> Turn | None:
        """The turn of an instruction, if it was prepared."""
        with self._database.statement() as connection:
            row = connection.execute(_FIND, {"held_job": job_id, "at": position}).mappings().first()
        return None if row is None else _turn_from(row)

    def prepare(self, claim: Claim, position: int, before: Snapshot) -> None:
        """Keep what the session looked like before the turn. A turn still `ready` takes the newer look.

        Raises `ClaimLost` when the claim is gone or the turn was sent: the look comes too late.
        """
        kept = {"at": position, "tenant": claim.job.tenant_id, "look": before.row(), **held(claim)}
        with self._database.statement() as connection:
            if connection.execute(_PREPARE_AGAIN, kept).first() is None:
                raise ClaimLost(claim.job.id)

    def begin_sending(self, claim: Claim, position: int) -> None:
        """Commit the intent: from here on the instruction counts as sent. Exactly one call ever succeeds.

        Raises `TokenBlocked` once a block of the job's token is committed, and `ClaimLost` when the claim is gone or
        the turn is not `ready`. Then not a byte may leave.
        """
        try:
            self._write(claim, position, _BEGIN_SENDING)
        except ClaimLost:
            with self._database.statement() as connection:
                if connection.execute(_IS_BLOCKED, {"held_job": claim.job.id}).scalar_one():
                    raise TokenBlocked(retry_after=BLOCKED_AGAIN_S) from None
            raise

    def finish(self, claim: Claim, position: int, report: TurnReport | None) -> Turn:
        """Close a turn whose outcome is known: from its stream (`report`) or by observation (`None`). Returns it.

        Raises `ClaimLost`.
        """
        said = None if report is None else asdict(report)
        with self._database.statement() as connection:
            row = connection.execute(_FINISH, {"at": position, "said": said, **held(claim)}).mappings().first()
        if row is None:
            raise ClaimLost(claim.job.id)
        return _turn_from(row)

    def give_up(self, claim: Claim, position: int) -> None:
        """Close a turn whose outcome could not be found out. Raises `ClaimLost`."""
        self._write(claim, position, _GIVE_UP)

    def reopen(self, claim: Claim, position: int) -> None:
        """Make a turn that was proven not taken ready again. The proof is the caller's; see `jobs/steps/instruct.py`.

        Raises `ClaimLost` when the claim is gone or the turn was not sent under this very epoch.
        """
        self._write(claim, position, _REOPEN)

    def observe(self, claim: Claim, position: int, seen: Snapshot) -> None:
        """Count one look at the session after the stream ended or broke, and keep what it saw. Raises `ClaimLost`."""
        self._write(claim, position, _OBSERVE, look=seen.row())

    def _write(self, claim: Claim, position: int, statement: Update, **values: Any) -> None:
        with self._database.statement() as connection:
            if connection.execute(statement, {"at": position, **values, **held(claim)}).rowcount != 1:
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
