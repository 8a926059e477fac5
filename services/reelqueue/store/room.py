"""What a new job waits for: room under its tenant's cap, or on a token. True at the moment it is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sqlalchemy import text

from reelqueue.domain.jobs import Job, WaitingReason
from reelqueue.store.placement import (
    BLOCKED,
    COOLING,
    LACKS,
    RENDERS_FREE,
    SERVES,
    TURNS_FREE,
    WAITED_FOR,
    bound_token,
    needs_render,
)

_NEEDED: Final = f"""CASE WHEN {needs_render("jobs")} THEN {RENDERS_FREE} ELSE {TURNS_FREE} END"""
_BOUND: Final = bound_token("jobs.project_id", "jobs.version")
_ITS: Final = "(k.tenant_id = :room_of OR k.tenant_id IS NULL)"
_FULL: Final = WaitingReason.TOKEN_ROOM.value
_RESTS: Final = WaitingReason.TOKEN_COOLING.value
_BLOCKED: Final = WaitingReason.TOKEN_BLOCKED.value


# Each subquery but that of a project's token names no column of the job: the database answers it once a statement,
# however long the list, and not at all where no job waits for its turn. Of the tokens one answers for all, in the order
# of `UpstreamTokens.pick`: the tenant's own before the pool's, one with room before one without.
_ROOM: Final = f"""
CASE WHEN jobs.dispatch = 'idle' AND jobs.admitted_at IS NULL THEN CASE
    WHEN (SELECT count(*) FROM jobs r
          WHERE r.tenant_id = :room_of AND r.admitted_at IS NOT NULL AND r.dispatch <> 'done')
        >= (SELECT t.max_running FROM tenants t WHERE t.id = :room_of) THEN '{WaitingReason.TENANT_CAP.value}'
    ELSE nullif(coalesce(
        CASE WHEN jobs.project_id IS NOT NULL THEN (
            SELECT CASE WHEN {BLOCKED} THEN '{_BLOCKED}' WHEN {COOLING} THEN '{_RESTS}'
                        WHEN {_NEEDED} = 0 THEN '{_FULL}' ELSE '' END
            FROM upstream_tokens k WHERE k.id = {_BOUND}) END,
        (SELECT CASE WHEN free.turns > 0 THEN '' ELSE '{_FULL}' END
         FROM upstream_tokens k CROSS JOIN LATERAL (SELECT {TURNS_FREE} AS turns) free
         WHERE {_ITS} AND {SERVES} ORDER BY {LACKS}, k.tenant_id IS NULL, free.turns = 0 LIMIT 1),
        (SELECT CASE WHEN {BLOCKED} THEN '{_BLOCKED}' ELSE '{_RESTS}' END FROM upstream_tokens k
         WHERE {_ITS} AND {WAITED_FOR} ORDER BY {BLOCKED} LIMIT 1)), '') END END AS room"""  # noqa: S608
ROOM: Final = text(" ".join(_ROOM.split()))
"""A column of a statement over the jobs of one tenant, `:room_of`: what a new job waits for, as a `WaitingReason`."""


def waiting_for_room(job: Job, room: str | None) -> Job:
    """The job, with the reason that `ROOM` found in place of `its_turn`."""
    if room is None or job.waiting is None or job.waiting.reason is not WaitingReason.TURN:
        return job
    return replace(job, waiting=replace(job.waiting, reason=WaitingReason(room)))
