"""`queued`: make the token and the upstream session ready."""

from __future__ import annotations

from reelqueue.domain.claims import Claim
from reelqueue.domain.jobs import Status
from reelqueue.domain.verdicts import Advance, Verdict
from reelqueue.jobs.session import SessionKeeper


class OpenStep:
    """Opens the session behind a new job."""

    def __init__(self, sessions: SessionKeeper) -> None:
        self._sessions = sessions

    def run(self, claim: Claim) -> Verdict:
        """Make the session if there is none."""
        self._sessions.opened(claim)
        return Advance(Status.UPLOADING)
