"""What the rows say of a job that has ended, for whoever wants to go on where it stopped."""

from __future__ import annotations

from sqlalchemy import and_, exists, func, or_, select

from reelqueue.domain.jobs import EventType
from reelqueue.domain.retrying import PastJob
from reelqueue.domain.sessions import ProjectState
from reelqueue.errors import NotFound
from reelqueue.store.engine import Database
from reelqueue.store.open_turns import OPEN_TURN
from reelqueue.store.rows import JOB_COLUMNS, job_from
from reelqueue.store.tables import draft_versions, job_events, jobs, projects

_earlier = jobs.alias("earlier")

_MOVED_ON = (
    exists()
    .where(
        job_events.c.job_id == jobs.c.id,
        or_(
            job_events.c.type == EventType.RENDERING,
            and_(
                job_events.c.type == EventType.INSTRUCTING,
                job_events.c.data["instruction"].as_integer() == jobs.c.instruction_index,
                # An answer is said within an instruction: it is no step on.
                ~job_events.c.data.has_key("answered"),
            ),
            # The canceled turn was carried out after all, and the job's place moved past it.
            and_(job_events.c.type == EventType.RECOVERED, job_events.c.data.has_key("version")),
        ),
    )
    .label("moved_on")
)
_PROJECT_READY = (
    exists()
    .where(projects.c.id == jobs.c.project_id, projects.c.state == ProjectState.READY)
    .correlate(jobs)
    .label("project_ready")
)
_PROJECT_IS_OLDER = (
    exists()
    .where(_earlier.c.project_id == jobs.c.project_id, _earlier.c.id < jobs.c.id)
    .correlate(jobs)
    .label("project_is_older")
)

_VERSION = (
    select(func.max(draft_versions.c.number))
    .where(draft_versions.c.job_id == jobs.c.id)
    .correlate(jobs)
    .scalar_subquery()
    .label("left_version")
)


class PastJobs:
    """Jobs as a retry sees them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, tenant_id: str, job_id: str) -> PastJob:
        """One job of the tenant's, ended or not. Raises `NotFound`."""
        statement = select(*JOB_COLUMNS, OPEN_TURN, _MOVED_ON, _PROJECT_READY, _PROJECT_IS_OLDER, _VERSION).where(
            jobs.c.tenant_id == tenant_id, jobs.c.id == job_id
        )
        with self._database.statement() as connection:
            row = connection.execute(statement).mappings().first()
        if row is None:
            raise NotFound
        return PastJob(
            job=job_from(row),
            open_turn=row["open_turn"],
            moved_on=row["moved_on"],
            project_ready=row["project_ready"],
            project_is_older=row["project_is_older"],
            version=row["left_version"],
        )
