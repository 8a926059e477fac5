"""Room on a token: reserved before a bell is rung, given up by the write that ends its use.

A job that runs holds a slot of its token: `turn` until its last instruction is settled, `render` while its export runs,
nothing while it saves or waits for its owner. `wants` names the slot that an admitted job needs to go on and does not
hold; the continue lane rings it when there is room. What a turn slot was held for is in `held`, until the dispatcher
settles it with the tenant (`settlement`).
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, case, func, null, text

from reelqueue.domain.jobs import Status
from reelqueue.store.placement import RENDERS_FREE, TURNS_FREE
from reelqueue.store.tables import jobs

ROOM_LOCK: Final = 0x7265656C
"""The advisory lock of whoever reserves room: what it counts must not be taken by another in the meantime."""

HOLD_ROOM: Final = f"(SELECT pg_advisory_xact_lock({ROOM_LOCK}) IS NOT NULL)"
"""As a condition, evaluated once and before any row: be the only one who reserves, until the transaction ends."""

_J = jobs.c
_IN_SECONDS = func.extract("epoch", func.now() - _J.slot_since)

GIVEN_UP: Final[dict[str, Any]] = {
    "slot": None,
    "slot_since": None,
    "wants": None,
    "held": case((_J.slot == "turn", func.coalesce(_J.held, 0) + _IN_SECONDS), else_=_J.held),
}
"""The columns of a job that occupies nothing of its token from now on."""

_GRANT = text(f"""
WITH room AS MATERIALIZED (
    SELECT k.id, CASE WHEN k.health = 'cooling' AND k.cooling_until > now() THEN 0 ELSE {TURNS_FREE} END AS turn,
           CASE WHEN k.health = 'cooling' AND k.cooling_until > now() THEN 0 ELSE {RENDERS_FREE} END AS render
    FROM upstream_tokens k
    WHERE k.id IN (SELECT token_id FROM jobs WHERE dispatch = 'idle' AND wants IS NOT NULL)
), line AS (
    SELECT j.id, j.wants, j.due_at, row_number() OVER (PARTITION BY j.token_id, j.wants ORDER BY j.due_at, j.id) AS n,
           CASE j.wants WHEN 'turn' THEN r.turn ELSE r.render END AS free
    FROM jobs j JOIN room r ON r.id = j.token_id
    WHERE j.dispatch = 'idle' AND j.wants IS NOT NULL AND j.queue = :queue AND j.due_at <= now()
), chosen AS MATERIALIZED (
    SELECT id FROM jobs
    WHERE id = ANY (ARRAY(SELECT id FROM line WHERE n <= free ORDER BY due_at LIMIT :most)) AND dispatch = 'idle'
    FOR UPDATE SKIP LOCKED
)
UPDATE jobs SET dispatch = 'rung', bell_at = now(), bells = 1, slot = wants, slot_since = now(), wants = NULL
WHERE id = ANY (ARRAY(SELECT id FROM chosen)) AND wants IS NOT NULL
RETURNING id
""")  # noqa: S608 - the conditions are ours
WANTED: Final = "EXISTS (SELECT FROM jobs WHERE dispatch = 'idle' AND wants IS NOT NULL AND queue = :queue)"
"""Whether any admitted job of the queue waits for room."""


def on_move(origin: Status, to: Status) -> dict[str, Any]:
    """What a move does to a job's slot. A job that was given no token occupies nothing and wants nothing."""
    if to.is_final or to in (Status.SAVING, Status.REQUIRES_INPUT):
        return GIVEN_UP
    if (origin, to) == (Status.INSTRUCTING, Status.RENDERING):
        return {**GIVEN_UP, "wants": _wanted("render")}
    if (origin, to) == (Status.REQUIRES_INPUT, Status.INSTRUCTING):
        return {"wants": _wanted("turn")}
    return {}


def gives_up(origin: Status, to: Status) -> bool:
    """Whether the move makes room for others."""
    return "held" in on_move(origin, to)


def occupying(token_id: str) -> dict[str, Any]:
    """The columns of a job that works on this token, whichever was reserved for it before, if any was."""
    return {
        "token_id": token_id,
        "slot": func.coalesce(_J.slot, "turn"),
        "slot_since": func.coalesce(_J.slot_since, func.now()),
    }


def grant(connection: Connection, queue: str, most: int) -> list[str]:
    """Ring admitted jobs that wait for room and find it, the longest due of each token first. In a transaction."""
    # A statement of its own: what the next one counts must be what the last to reserve has committed.
    connection.execute(text(f"SELECT {HOLD_ROOM}"))
    return list(connection.execute(_GRANT, {"queue": queue, "most": most}).scalars())


def _wanted(kind: str) -> ColumnElement[Any]:
    """Nobody waits for room who is on the way out."""
    return case((_J.token_id.is_not(None) & _J.cancel_requested_at.is_(None), kind), else_=null())
