"""What a job's waiting comes from, read in one snapshot: its row, its tenant, its flow, its project, its token."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, RowMapping, select, text

from reelqueue.domain.breakers import ADMITTING
from reelqueue.domain.jobs import Job, Status, WaitingReason
from reelqueue.domain.tokens import TokenHealth
from reelqueue.domain.why import BreakerFacts, Facts, TokenFacts
from reelqueue.errors import NotFound
from reelqueue.store.engine import Database, widen
from reelqueue.store.placement import BLOCKED, COOLING, RENDERS_FREE, TURNS_FREE, USABLE, WAITED_FOR, bound_token
from reelqueue.store.rows import JOB_COLUMNS, job_from
from reelqueue.store.tables import breakers, jobs

NEVER: Final = datetime.max.replace(tzinfo=UTC)
MOST_COUNTED: Final = 10_000
"""Waiting jobs of a tenant that a place is counted among."""

_SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

_TENANT = text("""
SELECT t.paused, t.max_running, now() AS moment,
       (SELECT count(*) FROM jobs r
        WHERE r.tenant_id = t.id AND r.admitted_at IS NOT NULL AND r.dispatch <> 'done') AS running,
       t.weight / (t.weight + coalesce(
           (SELECT sum(o.weight) FROM tenants o WHERE o.has_waiting AND o.id <> t.id), 0))::float8 AS share
FROM tenants t WHERE t.id = :tenant_id
""")
# Over the limit the place is not known; a count of a million rows would cost more than it tells.
_PLACE = text("""
SELECT count(*) AS looked_at,
       count(*) FILTER (WHERE coalesce(w.customer, '') = CAST(:customer AS text)
                          AND (w.priority, w.id) < (:rank, :id)) AS place
FROM (SELECT customer, priority, id FROM jobs
      WHERE tenant_id = :tenant_id AND dispatch = 'idle' AND admitted_at IS NULL LIMIT :most) w
""")
_PROJECT = text("""
SELECT (SELECT o.id FROM jobs o
        WHERE o.project_id = :project_id AND o.version IS NULL AND o.dispatch <> 'done' AND o.id <> :id
          AND (o.admitted_at IS NOT NULL OR o.id < :id)
        ORDER BY o.admitted_at IS NULL, o.id LIMIT 1) AS job,
       EXISTS (SELECT FROM recoveries w
               WHERE w.project_id = :project_id AND w.kind = 'turn' AND w.dispatch <> 'done') AS watched
""")
_BOUND = f"coalesce(CAST(:token_id AS text), {bound_token(':project_id', 'CAST(:version AS integer)')})"
# The token of the job, else of its project; else those that a new project could go to, now or after a pause.
_TOKEN = text(f"""
SELECT k.id, k.tenant_id IS NOT NULL AS own, k.user_id, {BLOCKED} AS blocked,
       CASE WHEN {BLOCKED} THEN '{TokenHealth.BLOCKED.value}' ELSE k.health END AS health,
       CASE WHEN {COOLING} THEN k.cooling_until END AS cooling_until,
       k.max_turns, {TURNS_FREE} AS turns_free, k.max_renders, {RENDERS_FREE} AS renders_free
FROM upstream_tokens k
WHERE k.id = {_BOUND}
   OR ({_BOUND} IS NULL AND (k.tenant_id = :tenant_id OR k.tenant_id IS NULL) AND ({USABLE} OR {WAITED_FOR}))
""")  # noqa: S608 - the conditions are ours


class WaitingFacts:
    """Reads, and nothing else."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, tenant_id: str, job_id: str) -> Facts:
        """What holds for one of the tenant's jobs now. Raises `NotFound`."""
        with self._database.transaction() as connection:
            connection.execute(_SNAPSHOT)
            mine = (jobs.c.tenant_id == tenant_id, jobs.c.id == job_id)
            row = connection.execute(select(*JOB_COLUMNS).where(*mine)).mappings().first()
            if row is None:
                raise NotFound
            # What it waits for is shared: the other tenants' weights, and what their jobs occupy of a token.
            widen(connection)
            return _facts(connection, row, job_from(row))


def _facts(connection: Connection, row: RowMapping, job: Job) -> Facts:
    tenant = connection.execute(_TENANT, {"tenant_id": job.tenant_id}).mappings().one()
    waits = row["admitted_at"] is None and not job.status.is_final
    project = None
    if job.project_id is not None and waits and job.version is None:
        asked = {"project_id": job.project_id, "id": job.id}
        project = connection.execute(_PROJECT, asked).mappings().one()
    return Facts(
        job=job,
        now=tenant["moment"],
        admitted_at=row["admitted_at"],
        due_at=row["due_at"],
        running=tenant["running"],
        max_running=tenant["max_running"],
        paused=tenant["paused"],
        share=tenant["share"],
        place=_place(connection, job) if waits else None,
        project_job=None if project is None else project["job"],
        project_turn_watched=project is not None and project["watched"],
        token=None if job.status.is_final else _token(connection, job),
        breaker=_breaker(connection, job),
    )


def _place(connection: Connection, job: Job) -> int | None:
    parameters: Mapping[str, Any] = {
        "tenant_id": job.tenant_id,
        "customer": job.customer or "",
        "rank": job.priority.rank,
        "id": job.id,
        "most": MOST_COUNTED,
    }
    found = connection.execute(_PLACE, parameters).one()
    return found.place if found.looked_at < MOST_COUNTED else None


def _token(connection: Connection, job: Job) -> TokenFacts | None:
    """The token that decides: of those in question the nearest to taking the job.

    A tenant's own come before the pool, if one of them can be used; those that rest only where all do, and
    those that are blocked only where there is nothing else.
    """
    parameters = {
        "token_id": job.token_id,
        "project_id": job.project_id,
        "version": job.version,
        "tenant_id": job.tenant_id,
    }
    nothing_but_exports = job.instruction_index >= len(job.instructions) and bool(job.outputs)
    exports = job.status in (Status.RENDERING, Status.SAVING) or nothing_but_exports
    kind: Literal["turn", "render"] = "render" if exports else "turn"
    found = [_token_facts(row, kind) for row in connection.execute(_TOKEN, parameters).mappings()]
    awake = [one for one in found if one.cooling_until is None and not one.blocked]
    if not awake:
        return min(found, key=lambda one: one.cooling_until or NEVER, default=None)
    source = [one for one in awake if one.own] or awake
    return min(source, key=lambda one: one.full)


def _token_facts(row: RowMapping, kind: Literal["turn", "render"]) -> TokenFacts:
    own, free, most = row["own"], row[f"{kind}s_free"], row[f"max_{kind}s"]
    return TokenFacts(
        own=own,
        id=row["id"] if own else None,
        full=free == 0,
        slots_in_use=most - free if own else None,
        max_slots=most if own else None,
        cooling_until=row["cooling_until"],
        blocked=row["blocked"],
        health=row["health"],
        user_id=row["user_id"] if own else None,
    )


def _breaker(connection: Connection, job: Job) -> BreakerFacts | None:
    """The open breaker that the job waits for: of the phase it names, or of those without which none is admitted."""
    if job.waiting is None or job.waiting.reason is not WaitingReason.UPSTREAM_DEGRADED:
        return None
    phases = sorted(ADMITTING) if job.waiting.detail is None else [job.waiting.detail]
    open_ones = (
        select(breakers.c.phase, breakers.c.state, breakers.c.next_probe_at)
        .where(breakers.c.phase.in_(phases), breakers.c.state != "closed")
        .order_by(breakers.c.opened_at)
        .limit(1)
    )
    row = connection.execute(open_ones).mappings().first()
    return None if row is None else BreakerFacts(**row)
