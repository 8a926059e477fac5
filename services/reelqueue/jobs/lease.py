"""A worker's leases as one: renewed together every ten seconds, whatever it holds.

Renewal is one statement a worker. The answer also names held jobs whose owner asked for a cancel, so that a lost
notice costs ten seconds and no more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reelqueue.errors import DependencyUnavailable
from reelqueue.jobs.ports import WorkerStore
from reelqueue.kit.clock import Clock
from reelqueue.kit.limits import HEARTBEAT_S, LEASE_S
from reelqueue.kit.logs import get_logger

SAFETY_S = 5.0
"""How much earlier than the database a worker takes its own lease for ended, before it sends something paid."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Standing:
    """Name and term, changed together, so that no thread ever sees the old name with the new term."""

    worker_id: str
    good_until: float
    alive: int | None = None


class Lease:
    """One worker process's standing with the database. Thread-safe."""

    def __init__(
        self,
        workers: WorkerStore,
        clock: Clock,
        *,
        node: str,
        queues: Sequence[str],
        capacity: int,
        every_s: float = HEARTBEAT_S,
    ) -> None:
        self._workers = workers
        self._clock = clock
        self._node = node
        self._queues = tuple(queues)
        self._capacity = capacity
        self._every_s = every_s
        self._draining = False
        self._stopped = threading.Event()
        self._beat_now = threading.Event()
        self._standing = _Standing("", 0.0)
        self._thread: threading.Thread | None = None

    @property
    def worker_id(self) -> str:
        """The name on every claim. It changes when the lease was missed: what was held under the old one is lost."""
        return self._standing.worker_id

    def is_good_for(self, worker_id: str) -> bool:
        """Whether a paid request may still leave under a claim of that name.

        By our own clock, with a margin, its lease has not ended; and it is the lease we have now: a process that was
        frozen past its lease and has registered again since has lost what it held before.
        """
        standing = self._standing
        return standing.worker_id == worker_id and self._clock.monotonic() < standing.good_until

    def live_workers(self) -> int | None:
        """How many workers there are, this one included, as its last heartbeat heard; `None` where that is unknown.

        It is unknown until the first heartbeat, by which every other worker has heard of this one, and after the lease
        has ended.
        """
        standing = self._standing
        return standing.alive if self._clock.monotonic() < standing.good_until else None

    def start(self, on_cancel: Callable[[str], object]) -> None:
        """Register and keep renewing until `stop`. `on_cancel` gets the id of a held job whose cancel was asked for."""
        self._register()
        self._thread = threading.Thread(target=self._keep, args=(on_cancel,), name="lease", daemon=True)
        self._thread.start()

    def drain(self) -> None:
        """Tell the dispatcher at once that this worker takes nothing new. Leases are renewed on."""
        self._draining = True
        self._beat_now.set()

    def stop(self) -> None:
        """Stop renewing and say goodbye, so that nobody waits for the lease to run out."""
        self._stopped.set()
        self._beat_now.set()
        if self._thread is not None:
            self._thread.join(timeout=HEARTBEAT_S)
        try:
            self._workers.leave(self.worker_id)
        except DependencyUnavailable:
            log.warning("worker.leave_failed", worker=self.worker_id)

    def _register(self) -> None:
        began = self._clock.monotonic()
        worker_id = self._workers.register(node=self._node, queues=self._queues, capacity=self._capacity)
        self._standing = _Standing(worker_id, began + LEASE_S - SAFETY_S)

    def _keep(self, on_cancel: Callable[[str], object]) -> None:
        while not self._stopped.is_set():
            self._beat_now.wait(self._every_s)
            self._beat_now.clear()
            if self._stopped.is_set():
                return
            try:
                self._beat(on_cancel)
            except DependencyUnavailable:
                log.warning("worker.heartbeat_failed", worker=self.worker_id)
                self._stopped.wait(min(1.0, self._every_s))
                self._beat_now.set()
            except Exception:
                # Without this thread the worker would go on claiming what it cannot hold.
                log.exception("worker.heartbeat_crashed", worker=self.worker_id)

    def _beat(self, on_cancel: Callable[[str], object]) -> None:
        began = self._clock.monotonic()
        heard = self._workers.heartbeat(self.worker_id, draining=self._draining)
        if heard is None:
            log.error("worker.lease_missed", worker=self.worker_id)
            self._register()
            return
        self._standing = _Standing(self.worker_id, began + LEASE_S - SAFETY_S, heard.alive)
        for job_id in heard.wanted:
            on_cancel(job_id)
