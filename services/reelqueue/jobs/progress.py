"""The progress bar of a turn. An agent says nothing of how far it is, so the bar nears its end and never reaches it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reelqueue.domain.claims import Claim
from reelqueue.domain.upstream import TurnProgress
from reelqueue.jobs.ports import ClaimStore
from reelqueue.kit.clock import Clock

USUAL_TURN_S = 120.0
"""A generation takes 100 to 300 s, an edit 10 to 30 (contract §6.1)."""
BAR = (15, 70)
EVERY_S = 3.0
"""How often a bar is written, at most: a thousand streams must not mean a thousand writes a second."""


class ProgressBars:
    """Moves the bars of running turns."""

    def __init__(self, claims: ClaimStore, clock: Clock, *, speed: float) -> None:
        self._claims = claims
        self._clock = clock
        self._speed = speed

    @contextmanager
    def moving(self, claim: Claim) -> Iterator[Callable[[TurnProgress], None]]:
        """Gives the callback for the turn's stream. Each sign of life may move the bar; a lost write is no matter."""
        job = claim.job
        start, end = BAR
        share = (end - start) / len(job.instructions)
        floor = start + share * job.instruction_index
        began = written = self._clock.monotonic()
        shown = job.progress

        def on_progress(_: TurnProgress) -> None:
            nonlocal written, shown
            now = self._clock.monotonic()
            if (now - written) * self._speed < EVERY_S:
                return
            percent = round(floor + share * (1 - math.exp(-(now - began) * self._speed / USUAL_TURN_S)))
            if percent > shown:
                written, shown = now, percent
                self._claims.note_progress(claim, percent)

        yield on_progress
