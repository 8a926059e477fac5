"""`uploading`: bring the inputs into the session, each once."""

from __future__ import annotations

from reelqueue.domain.claims import Claim
from reelqueue.domain.jobs import Status
from reelqueue.domain.verdicts import Advance, Verdict
from reelqueue.errors import SessionNotFound
from reelqueue.jobs.session import SessionKeeper


class UploadStep:
    """Sends inputs up."""

    def __init__(self, sessions: SessionKeeper) -> None:
        self._sessions = sessions

    def run(self, claim: Claim) -> Verdict:
        """Send what is missing. A session that was lost before anything was paid is made again, with all inputs."""
        project = self._sessions.opened(claim)
        try:
            self._sessions.fill(claim, project, anew=project.id != claim.job.project_id)
        except SessionNotFound:
            self._sessions.rebuilt(claim, project)
        return Advance(Status.INSTRUCTING)
