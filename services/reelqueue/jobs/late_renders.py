"""Exports that may still finish after their job has ended: canceled, or out of time.

Nothing is submitted here, and nothing is canceled. What is completed is fetched as the `saving` step fetches it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from reelqueue.domain.jobs import Job
from reelqueue.domain.outputs import Result
from reelqueue.domain.recovered import RecoveredFile
from reelqueue.domain.recoveries import Look, RecoveryClaim
from reelqueue.domain.sessions import Project, Render, RenderState
from reelqueue.domain.upstream import RenderPhase, RenderReport
from reelqueue.errors import RenderUnknown, UpstreamError
from reelqueue.jobs.ports import ProjectStore, RenderStore, Upstream
from reelqueue.jobs.steps.render import NOT_LISTED_S, PollSchedule
from reelqueue.jobs.token_desk import TokenDesk

Fetch = Callable[[Job, Project, Render], Result]


class LateRenders:
    """Looks at the exports of an ended job. Exporting costs nothing, but its timeline was paid for."""

    def __init__(
        self,
        *,
        upstream: Upstream,
        desk: TokenDesk,
        projects: ProjectStore,
        renders: RenderStore,
        fetch: Fetch,
        schedule: PollSchedule,
        speed: float,
    ) -> None:
        self._upstream = upstream
        self._desk = desk
        self._projects = projects
        self._renders = renders
        self._fetch = fetch
        self._schedule = schedule
        self._speed = speed

    def look(self, claim: RecoveryClaim) -> Look:
        """Ask for each export that is open, up to the first that is completed; its file is kept when this returns.

        A file a look: each is announced by itself. One that cannot be fetched stands in no other's way. Raises what the
        calls raise, and what the fetching raised if there is no file.
        """
        job = claim.job
        project = self._projects.find(job.tenant_id, job.project_id or "")
        if project is None:
            return Look(again_s=None)
        open_, failed, refused = list(self._open(job)), list[str](), list[UpstreamError]()
        for render in open_:
            report = self._report(claim, project, render)
            match report.phase:
                case RenderPhase.FAILED:
                    failed.append(render.id)
                case RenderPhase.COMPLETED:
                    done = replace(render, state=RenderState.COMPLETED, url=report.url)
                    try:
                        file = RecoveredFile(output=render.output_index, result=self._fetch(job, project, done))
                    except UpstreamError as error:
                        refused.append(error)
                        continue
                    left = len(open_) - len(failed) - 1
                    return Look(again_s=0 if left else None, file=file, failed=tuple(failed))
                case RenderPhase.PENDING | RenderPhase.PROCESSING:
                    continue
        if refused:
            raise refused[0]
        if len(failed) == len(open_):
            return Look(again_s=None, failed=tuple(failed))
        return Look(again_s=self._schedule.wait(claim.looks), failed=tuple(failed))

    def _open(self, job: Job) -> Iterator[Render]:
        """The newest export of each output whose file is kept nowhere."""
        for index, render in sorted(self._renders.newest(job.id).items()):
            late = None if job.recovered is None else job.recovered.file(index)
            if render.state is not RenderState.FAILED and job.export(index).result is None and late is None:
                yield render

    def _report(self, claim: RecoveryClaim, project: Project, render: Render) -> RenderReport:
        """How it stands. One that the upstream does not know may be listed late, and is else as good as failed."""
        try:
            return self._desk.using(
                project.token_id, lambda credential: self._upstream.render_report(credential, render.id)
            )
        except RenderUnknown:
            listed = claim.age_s * self._speed > NOT_LISTED_S
            return RenderReport(RenderPhase.FAILED if listed else RenderPhase.PENDING, None, None)
