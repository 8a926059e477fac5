"""Upstream sessions, known to us before they exist."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, exists, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from reelqueue.domain.claims import Claim, ClaimLost
from reelqueue.domain.jobs import Status
from reelqueue.domain.sessions import Project, ProjectState
from reelqueue.domain.turns import TurnState
from reelqueue.domain.upstream import NemoSession
from reelqueue.errors import SessionNotFound
from reelqueue.kit.ids import new_id
from reelqueue.store.engine import Database
from reelqueue.store.fence import HELD, held
from reelqueue.store.slots import occupying
from reelqueue.store.tables import former_sessions, job_inputs, jobs, projects, turns

_P = projects.c
_FIND: Final = select(projects).where(_P.tenant_id == bindparam("tenant"), _P.id == bindparam("project"))


class Projects:
    """The sessions behind jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, tenant_id: str, project_id: str) -> Project | None:
        """The project of a job; `None` where no session was ever begun for it. It exists, since the job names it."""
        with self._database.statement() as connection:
            row = connection.execute(_FIND, {"tenant": tenant_id, "project": project_id}).mappings().one()
        return None if row["token_id"] is None else _project_from(row)

    def begin(self, claim: Claim, token_id: str) -> Project:
        """Write that a session is about to be made for the job's project, before the upstream hears of it.

        A job without a project gets one. In a project that had a session, or one whose making broke off, that stays on
        record as a former session, and what this job sent into it counts as not sent any more. Raises `ClaimLost`, and
        `SessionNotFound` where the lost session held a turn, or inputs of other jobs: a new one would lack them.
        """
        with self._database.transaction() as connection:
            if claim.job.project_id is None:
                project = _first(connection, claim, token_id)
            else:
                project = _again(connection, claim, claim.job.project_id, token_id)
            if claim.job.status is not Status.QUEUED:
                connection.execute(
                    update(job_inputs).where(job_inputs.c.job_id == claim.job.id).values(state="pending")
                )
        return project

    def ready(self, project: Project, session: NemoSession) -> Project:
        """Keep the ids that the upstream gave. Safe to lose: the next try begins a new session.

        Raises `ClaimLost` where another session was begun meanwhile; then this one is put on record as a former one.
        """
        known = {"session_id": session.session_id, "task_id": session.task_id}
        statement = (
            update(projects)
            .where(_P.id == project.id, _P.state == ProjectState.CREATING, _P.openings == project.opening)
            .values(state=ProjectState.READY, user_id=session.user_id, **known)
            .returning(projects)
        )
        with self._database.statement() as connection:
            row = connection.execute(statement).mappings().first()
            if row is not None:
                return _project_from(row)
            former = {"project_id": project.id, "opening": project.opening, "tenant_id": project.tenant_id}
            late = upsert(former_sessions).values(**former, token_id=project.token_id, **known)
            keys = [former_sessions.c.project_id, former_sessions.c.opening]
            connection.execute(late.on_conflict_do_update(index_elements=keys, set_=known))
        raise ClaimLost(project.id)

    def lost(self, project_id: str) -> None:
        """The upstream no longer knows the session."""
        statement = update(projects).where(_P.id == project_id, _P.session_id.is_not(None))
        with self._database.statement() as connection:
            connection.execute(statement.values(state=ProjectState.LOST))

    def unfinished(self, older_than_s: float = 3600) -> int:
        """How many sessions may exist upstream without our knowing their id: made, and the answer lost."""
        aged = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, older_than_s)
        open_ = select(func.count()).where(_P.state == ProjectState.CREATING, _P.created_at < aged)
        former = select(func.count()).where(former_sessions.c.session_id.is_(None), former_sessions.c.created_at < aged)
        with self._database.statement() as connection:
            counts = select(open_.scalar_subquery() + former.scalar_subquery())
            return int(connection.execute(counts).scalar_one())


def _first(connection: Connection, claim: Claim, token_id: str) -> Project:
    """A project of the job's own."""
    values = {"id": new_id("project"), "tenant_id": claim.job.tenant_id, "token_id": token_id}
    make = insert(projects).values(**values, state=ProjectState.CREATING).returning(projects)
    project = _project_from(connection.execute(make).mappings().one())
    bind = (
        update(jobs)
        .where(jobs.c.id == claim.job.id, jobs.c.lease_epoch == claim.epoch, jobs.c.lease_owner == claim.worker_id)
        .values(project_id=project.id, **occupying(token_id))
    )
    if connection.execute(bind).rowcount != 1:
        raise ClaimLost(claim.job.id)
    return project


def _again(connection: Connection, claim: Claim, project_id: str, token_id: str) -> Project:
    """Another session for a project, in place of the one that is lost or was never made."""
    statement = select(projects, _holds_work(claim).label("holds_work")).where(_P.id == project_id, HELD)
    old = connection.execute(statement.with_for_update(of=projects), held(claim)).mappings().first()
    if old is None:
        raise ClaimLost(claim.job.id)
    if old["holds_work"]:
        raise SessionNotFound
    if old["state"] != ProjectState.NEW:
        former = {key: old[key] for key in ("tenant_id", "token_id", "session_id", "task_id")}
        connection.execute(insert(former_sessions).values(project_id=project_id, opening=old["openings"], **former))
    if claim.job.token_id != token_id:
        connection.execute(update(jobs).where(jobs.c.id == claim.job.id).values(**occupying(token_id)))
    begun = (
        update(projects)
        .where(_P.id == project_id)
        .values(
            state=ProjectState.CREATING,
            token_id=token_id,
            session_id=None,
            task_id=None,
            user_id=None,
            openings=old["openings"] + (old["state"] != ProjectState.NEW),
        )
        .returning(projects)
    )
    return _project_from(connection.execute(begun).mappings().one())


def _holds_work(claim: Claim) -> ColumnElement[bool]:
    """Whether something is in the project's session that this job cannot bring again: a turn, or others' inputs."""
    turn_sent = exists().where(
        jobs.c.project_id == _P.id, turns.c.job_id == jobs.c.id, turns.c.state != TurnState.READY
    )
    others_input = exists().where(
        jobs.c.project_id == _P.id,
        jobs.c.id != claim.job.id,
        job_inputs.c.job_id == jobs.c.id,
        job_inputs.c.state != "pending",
    )
    return or_(turn_sent, others_input)


def _project_from(row: RowMapping) -> Project:
    return Project(
        id=row["id"],
        tenant_id=row["tenant_id"],
        token_id=row["token_id"],
        state=ProjectState(row["state"]),
        session_id=row["session_id"],
        task_id=row["task_id"],
        user_id=row["user_id"],
        opening=row["openings"],
    )
