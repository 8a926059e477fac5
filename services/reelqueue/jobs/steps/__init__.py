"""The steps. Each takes a claim, talks to the outside with no transaction open, and returns a verdict."""

from __future__ import annotations

from typing import Protocol

from reelqueue.domain.claims import Claim
from reelqueue.domain.verdicts import Verdict


class Step(Protocol):
    """The code run in one status."""

    def run(self, claim: Claim) -> Verdict:
        """Do the work of the status. May raise `ReelqueueError` (see `jobs/faults.py`) and `ClaimLost`."""
        ...
