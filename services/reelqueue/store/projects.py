"""Upstream sessions, known to us before they exist."""

from __future__ import annotations

from sqlalchemy import RowMapping, func, insert, select, update

from reelqueue.domain.claims import Claim, ClaimLost
from reelqueue.domain.jobs import Status
from reelqueue.domain.sessions import Project, ProjectState
from reelqueue.domain.upstream import NemoSession
from reelqueue.kit.ids import new_id
from reelqueue.store.engine import Database
from reelqueue.store.tables import job_inputs, jobs, projects


class Projects:
    """The sessions behind jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, tenant_id: str, project_id: str) -> Project:
        """The project of a job; it exists, since the job names it."""
        statement = select(projects).where(projects.c.tenant_id == tenant_id, projects.c.id == project_id)
        with self._database.statement() as connection:
            return _project_from(connection.execute(statement).mappings().one())

    def begin(self, claim: Claim, token_id: str) -> Project:
        """Write that a session is about to be made, and bind it to the job, before the upstream hears of it.

        A session whose making broke off stays `creating`; the next try makes another, and the old row tells of it. What
        was sent into an earlier session counts as not sent any more. Raises `ClaimLost`.
        """
        project_id = new_id("project")
        values = {"id": project_id, "tenant_id": claim.job.tenant_id, "token_id": token_id}
        make = insert(projects).values(**values, state=ProjectState.CREATING).returning(projects)
        bind = (
            update(jobs)
            .where(jobs.c.id == claim.job.id, jobs.c.lease_epoch == claim.epoch, jobs.c.lease_owner == claim.worker_id)
            .values(project_id=project_id)
        )
        with self._database.transaction() as connection:
            project = _project_from(connection.execute(make).mappings().one())
            if connection.execute(bind).rowcount != 1:
                raise ClaimLost(claim.job.id)
            if claim.job.status is not Status.QUEUED:
                connection.execute(
                    update(job_inputs).where(job_inputs.c.job_id == claim.job.id).values(state="pending")
                )
        return project

    def ready(self, project: Project, session: NemoSession) -> Project:
        """Keep the ids that the upstream gave. Safe to lose: the next try begins a new project."""
        statement = (
            update(projects)
            .where(projects.c.id == project.id, projects.c.state == ProjectState.CREATING)
            .values(
                state=ProjectState.READY,
                session_id=session.session_id,
                task_id=session.task_id,
                user_id=session.user_id,
            )
            .returning(projects)
        )
        with self._database.statement() as connection:
            return _project_from(connection.execute(statement).mappings().one())

    def lost(self, project_id: str) -> None:
        """The upstream no longer knows the session."""
        statement = (
            update(projects)
            .where(projects.c.id == project_id, projects.c.session_id.is_not(None))
            .values(state=ProjectState.LOST)
        )
        with self._database.statement() as connection:
            connection.execute(statement)

    def unfinished(self, older_than_s: float = 3600) -> int:
        """How many sessions may exist upstream without our knowing their id: made, and the answer lost."""
        statement = select(func.count()).where(
            projects.c.state == ProjectState.CREATING,
            projects.c.created_at < func.now() - func.make_interval(0, 0, 0, 0, 0, 0, older_than_s),
        )
        with self._database.statement() as connection:
            return int(connection.execute(statement).scalar_one())


def _project_from(row: RowMapping) -> Project:
    return Project(
        id=row["id"],
        tenant_id=row["tenant_id"],
        token_id=row["token_id"],
        state=ProjectState(row["state"]),
        session_id=row["session_id"],
        task_id=row["task_id"],
        user_id=row["user_id"],
    )
