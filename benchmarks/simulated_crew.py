"""A crew in simulated time: real admission and settlement, made-up durations. No clock of a machine is read."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import select, text

from reelqueue.store.dispatch import Dispatch
from reelqueue.store.engine import Database
from reelqueue.store.tables import jobs

_END = text("""
UPDATE jobs SET status = 'canceled', dispatch = 'done', finished_at = now(), due_at = NULL, slot = NULL,
    slot_since = NULL, held = :seconds WHERE id = :id
""")


@dataclass
class Crew:
    """Takes every job that is admitted, at once, and is done with it after as long as `seconds` says of its tenant."""

    database: Database
    dispatch: Dispatch
    seconds: Callable[[str], float]
    now: float = 0.0
    started: list[tuple[float, str, str]] = field(default_factory=list)
    """When, whose, which."""
    slot_seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    _running: list[tuple[float, str, str, float]] = field(default_factory=list)

    def admit(self, most: int) -> int:
        """Let in what finds room. Returns how many did."""
        bells = self.dispatch.admit(most)
        with self.database.statement() as connection:
            owned = select(jobs.c.id, jobs.c.tenant_id).where(jobs.c.id.in_([bell.id for bell in bells]))
            for job_id, tenant in connection.execute(owned).all():
                seconds = self.seconds(tenant)
                heapq.heappush(self._running, (self.now + seconds, job_id, tenant, seconds))
                self.started.append((self.now, tenant, job_id))
        return len(bells)

    def end_next(self) -> None:
        """Time goes on to the next end of a job."""
        self.now, job_id, tenant, seconds = heapq.heappop(self._running)
        self.slot_seconds[tenant] += seconds
        with self.database.statement() as connection:
            connection.execute(_END, {"id": job_id, "seconds": seconds})
        self.dispatch.settle()

    @property
    def running(self) -> int:
        """How many jobs are under way."""
        return len(self._running)


def jain(shares: list[float]) -> float:
    """Jain's index of fairness: 1 when all are alike, 1/n when one has everything."""
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))
