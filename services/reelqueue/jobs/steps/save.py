"""`saving`: fetch the finished files one after another, check each, keep it."""

from __future__ import annotations

from collections.abc import Callable

from reelqueue.domain.claims import Claim
from reelqueue.domain.jobs import Job
from reelqueue.domain.outputs import Result
from reelqueue.domain.sessions import Project, Render
from reelqueue.domain.upstream import Credential, RenderPhase
from reelqueue.domain.verdicts import Fail, Verdict
from reelqueue.errors import RateLimited, RenderUnknown, ResultUnusable, SessionNotFound, UpstreamError
from reelqueue.jobs.outputs import all_settled, exports_of, output_failed, output_saved
from reelqueue.jobs.ports import RenderStore, ResultKeeper, Upstream
from reelqueue.jobs.session import SessionKeeper
from reelqueue.jobs.token_desk import TokenDesk

ELSEWHERE_PERHAPS = (ResultUnusable, RenderUnknown)
"""The file is not where it was said to be: it may have another URL by now (contract §8.3)."""


class SaveStep:
    """Brings the results home. The file's host never sees our token."""

    def __init__(
        self,
        *,
        upstream: Upstream,
        desk: TokenDesk,
        sessions: SessionKeeper,
        renders: RenderStore,
        keeper: ResultKeeper,
        max_bytes: int,
        tries: int,
    ) -> None:
        self._upstream = upstream
        self._desk = desk
        self._sessions = sessions
        self._renders = renders
        self._keeper = keeper
        self._max_bytes = max_bytes
        self._tries = tries

    def run(self, claim: Claim) -> Verdict:
        """Fetch and keep the next output. A URL that does not serve the file is asked for anew before the next try.

        What the upstream says of one file says nothing of the job's other files: when another try is of no use, only
        this output is given up. Raises RateLimited, which is the token's: the same file is fetched when that is over.
        """
        job = claim.job
        open_ = [index for index, export in enumerate(exports_of(job)) if not export.is_settled]
        if not open_:
            return all_settled(job)
        index = open_[0]
        project, render = self._sessions.project_of(claim), self._renders.newest(job.id).get(index)
        if project is None or render is None:
            return Fail(SessionNotFound())
        try:
            result = self._fetch(claim, project, render)
        except RateLimited:
            raise
        except UpstreamError as error:
            last = not error.tried_again or job.attempt + 1 >= self._tries
            if last and len(job.outputs) > 1:
                return output_failed(job, index, error)
            if isinstance(error, ELSEWHERE_PERHAPS):
                self._ask_again(claim, project, render)
            raise
        return output_saved(job, index, result)

    def _fetch(self, claim: Claim, project: Project, render: Render) -> Result:
        return self.fetch(claim.job, project, render)

    def fetch(self, job: Job, project: Project, render: Render) -> Result:
        """The file of a completed render, checked and kept under the job's key. Raises as `ResultSaver.save`."""
        number = render.output_index + 1
        if render.url is not None:
            return self._keeper.keep(job, render.url, number=number)
        elsewhere: list[str] = []

        def download(sink: Callable[[bytes], object]) -> None:
            url = self._desk.using(project.token_id, lambda credential: self._download(credential, render, sink))
            if url is not None:
                elsewhere.append(url)
                raise ResultElsewhere

        try:
            return self._keeper.keep_stream(job, download, number=number)
        except ResultElsewhere:
            return self._keeper.keep(job, elsewhere[0], number=number)

    def _download(self, credential: Credential, render: Render, sink: Callable[[bytes], object]) -> str | None:
        return self._upstream.download_render(credential, render.id, sink, max_bytes=self._max_bytes)

    def _ask_again(self, claim: Claim, project: Project, render: Render) -> None:
        try:
            report = self._desk.using(
                project.token_id, lambda credential: self._upstream.render_report(credential, render.id)
            )
        except UpstreamError:
            return
        if report.phase is RenderPhase.COMPLETED:
            self._renders.completed(claim, render, report.url)


class ResultElsewhere(Exception):
    """The download route named a URL instead of sending the file (contract §4.9)."""
