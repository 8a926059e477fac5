"""The breakers' rows: read whole, changed one at a time under the row's lock, and told of in the same transaction.

What a change is, is decided in `domain/breakers.py`, with the database's clock as `now`. A phase without a row is
closed. Nothing here is written for a healthy job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from reelqueue.domain.breakers import (
    ADMITTING,
    Breaker,
    BreakerPolicy,
    Failure,
    News,
    Phase,
    ProbeEnd,
    UpstreamEventType,
    after_failure,
    after_probe,
    held_open,
    news,
    released,
)
from reelqueue.domain.event_data import upstream_data
from reelqueue.store.engine import Database, widen
from reelqueue.store.outbox import tell
from reelqueue.store.tables import breakers, tenants

_B = breakers.c

# One at a time: the next one comes when it has gone, or begun to work, as far as NemoVideo lets it.
_ADMISSION = text("""
SELECT CASE
    WHEN EXISTS (
        SELECT FROM jobs WHERE admitted_at IS NOT NULL AND dispatch <> 'done'
        AND status IN ('queued', 'uploading', 'instructing')
        AND (waiting IS NULL OR waiting ->> 'reason' = 'upstream_degraded')) THEN 0
    WHEN bool_or(held) THEN 0
    ELSE 1 END
FROM breakers WHERE phase = ANY (:phases) AND state <> 'closed' HAVING count(*) > 0
""")


@dataclass(frozen=True, slots=True)
class View:
    """All breakers at one moment of the database's clock."""

    now: datetime
    breakers: Mapping[Phase, Breaker]


class Breakers:
    """Reads and changes breakers. For any number of processes at once."""

    def __init__(self, database: Database, policy: BreakerPolicy) -> None:
        self._database = database
        self._policy = policy

    def view(self) -> View:
        """Every phase, those without a row as closed."""
        with self._database.statement() as connection:
            rows = connection.execute(
                select(func.now().label("moment"), breakers).select_from(
                    select(text("1")).subquery("one").outerjoin(breakers, text("true"))
                )
            ).mappings()
            found = list(rows)
        known = {one.phase: one for one in (_breaker(row) for row in found if row["phase"] is not None)}
        return View(found[0]["moment"], {phase: known.get(phase, Breaker(phase=phase)) for phase in Phase})

    def failed(self, phase: Phase, failure: Failure) -> tuple[Breaker, bool]:
        """Count a failure. Returns how the breaker stands, and whether this very failure opened it."""
        before, after = self._change(phase, lambda one, now: after_failure(one, failure, now, self._policy))
        return after, before.is_closed and not after.is_closed

    def take_probe(self, phase: Phase, probe: str) -> bool:
        """Take the one probe that is due. Of any number of processes one gets it; a dead one's is given on."""
        due = (_B.state == "open") & ~_B.held & (_B.next_probe_at <= func.now())
        given_up = (_B.state == "half_open") & (_B.probe_until <= func.now())
        until = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, self._policy.probe_s)
        taken = (
            update(breakers)
            .where(_B.phase == phase, or_(due, given_up))
            .values(state="half_open", probe=probe, probe_until=until, next_probe_at=None)
        )
        with self._database.statement() as connection:
            return connection.execute(taken).rowcount == 1

    def probed(self, phase: Phase, probe: str, outcome: ProbeEnd) -> Breaker:
        """Write down what became of a probe."""
        return self._change(phase, lambda one, now: after_probe(one, probe, outcome, now, self._policy))[1]

    def hold(self, phase: Phase, reason: str) -> Breaker:
        """Open a phase by hand. Every worker heeds it within seconds."""
        return self._change(phase, lambda one, now: held_open(one, reason, now))[1]

    def release(self, phase: Phase) -> Breaker:
        """Close a phase by hand."""
        return self._change(phase, released)[1]

    def tell_late(self) -> int:
        """Tell of openings that were too soon after the last telling, once they are not. Returns how many."""
        wanting = select(_B.phase).where(_B.state != "closed", _B.told.is_distinct_from("degraded"))
        with self._database.statement() as connection:
            phases = [Phase(one) for one in connection.execute(wanting).scalars()]
        return sum(self._change(phase, lambda one, _: one)[1].told == "degraded" for phase in phases)

    def admission(self) -> int | None:
        """How many new jobs may begin now: as many as there is room for (`None`), or what a probe needs."""
        with self._database.statement() as connection:
            found = connection.execute(_ADMISSION, {"phases": [phase.value for phase in ADMITTING]}).scalar()
        return None if found is None else int(found)

    def _change(self, phase: Phase, decide: Callable[[Breaker, datetime], Breaker]) -> tuple[Breaker, Breaker]:
        """Before and after. What is to be told of it is told in the same transaction, so once."""
        with self._database.transaction() as connection:
            connection.execute(upsert(breakers).values(phase=phase.value).on_conflict_do_nothing())
            row = connection.execute(
                select(breakers, func.clock_timestamp().label("moment")).where(_B.phase == phase).with_for_update()
            ).mappings()
            found = row.one()
            before, now = _breaker(found), found["moment"]
            after = decide(before, now)
            told = news(after, now, self._policy)
            values = _values(after) | ({} if told is None else {"told": told, "told_at": now})
            if values == _values(before):
                return before, after
            changed = update(breakers).where(_B.phase == phase).values(**values).returning(*breakers.c)
            after = _breaker(connection.execute(changed).mappings().one())
            if told is not None:
                _tell(connection, told, before if after.is_closed else after, now)
            return before, after


def _tell(connection: Connection, told: News, opening: Breaker, now: datetime) -> None:
    """An event for every tenant: it concerns them all."""
    widen(connection)
    kind = UpstreamEventType(f"upstream.{told}")
    data = upstream_data(
        phase=opening.phase.value, reason=opening.public_reason or "unknown", since=opening.opened_at or now
    )
    tell(connection, connection.execute(select(tenants.c.id).order_by(tenants.c.id)).scalars().all(), kind, now, data)


def _breaker(row: RowMapping) -> Breaker:
    values = {column.name: row[column.name] for column in breakers.c}
    return Breaker(**{**values, "phase": Phase(row["phase"]), "calls": tuple(row["calls"]), "jobs": tuple(row["jobs"])})


def _values(breaker: Breaker) -> dict[str, Any]:
    return {**asdict(breaker), "calls": list(breaker.calls), "jobs": list(breaker.jobs), "phase": breaker.phase.value}
