"""`rendering`: start the export under an id of our own, and poll it by sleeping, not by waiting.

The id is stored before the POST. Whatever happens to the POST, that id is asked for first; it is submitted again only
when the upstream does not know it, and a new id is used once, after a definite failure (contract §8.1).
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from reelqueue.domain.claims import Claim
from reelqueue.domain.drafts import is_exportable
from reelqueue.domain.jobs import Output, Status, WaitingReason
from reelqueue.domain.sessions import Project, Render, RenderState
from reelqueue.domain.upstream import OutputSpec, RenderPhase, RenderReport
from reelqueue.domain.verdicts import Advance, Fail, Learned, Snooze, Verdict
from reelqueue.errors import (
    NoTimeline,
    NotSent,
    RenderFailed,
    RenderIdTaken,
    RenderTimedOut,
    RenderUnknown,
    SessionNotFound,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamUnavailable,
)
from reelqueue.jobs.ports import RenderStore, Upstream
from reelqueue.jobs.session import SessionKeeper, known_session
from reelqueue.jobs.token_desk import TokenDesk
from reelqueue.kit.clock import Clock

MOST_RENDERS = 2
"""The first id, and one more after a definite failure."""
UNREACHED = (NotSent, UpstreamUnavailable, UpstreamProtocolError)
"""Nothing is wrong with the export: ask again, within its budget."""
NOT_LISTED_S = 10.0
"""How long a render that was just submitted may be unknown to the upstream (contract §8.1)."""
BAR = (70, 95)
"""Where the job's progress bar stands at the render's 0 and 100 percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSchedule:
    """First poll after `first_s`, then growing by half each time to `longest_s`; all over after `budget_s`."""

    first_s: float
    longest_s: float
    budget_s: float

    def wait(self, polls: int) -> float:
        """Seconds before poll number `polls` + 1."""
        return min(self.longest_s, self.first_s * 1.5 ** min(polls, 20))


class RenderStep:
    """Exports a timeline. Exporting costs no credits."""

    def __init__(
        self,
        *,
        upstream: Upstream,
        desk: TokenDesk,
        sessions: SessionKeeper,
        renders: RenderStore,
        schedule: PollSchedule,
        clock: Clock,
        speed: float,
    ) -> None:
        self._upstream = upstream
        self._desk = desk
        self._sessions = sessions
        self._renders = renders
        self._schedule = schedule
        self._clock = clock
        self._speed = speed

    def run(self, claim: Claim) -> Verdict:
        """Submit, or poll once."""
        project = self._sessions.project_of(claim)
        if project is None:
            return Fail(SessionNotFound())
        render = self._renders.newest(claim.job.id)
        if render is None or (render.state is RenderState.FAILED and render.attempt < MOST_RENDERS):
            attempt = 1 if render is None else render.attempt + 1
            fresh = self._renders.prepare(claim, new_render_id(self._clock), attempt)
            return self._submit(claim, project, fresh)
        match render.state:
            case RenderState.FAILED:
                return Fail(RenderFailed())
            case RenderState.COMPLETED:
                return Advance(Status.SAVING)
            case RenderState.PREPARED | RenderState.SUBMITTED:
                return self._poll(claim, project, render)

    def _submit(self, claim: Claim, project: Project, render: Render) -> Verdict:
        if self._is_overdue(render):
            return Fail(RenderTimedOut())
        session_id = known_session(project)
        output = claim.job.output or Output()
        spec = OutputSpec(format=output.format, quality=output.quality)
        try:
            state = self._desk.using(project.token_id, lambda credential: self._upstream.state(credential, session_id))
            draft = state.draft
            if draft is None or not is_exportable(draft):
                return Fail(NoTimeline())
            self._desk.using(
                project.token_id,
                lambda credential: self._upstream.submit_render(
                    credential, render_id=render.id, session_id=session_id, draft=draft, output=spec
                ),
            )
        except (*UNREACHED, RenderIdTaken):
            # It may have arrived, or a first try did: the id stays `prepared`, and the next run asks for it.
            self._renders.polled(claim, render)
            return self._sleep(render.polls)
        self._renders.submitted(claim, render)
        return self._sleep(0)

    def _poll(self, claim: Claim, project: Project, render: Render) -> Verdict:
        try:
            report = self._desk.using(
                project.token_id, lambda credential: self._upstream.render_report(credential, render.id)
            )
        except RenderUnknown:
            if render.state is RenderState.PREPARED:
                return self._submit(claim, project, render)
            if self._age_s(render.submitted_at or render.created_at) > NOT_LISTED_S:
                return self._failed(claim, render)
            self._renders.polled(claim, render)
            return self._sleep(0)
        except UNREACHED:
            # The export runs on without us: the same id is asked for again, within the same budget (contract §8.1).
            if self._is_overdue(render):
                return Fail(RenderTimedOut())
            self._renders.polled(claim, render)
            return self._sleep(render.polls + 1)
        if render.state is RenderState.PREPARED:
            self._renders.submitted(claim, render)
        return self._judge(claim, project, render, report)

    def _judge(self, claim: Claim, project: Project, render: Render, report: RenderReport) -> Verdict:
        match report.phase:
            case RenderPhase.COMPLETED:
                self._renders.completed(claim, render, report.url)
                return Advance(Status.SAVING)
            case RenderPhase.FAILED:
                return self._failed(claim, render)
            case RenderPhase.PENDING | RenderPhase.PROCESSING:
                if self._is_overdue(render):
                    # A render costs nothing; one that cannot be stopped is nobody's loss.
                    with suppress(UpstreamError):
                        self._desk.using(
                            project.token_id, lambda credential: self._upstream.cancel_render(credential, render.id)
                        )
                    return Fail(RenderTimedOut())
                self._renders.polled(claim, render)
                return self._sleep(render.polls + 1, report.progress)

    def _is_overdue(self, render: Render) -> bool:
        return self._age_s(render.created_at) > self._schedule.budget_s

    def _age_s(self, moment: datetime) -> float:
        return (self._clock.now() - moment).total_seconds() * self._speed

    def _failed(self, claim: Claim, render: Render) -> Verdict:
        self._renders.failed(claim, render)
        return Fail(RenderFailed()) if render.attempt >= MOST_RENDERS else self._sleep(0)

    def _sleep(self, polls: int, percent: float | None = None) -> Snooze:
        start, end = BAR
        progress = None if percent is None else round(start + (end - start) * percent / 100)
        return Snooze(self._schedule.wait(polls), WaitingReason.RENDER, Learned(progress=progress))


def new_render_id(clock: Clock) -> str:
    """An id in the upstream's form that no two workers can make alike: the time and 128 random bits."""
    return f"render_{int(clock.now().timestamp() * 1000)}_{secrets.token_hex(16)}"
