"""Carrying out a cancel: stop what can be stopped upstream, and say what it cost."""

from __future__ import annotations

from reelqueue.domain.claims import Claim
from reelqueue.domain.jobs import Status
from reelqueue.domain.verdicts import Canceled, Learned, Verdict
from reelqueue.errors import UpstreamError
from reelqueue.jobs.ports import RenderStore, Upstream
from reelqueue.jobs.session import SessionKeeper
from reelqueue.jobs.steps.reconcile import Reconciler
from reelqueue.jobs.token_desk import TokenDesk


class CancelStep:
    """Runs instead of a status's own step once the owner has asked for a cancel."""

    def __init__(
        self,
        *,
        upstream: Upstream,
        desk: TokenDesk,
        sessions: SessionKeeper,
        renders: RenderStore,
        reconciler: Reconciler,
    ) -> None:
        self._upstream = upstream
        self._desk = desk
        self._sessions = sessions
        self._renders = renders
        self._reconciler = reconciler

    def run(self, claim: Claim) -> Verdict:
        """Cancel whatever the job's status means. An upstream that refuses to stop does not keep the job alive."""
        project = self._sessions.project_of(claim)
        match claim.job.status:
            case Status.INSTRUCTING:
                return self._reconciler.canceled(claim, project)
            case Status.RENDERING if project is not None:
                told = {one.id: self._stop(project.token_id, one.id) for one in self._renders.open_of(claim.job.id)}
                stopped = tuple(name for name, answer in told.items() if answer == "canceled")
                worst = next((one for one in ("unknown", "running_on", "canceled") if one in told.values()), None)
                return Canceled(Learned(stopped=stopped), {} if worst is None else {"render": worst})
        return Canceled()

    def _stop(self, token_id: str, render_id: str) -> str:
        """`canceled`, `running_on`, or `unknown`. A render costs nothing; one that runs on is nobody's loss."""
        try:
            stopped = self._desk.using(token_id, lambda credential: self._upstream.cancel_render(credential, render_id))
        except UpstreamError:
            return "unknown"
        return "canceled" if stopped else "running_on"
