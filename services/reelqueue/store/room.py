"""Whether a new job finds room: under its tenant's cap, and on the upstream tokens. True at the moment it is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Column, ColumnElement, and_, case, exists, func, literal, null, or_, select
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from reelqueue.domain.jobs import Job, WaitingReason
from reelqueue.domain.tokens import TokenHealth
from reelqueue.store.tables import jobs, tenants, upstream_tokens

_K = upstream_tokens.c


def room_of(tenant_id: str) -> ColumnElement[Any]:
    """A column of a statement over one tenant's jobs: what a new job waits for, as a `WaitingReason`, or null.

    It names no column of the job behind its condition, so that the database finds it out once a statement, however
    long the list, and not at all where no job waits for its turn.
    """
    found = case(
        (_tenant_is_full(tenant_id), literal(WaitingReason.TENANT_CAP.value)),
        (_tokens_are_full(tenant_id), literal(WaitingReason.TOKEN_ROOM.value)),
        else_=null(),
    )
    return case(
        (and_(jobs.c.dispatch == "idle", jobs.c.admitted_at.is_(None)), select(found).scalar_subquery()), else_=null()
    ).label("room")


def waiting_for_room(job: Job, room: str | None) -> Job:
    """The job, with the reason that `room_of` found in place of `its_turn`."""
    if room is None or job.waiting is None or job.waiting.reason is not WaitingReason.TURN:
        return job
    return replace(job, waiting=replace(job.waiting, reason=WaitingReason(room)))


def _tenant_is_full(tenant_id: str) -> ColumnElement[bool]:
    running = jobs.alias("running")
    count = (
        select(func.count())
        .select_from(running)
        .where(running.c.tenant_id == tenant_id, running.c.admitted_at.is_not(None), running.c.dispatch != "done")
        .scalar_subquery()
    )
    cap = select(tenants.c.max_running).where(tenants.c.id == tenant_id).scalar_subquery()
    return count >= cap


def _tokens_are_full(tenant_id: str) -> ColumnElement[bool]:
    """Whether there are tokens that a new project could go to, and none of them with room for a turn."""
    carried = jobs.alias("carried")
    in_use = (
        select(func.count())
        .select_from(carried)
        .where(carried.c.token_id == _K.id, carried.c.slot == "turn")
        .correlate(upstream_tokens)
        .scalar_subquery()
    )
    open_ = _open_to(tenant_id)
    return and_(exists().where(open_), ~exists().where(open_, in_use < _K.max_turns))


def _open_to(tenant_id: str) -> ColumnElement[bool]:
    """The tokens that a tenant's new projects go to: its own if one of these can be used, else the pool's."""
    own = upstream_tokens.alias("own")
    has_own = exists().where(own.c.tenant_id == tenant_id, _usable(own.c))
    return and_(_usable(_K), or_(_K.tenant_id == tenant_id, and_(_K.tenant_id.is_(None), ~has_own)))


def _usable(token: ReadOnlyColumnCollection[str, Column[Any]]) -> ColumnElement[bool]:
    cooled = and_(token.health == TokenHealth.COOLING, token.cooling_until <= func.now())
    return and_(token.removed_at.is_(None), or_(token.health == TokenHealth.OK, cooled))
