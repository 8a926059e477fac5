"""Events as the engine writes them, without jobs that have to be worked on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final

from sqlalchemy import Connection, text, update

from reelqueue.domain.jobs import EventType
from reelqueue.kit.ids import new_id
from reelqueue.store.engine import Database
from reelqueue.store.outbox import CHANGED, announce
from reelqueue.store.tables import jobs

TOLD: Final = EventType.PROGRESS
THREADS: Final = 4
"""Each waits for its commit, and the commits share their fsyncs."""
_AT_ONCE: Final = 50
_JOBS: Final = text("""
INSERT INTO jobs (id, tenant_id, status, instructions, billing, queue, admitted_at, started_at, due_at)
SELECT id, :tenant, 'instructing', '["Animate this photo into a 5-second cinematic video"]', '{}', 'stream',
       now(), now(), now() + interval '1 day'
FROM unnest(CAST(:ids AS text[])) AS id
""")


@dataclass(frozen=True, slots=True)
class Told:
    """An event: whose, its number, and when its commit had been acknowledged (the machine's monotonic clock)."""

    job_id: str
    seq: int
    at: float


class Announcer:
    """Tells of jobs that are under way, and that nobody works on until tomorrow."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def jobs(self, tenant_id: str, count: int) -> list[str]:
        """New jobs of a tenant. Nobody is told of their beginning."""
        ids = [new_id("job") for _ in range(count)]
        with self._database.transaction() as connection:
            connection.execute(_JOBS, {"tenant": tenant_id, "ids": ids})
        return ids

    def tell(self, job_id: str) -> Told:
        """One event, in a transaction of its own."""
        with self._database.transaction() as connection:
            seq = _write(connection, job_id)
        return Told(job_id, seq, time.monotonic())

    def tell_at(self, rate: float, job_ids: Sequence[str], count: int) -> list[Told]:
        """`count` events of these jobs in turn, one every 1/rate seconds, each in a transaction of its own."""
        began = time.monotonic()

        def one(number: int, job_id: str) -> Told:
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            return self.tell(job_id)

        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(one, range(count), islice(cycle(job_ids), count)))

    def tell_at_once(self, job_ids: Sequence[str], each: int) -> int:
        """`each` events of each job as fast as may be, many in a transaction; returns how many that is."""
        with ThreadPoolExecutor(THREADS) as pool:
            parts = [job_ids[start : start + _AT_ONCE] for start in range(0, len(job_ids), _AT_ONCE)]
            return sum(pool.map(lambda part: self._tell_of(part, each), parts))

    def _tell_of(self, job_ids: Sequence[str], each: int) -> int:
        for _ in range(each):
            with self._database.transaction() as connection:
                # In one order, so that no two of us wait for each other.
                for job_id in sorted(job_ids):
                    _write(connection, job_id)
        return each * len(job_ids)


def _write(connection: Connection, job_id: str) -> int:
    following = update(jobs).where(jobs.c.id == job_id).values(event_seq=jobs.c.event_seq + 1).returning(*CHANGED)
    row = connection.execute(following).mappings().one()
    announce(connection, row, TOLD, {"percent": 50})
    seq: int = row["event_seq"]
    return seq
