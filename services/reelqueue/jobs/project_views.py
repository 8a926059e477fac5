"""Reading projects: the timeline, as it was last seen or as it is now, and the link that opens it in a browser."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from reelqueue.domain.drafts import read_timeline
from reelqueue.domain.links import claim_link
from reelqueue.domain.sessions import Project, ProjectState
from reelqueue.domain.timeline import Timeline
from reelqueue.errors import NotFound, StateConflict
from reelqueue.jobs.ports import Upstream
from reelqueue.jobs.session import known_session
from reelqueue.jobs.submit_ports import ProjectRows, VersionRows
from reelqueue.jobs.token_desk import TokenDesk
from reelqueue.kit.clock import Clock


class SessionRows(Protocol):
    """`store.projects.Projects`, as far as it is asked here."""

    def find(self, tenant_id: str, project_id: str) -> Project | None:
        """The project's session, if one was ever begun."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineView:
    """A timeline and where it comes from: a version that was kept, or (`None`) a look taken just now."""

    timeline: Timeline
    version: int | None
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimLink:
    """A link for a person. Whoever has it can open the project in the web app; it has no rights in the API."""

    url: str = field(repr=False)
    expires_at: datetime | None


class ProjectViews:
    """Reads. The upstream is asked only where its answer is what was asked for. For many threads."""

    def __init__(
        self,
        *,
        projects: ProjectRows,
        versions: VersionRows,
        sessions: SessionRows,
        desk: TokenDesk,
        upstream: Upstream,
        clock: Clock,
        web_url: str,
    ) -> None:
        self._projects = projects
        self._versions = versions
        self._sessions = sessions
        self._desk = desk
        self._upstream = upstream
        self._clock = clock
        self._web_url = web_url

    def timeline(self, tenant_id: str, project_id: str, *, version: int | None, live: bool) -> TimelineView:
        """One version, the newest one, or NemoVideo's own answer. A project without any has an empty timeline.

        Raises NotFound for the project and for a version that is not there, StateConflict for a live look into a
        project without a session, and what reading the state raises.
        """
        record = self._projects.find(tenant_id, project_id)
        if live:
            session = self._session(tenant_id, project_id)
            session_id = known_session(session)
            state = self._desk.using(session.token_id, lambda credential: self._upstream.state(credential, session_id))
            return TimelineView(timeline=read_timeline(state.draft), version=None, as_of=self._clock.now())
        try:
            kept = self._versions.find(tenant_id, project_id, version)
        except NotFound:
            if version is not None:
                raise
            return TimelineView(timeline=read_timeline(None), version=None, as_of=record.created_at)
        return TimelineView(timeline=kept.timeline, version=kept.number, as_of=kept.created_at)

    def claim_link(self, tenant_id: str, project_id: str) -> ClaimLink:
        """A new link (contract §4.11). Raises NotFound, StateConflict without a session, and what the call raises."""
        self._projects.find(tenant_id, project_id)
        session = self._session(tenant_id, project_id)
        session_id, task_id = known_session(session), session.task_id
        if task_id is None:
            raise StateConflict("NemoVideo gave this project no task id, so there is no link to it.")
        claim = self._desk.using(
            session.token_id,
            lambda credential: self._upstream.claim_token(credential, task_id=task_id, session_id=session_id),
        )
        lasts = None if claim.expires_in_s is None else timedelta(seconds=claim.expires_in_s)
        expires_at = None if lasts is None else self._clock.now() + lasts
        return ClaimLink(url=claim_link(self._web_url, claim), expires_at=expires_at)

    def _session(self, tenant_id: str, project_id: str) -> Project:
        session = self._sessions.find(tenant_id, project_id)
        if session is None or session.state is not ProjectState.READY:
            raise StateConflict("This project has no session at NemoVideo: its first job makes one.")
        return session
