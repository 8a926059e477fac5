"""`queued`: make the token and the upstream session ready."""

from __future__ import annotations

from reelqueue.domain.claims import Claim
from reelqueue.domain.jobs import Status, WaitingReason
from reelqueue.domain.verdicts import Advance, Snooze, Verdict
from reelqueue.errors import CreditsExhausted
from reelqueue.jobs.session import SessionKeeper
from reelqueue.jobs.steps.instruct import CREDITS_AGAIN_S


class OpenStep:
    """Opens the session behind a new job."""

    def __init__(self, sessions: SessionKeeper) -> None:
        self._sessions = sessions

    def run(self, claim: Claim) -> Verdict:
        """Make the session if there is none. A job that shall wait for credits waits for a token with some."""
        try:
            self._sessions.opened(claim)
        except CreditsExhausted:
            if claim.job.policies.on_no_credits == "wait":
                return Snooze(CREDITS_AGAIN_S, WaitingReason.CREDITS)
            raise
        return Advance(Status.UPLOADING)
