"""Versions of drafts: kept with the verdict of the turn that left them behind, and never changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, RowMapping, TextClause, select, text

from reelqueue.domain.claims import Claim, ClaimLost
from reelqueue.domain.jobs import Job
from reelqueue.domain.timeline_rows import timeline_from
from reelqueue.domain.versions import DraftVersion, NewVersion
from reelqueue.errors import NotFound
from reelqueue.store.engine import Database
from reelqueue.store.storable import dumps
from reelqueue.store.tables import draft_versions

_V = draft_versions.c
_SHOWN = (_V.project_id, _V.number, _V.job_id, _V.exportable, _V.created_at, _V.timeline, _V.facts)

# The first version is the first draft with something in it; after that every change counts, also to nothing.
_KEEP = """
WITH held AS MATERIALIZED (
    SELECT tenant_id FROM jobs WHERE {held} FOR UPDATE
), newest AS (
    SELECT number, digest FROM draft_versions WHERE project_id = :project_id ORDER BY number DESC LIMIT 1
), wanted AS (
    SELECT CASE WHEN EXISTS (SELECT FROM newest) THEN :digest <> (SELECT digest FROM newest)
                ELSE :exportable END AS yes
), kept AS (
    INSERT INTO draft_versions
        (project_id, number, tenant_id, job_id, position, digest, draft, timeline, facts, exportable)
    SELECT :project_id, coalesce((SELECT number FROM newest), 0) + 1, tenant_id,
           CASE WHEN CAST(:position AS integer) >= 0 THEN :job_id END, nullif(CAST(:position AS integer), -1),
           :digest, :draft, CAST(:timeline AS jsonb), CAST(:facts AS jsonb), :exportable
    FROM held WHERE (SELECT yes FROM wanted)
    ON CONFLICT DO NOTHING
    RETURNING number
)
SELECT coalesce((SELECT number FROM kept), (SELECT number FROM newest)) AS number,
       (SELECT number FROM kept) AS made, EXISTS (SELECT FROM kept) OR NOT (SELECT yes FROM wanted) AS settled
FROM held
"""
_BY_CLAIM = text(_KEEP.format(held="id = :job_id AND lease_epoch = :epoch AND lease_owner = :owner"))
_BY_JOB = text(_KEEP.format(held="id = :job_id"))


def keep(connection: Connection, claim: Claim, new: NewVersion) -> int | None:
    """Keep a draft, unless it is the newest version already; the number it has. `None`: there is nothing in it yet.

    The job's row stays locked until the transaction ends. Where somebody else took the number meanwhile, the next one
    is taken. Raises `ClaimLost`.
    """
    fence = {"epoch": claim.epoch, "owner": claim.worker_id}
    row = _kept(connection, _BY_CLAIM, {**_parameters(claim.job, new), **fence})
    if row is None:
        raise ClaimLost(claim.job.id)
    number: int | None = row.number
    return number


def keep_new(connection: Connection, job: Job, new: NewVersion) -> int | None:
    """Keep a draft for a job that has ended; `None` if it is the newest version already, or has nothing in it.

    The caller holds whatever makes the write safe; the job's row stays locked until the transaction ends.
    """
    row = _kept(connection, _BY_JOB, _parameters(job, new))
    made: int | None = None if row is None else row.made
    return made


def _kept(connection: Connection, statement: TextClause, parameters: Mapping[str, Any]) -> Row[Any] | None:
    """The number, once nobody else took it meanwhile; `None`: the job is not held."""
    while (row := connection.execute(statement, parameters).first()) is not None and not row.settled:
        pass
    return row


def _parameters(job: Job, new: NewVersion) -> dict[str, Any]:
    return {
        "job_id": job.id,
        "project_id": new.project_id,
        "position": -1 if new.position is None else new.position,
        "digest": new.digest,
        "draft": new.draft,
        "timeline": dumps(list(new.timeline)),
        "facts": dumps(dict(new.facts)),
        "exportable": new.exportable,
    }


class Versions:
    """The versions of projects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, claim: Claim, new: NewVersion) -> None:
        """Keep what was found before a turn, if somebody else changed it since the last one. Raises `ClaimLost`."""
        with self._database.statement() as connection:
            keep(connection, claim, new)

    def find(self, tenant_id: str, project_id: str, number: int | None) -> DraftVersion:
        """One version, or the newest. Raises `NotFound`."""
        statement = select(*_SHOWN).where(_V.tenant_id == tenant_id, _V.project_id == project_id)
        if number is not None:
            statement = statement.where(_V.number == number)
        with self._database.statement() as connection:
            row = connection.execute(statement.order_by(_V.number.desc()).limit(1)).mappings().first()
        if row is None:
            raise NotFound
        return _version_from(row)

    def list(self, tenant_id: str, project_id: str, *, before: int | None, limit: int) -> list[DraftVersion]:
        """Newest first, older than the number `before`."""
        statement = select(*_SHOWN).where(_V.tenant_id == tenant_id, _V.project_id == project_id)
        if before is not None:
            statement = statement.where(_V.number < before)
        with self._database.statement() as connection:
            rows = connection.execute(statement.order_by(_V.number.desc()).limit(limit)).mappings()
            return [_version_from(row) for row in rows]

    def draft(self, tenant_id: str, project_id: str, number: int) -> str:
        """The draft as JSON text, whole. Raises `NotFound`."""
        statement = select(_V.draft).where(_V.tenant_id == tenant_id, _V.project_id == project_id, _V.number == number)
        with self._database.statement() as connection:
            found: str | None = connection.execute(statement).scalar_one_or_none()
        if found is None:
            raise NotFound
        return found


def _version_from(row: RowMapping) -> DraftVersion:
    rows: tuple[Mapping[str, Any], ...] = tuple(row["timeline"])
    return DraftVersion(
        project_id=row["project_id"],
        number=row["number"],
        job_id=row["job_id"],
        exportable=row["exportable"],
        created_at=row["created_at"],
        timeline=timeline_from(rows, row["facts"]),
    )
