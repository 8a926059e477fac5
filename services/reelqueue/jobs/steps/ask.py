"""`requires_input`: run only when the time for an answer is over, or by a bell that came too early."""

from __future__ import annotations

from reelqueue.domain.claims import Claim
from reelqueue.domain.jobs import WaitingReason
from reelqueue.domain.verdicts import Fail, Snooze, Verdict
from reelqueue.errors import QuestionUnanswered
from reelqueue.kit.clock import Clock


class AskStep:
    """Gives up on an owner who does not answer. An answer never comes this way: it moves the row itself."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def run(self, claim: Claim) -> Verdict:
        """Fail, or wait for what is left of the time."""
        question = claim.job.question
        if question is None or question.until is None:
            return Fail(QuestionUnanswered())
        left = (question.until - self._clock.now()).total_seconds()
        return Fail(QuestionUnanswered()) if left <= 0 else Snooze(left, WaitingReason.ANSWER, exact=True)
