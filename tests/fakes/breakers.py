"""Breakers in memory, on a clock of hand, with the decisions of the real ones."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

from fakes.engine import HandClock
from reelqueue.domain.breakers import Breaker, BreakerPolicy, Failure, Phase, ProbeEnd, after_failure, after_probe
from reelqueue.jobs.breaker import Watch
from reelqueue.kit.metrics import Metrics
from reelqueue.store.breakers import View


class MemoryBreakers:
    """The store of one test. `writes` are the changes that a real one would have made."""

    def __init__(self, clock: HandClock, policy: BreakerPolicy | None = None) -> None:
        self.clock = clock
        self.policy = policy or BreakerPolicy()
        self.rows = {phase: Breaker(phase=phase) for phase in Phase}
        self.writes: list[str] = []
        self.broken: Exception | None = None

    def view(self) -> View:
        return View(self.clock.now(), dict(self.rows))

    def failed(self, phase: Phase, failure: Failure) -> tuple[Breaker, bool]:
        self._note("failed")
        before = self.rows[phase]
        after = self.rows[phase] = after_failure(before, failure, self.clock.now(), self.policy)
        return after, before.is_closed and not after.is_closed

    def take_probe(self, phase: Phase, probe: str) -> bool:
        self._note("take_probe")
        one, now = self.rows[phase], self.clock.now()
        if one.state != "open" or one.next_probe_at is None or one.next_probe_at > now:
            return False
        until = now + timedelta(seconds=self.policy.probe_s)
        self.rows[phase] = replace(one, state="half_open", probe=probe, probe_until=until, next_probe_at=None)
        return True

    def probed(self, phase: Phase, probe: str, outcome: ProbeEnd) -> Breaker:
        self._note(f"probed {outcome}")
        self.rows[phase] = after_probe(self.rows[phase], probe, outcome, self.clock.now(), self.policy)
        return self.rows[phase]

    def open(self, phase: Phase, *calls: str, **changes: Any) -> None:
        """As if failures had opened it just now."""
        now = self.clock.now()
        values = {"state": "open", "opened_at": now, "next_probe_at": now + timedelta(seconds=5), "calls": calls}
        self.rows[phase] = replace(self.rows[phase], reason="upstream_unavailable", **{**values, **changes})

    def _note(self, what: str) -> None:
        if self.broken is not None:
            raise self.broken
        self.writes.append(what)


def watch_over(breakers: MemoryBreakers) -> Watch:
    """A process's view of them, read once."""
    made = Watch(breakers, policy=breakers.policy, clock=breakers.clock, rng=random.Random(3), metrics=Metrics())
    made.refresh()
    return made
