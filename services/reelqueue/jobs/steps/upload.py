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

        A job whose instructions are all done, or that exports a version, goes straight to its export; one that only
        brings inputs is done with that. Raises SessionNotFound for a lost session that holds what cannot be brought
        again.
        """
        job = claim.job
        if job.version is not None or (job.instructions and job.instruction_index >= len(job.instructions)):
            return Advance(Status.RENDERING)
        project, fresh = self._sessions.opened(claim)
        try:
            self._sessions.fill(claim, project, anew=fresh)
        except SessionNotFound:
            if job.instruction_index > 0:
                raise
            self._sessions.rebuilt(claim, project)
        if not job.instructions:
            return Advance(Status.RENDERING if job.outputs else Status.SUCCEEDED)
        return Advance(Status.INSTRUCTING, data={"instruction": job.instruction_index + 1})
