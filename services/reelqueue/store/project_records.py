"""Projects as their owners see them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, func, insert, select, text
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from reelqueue.domain.projects import NewProject, ProjectFilter, ProjectRecord
from reelqueue.domain.sessions import ProjectState
from reelqueue.errors import NotFound
from reelqueue.kit.ids import new_id
from reelqueue.store.engine import Database
from reelqueue.store.tables import draft_versions, jobs, projects

_P = projects.c
_NEWEST: ColumnElement[Any] = (
    select(func.max(draft_versions.c.number))
    .where(draft_versions.c.project_id == _P.id)
    .correlate(projects)
    .scalar_subquery()
    .label("version")
)
_LIVE: ColumnElement[Any] = (
    select(func.coalesce(func.jsonb_agg(aggregate_order_by(jobs.c.id, jobs.c.id)), text("'[]'::jsonb"), type_=JSONB))
    .where(jobs.c.project_id == _P.id, jobs.c.dispatch != "done")
    .correlate(projects)
    .scalar_subquery()
    .label("live_jobs")
)
_COLUMNS = (*projects.c, _NEWEST, _LIVE)


def add_project(connection: Connection, tenant_id: str, new: NewProject) -> str:
    """The id of a new project, without a session yet; in the caller's transaction."""
    statement = insert(projects).values(
        id=new_id("project"),
        tenant_id=tenant_id,
        state=ProjectState.NEW,
        name=new.name,
        language=new.language,
        metadata=dict(new.metadata),
        external_id=new.external_id,
        customer=new.customer,
    )
    made: str = connection.execute(statement.returning(_P.id)).scalar_one()
    return made


class ProjectRecords:
    """A tenant's projects, whoever made them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, tenant_id: str, new: NewProject) -> ProjectRecord:
        """A new project, without a session yet."""
        with self._database.statement() as connection:
            made = add_project(connection, tenant_id, new)
        return self.find(tenant_id, made)

    def find(self, tenant_id: str, project_id: str) -> ProjectRecord:
        """One project. Raises `NotFound`."""
        statement = select(*_COLUMNS).where(_P.tenant_id == tenant_id, _P.id == project_id)
        with self._database.statement() as connection:
            row = connection.execute(statement).mappings().first()
        if row is None:
            raise NotFound
        return _record_from(row)

    def list(self, tenant_id: str, narrow: ProjectFilter, *, before: str | None, limit: int) -> list[ProjectRecord]:
        """Up to `limit` projects, newest first, older than the id `before`."""
        statement = select(*_COLUMNS).where(_P.tenant_id == tenant_id)
        if before is not None:
            statement = statement.where(_P.id < before)
        if narrow.external_id is not None:
            statement = statement.where(_P.external_id == narrow.external_id)
        if narrow.customer is not None:
            statement = statement.where(_P.customer == narrow.customer)
        with self._database.statement() as connection:
            rows = connection.execute(statement.order_by(_P.id.desc()).limit(limit)).mappings()
            return [_record_from(row) for row in rows]


def _record_from(row: RowMapping) -> ProjectRecord:
    return ProjectRecord(
        id=row["id"],
        tenant_id=row["tenant_id"],
        state=ProjectState(row["state"]),
        name=row["name"],
        language=row["language"],
        metadata=row["metadata"],
        external_id=row["external_id"],
        customer=row["customer"],
        created_at=row["created_at"],
        version=row["version"],
        live_jobs=tuple(row["live_jobs"]),
    )
