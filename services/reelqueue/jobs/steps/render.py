"""`rendering`: start the export under an id of our own, and poll it by sleeping, not by waiting.

The id is stored before the POST. Whatever happens to the POST, that id is asked for first; it is submitted again only
when the upstream does not know it, and a new id is used once, after a definite failure (contract §8.1). Each output of
the job is an export of its own; one that fails stops none of the others.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from reelqueue.domain.claims import Claim
from reelqueue.domain.drafts import is_exportable
from reelqueue.domain.jobs import Job, Status, WaitingReason
from reelqueue.domain.outages import waits_for_upstream
from reelqueue.domain.outputs import RENDERED, Export
from reelqueue.domain.sessions import Project, Render, RenderState
from reelqueue.domain.tokens import TokenScope
from reelqueue.domain.upstream import OutputSpec, RenderPhase, RenderReport
from reelqueue.domain.verdicts import NOTHING, Advance, Fail, Learned, Snooze, Verdict
from reelqueue.errors import (
    NoTimeline,
    NotSent,
    RateLimited,
    RenderFailed,
    RenderIdTaken,
    RenderTimedOut,
    RenderUnknown,
    SessionNotFound,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamUnavailable,
)
from reelqueue.jobs.faults import verdict_on
from reelqueue.jobs.outputs import all_settled, exports_of, output_failed
from reelqueue.jobs.ports import RenderStore, Upstream, VersionStore
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


@dataclass(slots=True, kw_only=True)
class _Pass:
    """What one run of the step has in hand."""

    claim: Claim
    project: Project
    draft: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """How one output stands: to be asked for again in `wait_s`, given up, or rendered if it is neither."""

    wait_s: float | None = None
    percent: int | None = None
    failure: UpstreamError | None = None


class RenderStep:
    """Exports a timeline. Exporting costs no credits."""

    def __init__(
        self,
        *,
        upstream: Upstream,
        desk: TokenDesk,
        sessions: SessionKeeper,
        renders: RenderStore,
        versions: VersionStore,
        schedule: PollSchedule,
        clock: Clock,
        speed: float,
    ) -> None:
        self._upstream = upstream
        self._desk = desk
        self._sessions = sessions
        self._renders = renders
        self._versions = versions
        self._schedule = schedule
        self._clock = clock
        self._speed = speed

    def run(self, claim: Claim) -> Verdict:
        """Submit or poll each output once; sleep until the earliest wants to be asked again."""
        project = self._sessions.project_of(claim)
        if project is None:
            return Fail(SessionNotFound())
        job, newest = claim.job, self._renders.newest(claim.job.id)
        exports, waits = list(exports_of(job)), list[float]()
        pass_, pause = _Pass(claim=claim, project=project), None
        for index, export in enumerate(exports):
            if export.is_settled:
                continue
            try:
                seen = self._go_on(pass_, index, newest.get(index))
            except NoTimeline as error:
                return Fail(error)
            except RateLimited as error:
                # The pause is the token's, so the others are left alone too; what was learned of them is kept.
                pause = verdict_on(error)
                break
            if seen.failure is not None:
                return output_failed(replace(job, exports=tuple(exports)), index, seen.failure)
            if seen.percent is not None:
                exports[index] = replace(export, progress=max(export.progress, seen.percent))
            if seen.wait_s is not None:
                waits.append(seen.wait_s)
        return _verdict(job, tuple(exports), waits, pause)

    def _go_on(self, pass_: _Pass, index: int, render: Render | None) -> _Seen:
        if render is None or (render.state is RenderState.FAILED and render.attempt < MOST_RENDERS):
            attempt = 1 if render is None else render.attempt + 1
            name = new_render_id(self._clock)
            return self._submit(pass_, self._renders.prepare(pass_.claim, name, output_index=index, attempt=attempt))
        match render.state:
            case RenderState.FAILED:
                return _Seen(failure=RenderFailed())
            case RenderState.COMPLETED:
                return _Seen(percent=RENDERED)
            case RenderState.PREPARED | RenderState.SUBMITTED:
                return self._poll(pass_, render)

    def _submit(self, pass_: _Pass, render: Render) -> _Seen:
        if self._is_overdue(pass_.claim.job, render):
            return _Seen(failure=RenderTimedOut())
        project, output = pass_.project, pass_.claim.job.outputs[render.output_index]
        spec, session_id = OutputSpec(format=output.format, quality=output.quality), known_session(project)
        try:
            draft = self._draft(pass_, session_id)
            self._desk.using(
                project.token_id,
                lambda credential: self._upstream.submit_render(
                    credential, render_id=render.id, session_id=session_id, draft=draft, output=spec
                ),
            )
        except (*UNREACHED, RenderIdTaken):
            # It may have arrived, or a first try did: the id stays `prepared`, and the next run asks for it.
            self._renders.polled(pass_.claim, render)
            return self._sleep(render.polls)
        self._renders.submitted(pass_.claim, render)
        return self._sleep(0)

    def _draft(self, pass_: _Pass, session_id: str) -> Mapping[str, Any]:
        """The timeline, read once for all outputs of a run: as it is, or the version asked for. Raises `NoTimeline`."""
        job = pass_.claim.job
        if pass_.draft is None and job.version is not None:
            kept = json.loads(self._versions.draft(job.tenant_id, pass_.project.id, job.version))
            if not is_exportable(kept):
                raise NoTimeline
            pass_.draft = kept
        if pass_.draft is None:
            token_id = pass_.project.token_id
            state = self._desk.using(token_id, lambda credential: self._upstream.state(credential, session_id))
            if state.draft is None or not is_exportable(state.draft):
                raise NoTimeline
            pass_.draft = state.draft
        return pass_.draft

    def _poll(self, pass_: _Pass, render: Render) -> _Seen:
        claim = pass_.claim
        try:
            report = self._desk.using(
                pass_.project.token_id,
                lambda credential: self._upstream.render_report(credential, render.id),
                proves=TokenScope.RENDER,
            )
        except RenderUnknown:
            if render.state is RenderState.PREPARED:
                return self._submit(pass_, render)
            if self._age_s(render.submitted_at or render.created_at) > NOT_LISTED_S:
                return self._failed(claim, render)
            self._renders.polled(claim, render)
            return self._sleep(0)
        except UNREACHED:
            # The export runs on without us: the same id is asked for again, within the same budget (contract §8.1).
            if self._is_overdue(pass_.claim.job, render):
                return _Seen(failure=RenderTimedOut())
            self._renders.polled(claim, render)
            return self._sleep(render.polls + 1)
        if render.state is RenderState.PREPARED:
            self._renders.submitted(claim, render)
        return self._judge(pass_, render, report)

    def _judge(self, pass_: _Pass, render: Render, report: RenderReport) -> _Seen:
        match report.phase:
            case RenderPhase.COMPLETED:
                self._renders.completed(pass_.claim, render, report.url)
                return _Seen(percent=RENDERED)
            case RenderPhase.FAILED:
                return self._failed(pass_.claim, render)
            case RenderPhase.PENDING | RenderPhase.PROCESSING:
                if self._is_overdue(pass_.claim.job, render):
                    # A render costs nothing; one that cannot be stopped is nobody's loss.
                    with suppress(UpstreamError):
                        self._desk.using(
                            pass_.project.token_id,
                            lambda credential: self._upstream.cancel_render(credential, render.id),
                        )
                    return _Seen(failure=RenderTimedOut())
                self._renders.polled(pass_.claim, render)
                return self._sleep(render.polls + 1, report.progress)

    def _is_overdue(self, job: Job, render: Render) -> bool:
        """Whether the export has used up its time, an outage of NemoVideo not counted."""
        if waits_for_upstream(job):
            return False
        return self._age_s(render.submitted_at or render.created_at) > self._schedule.budget_s

    def _age_s(self, moment: datetime) -> float:
        return (self._clock.now() - moment).total_seconds() * self._speed

    def _failed(self, claim: Claim, render: Render) -> _Seen:
        self._renders.failed(claim, render)
        return _Seen(failure=RenderFailed()) if render.attempt >= MOST_RENDERS else self._sleep(0)

    def _sleep(self, polls: int, percent: float | None = None) -> _Seen:
        # 100 is said by a file that is there, and by nothing else.
        known = None if percent is None else min(RENDERED - 1, round(percent))
        return _Seen(wait_s=self._schedule.wait(polls), percent=known)


def _verdict(job: Job, exports: tuple[Export, ...], waits: Sequence[float], pause: Verdict | None) -> Verdict:
    """What to do when each output was looked at, or as many as the upstream let us."""
    learned = _learned(job, exports)
    if isinstance(pause, Snooze):
        return replace(pause, learned=learned)
    if waits:
        return Snooze(min(waits), WaitingReason.RENDER, learned)
    rendered = any(export.error is None for export in exports)
    return Advance(Status.SAVING, learned) if rendered else all_settled(job)


def _learned(job: Job, exports: tuple[Export, ...]) -> Learned:
    if not exports or exports == exports_of(job):
        return NOTHING
    start, end = BAR
    percent = sum(RENDERED if export.is_settled else export.progress for export in exports) / len(exports)
    return Learned(progress=round(start + (end - start) * percent / 100), exports=exports)


def new_render_id(clock: Clock) -> str:
    """An id in the upstream's form that no two workers can make alike: the time and 128 random bits."""
    return f"render_{int(clock.now().timestamp() * 1000)}_{secrets.token_hex(16)}"
