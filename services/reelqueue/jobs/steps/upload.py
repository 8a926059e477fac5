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
        """Send what is missing. A session that was lost before anything was paid is made again, with all inputs.

        A job whose instructions are all done goes straight to its export. Raises SessionNotFound for a lost session
        that holds what earlier instructions made.
        """
        if claim.job.instruction_index >= len(claim.job.instructions):
            return Advance(Status.RENDERING)
        project = self._sessions.opened(claim)
        try:
            self._sessions.fill(claim, project, anew=project.id != claim.job.project_id)
        except SessionNotFound:
            if claim.job.instruction_index > 0:
                raise
            self._sessions.rebuilt(claim, project)
        return Advance(Status.INSTRUCTING)
