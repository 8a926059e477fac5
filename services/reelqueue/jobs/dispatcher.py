"""The dispatcher: whose turn it is, as a loop.

Woken by `NOTIFY`, by the next due time, or by the sweep's five seconds, it takes what is due in each queue, admits new
jobs into the room that is left, and rings. Losing any of it costs time and nothing else: rows that were marked and not
rung are rung again by the sweep.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial

from reelqueue.domain.bells import Bell
from reelqueue.domain.jobs import Queue
from reelqueue.errors import DependencyUnavailable
from reelqueue.jobs.aside import Aside
from reelqueue.jobs.dispatch_ports import AdmissionGate, Bells, BrokerDown, DispatchStore, SweepStore
from reelqueue.kit.clock import Clock
from reelqueue.kit.limits import SWEEP_S
from reelqueue.kit.logs import get_logger
from reelqueue.kit.metrics import Metrics

BATCH = 200
MOST_OF_ONE_TENANT = 16
LOOK_AGAIN_S = 0.25
"""How soon to look again when a queue was full."""
CLEAN_S = 3600.0
"""How often what has expired is deleted."""

log = get_logger(__name__)


class Dispatcher:
    """Marks and rings. Any number may run."""

    def __init__(
        self,
        *,
        store: DispatchStore,
        sweep: SweepStore,
        gate: AdmissionGate,
        bells: Bells,
        clock: Clock,
        metrics: Metrics,
        forget_expired: Sequence[Callable[[], int]] = (),
        checks: Sequence[Callable[[], int]] = (),
    ) -> None:
        """`checks` come with each sweep, after its repairs. Each must be short."""
        self._store = store
        self._sweep = sweep
        self._gate = gate
        self._degraded = False
        self._bells = bells
        self._ringing = Aside("rings")
        self._clock = clock
        self._metrics = metrics
        self._forget_expired = tuple(forget_expired)
        self._checks = tuple(checks)
        self._short_of_room = False
        self._wake = threading.Event()
        self._stopped = threading.Event()

    def wake(self) -> None:
        """Something may be due. Any thread; any number of calls are one."""
        self._wake.set()

    def stop(self) -> None:
        """End `run` after the round it is in."""
        self._stopped.set()
        self._wake.set()

    def run(self) -> None:
        """Dispatch and sweep until `stop`. A database that is away is waited for."""
        next_sweep = next_cleaning = self._clock.monotonic()
        while not self._stopped.is_set():
            self._wake.clear()
            try:
                now = self._clock.monotonic()
                if now >= next_sweep:
                    next_sweep = now + SWEEP_S
                    self.sweep_once()
                if now >= next_cleaning:
                    next_cleaning = now + CLEAN_S
                    self._clean()
                self.dispatch_once()
                pause = self._pause(next_sweep)
            except DependencyUnavailable as error:
                log.warning("dispatch.database_lost", error=str(error))
                pause = 1.0
            except Exception:
                # A repair that breaks must not keep the healthy jobs from their turn.
                log.exception("dispatch.round_crashed")
                pause = 1.0
            self._wake.wait(pause)

    def dispatch_once(self) -> int:
        """Ring for everything that is due and has room. Returns how many bells were rung."""
        rung = 0
        self._short_of_room = False
        self._store.settle()
        room = self._store.room()
        for queue in (Queue.WEBHOOK, Queue.STREAM, Queue.STEP):
            free = room.get(queue, 0)
            while free > 0:
                bells = self._store.mark_due(queue, min(free, BATCH))
                self._ring(bells, "continue")
                rung += len(bells)
                free -= len(bells)
                if len(bells) < BATCH:
                    break
            if queue is Queue.STEP:
                admitted = self._admit(free)
                free -= admitted
                rung += admitted
            self._short_of_room |= free <= 0
        return rung

    def _admit(self, free: int) -> int:
        """New jobs into what room is left: a few of each tenant first, more of one where others want nothing."""
        rung, each = 0, 2
        if self._degraded and free > 0:
            # What is admitted while NemoVideo is down would hold its token's room and do nothing.
            allowed = self._gate.admission()
            self._degraded, free = allowed is not None, free if allowed is None else min(free, allowed)
        try:
            while rung < free:
                bells = self._store.admit(min(free - rung, BATCH), each=each)
                if not bells:
                    break
                self._ringing.begin(partial(self._ring, bells, "admit"))
                rung += len(bells)
                each = min(MOST_OF_ONE_TENANT, each * 2)
        finally:
            self._ringing.finish()
        return rung

    def sweep_once(self) -> None:
        """Repair what has fallen between two chairs, and ring again where nobody answered."""
        for kind, repair in (
            ("taken_over", self._sweep.take_over),
            ("poisoned", self._sweep.fail_poisoned),
            ("overdue", self._sweep.fail_overdue),
            ("flags", self._sweep.restore_flags),
            ("room", self._sweep.ask_for_room),
            ("upstream_told", self._gate.tell_late),
        ):
            count = repair()
            if count:
                self._metrics.swept.labels(kind).inc(count)
                log.info("sweep.repaired", kind=kind, rows=count)
        self._degraded = self._gate.admission() is not None
        bells = self._store.redial(BATCH)
        if bells:
            self._metrics.swept.labels("redialed").inc(len(bells))
            log.info("sweep.redialed", rows=len(bells))
            self._ring(bells, "redial")
        for check in self._checks:
            check()

    def _ring(self, bells: Sequence[Bell], lane: str) -> None:
        if not bells:
            return
        try:
            self._bells.ring(bells)
        except BrokerDown as error:
            # Their rows are marked as rung; the sweep rings again until the broker is back.
            self._metrics.bells_failed.inc()
            log.warning("dispatch.broker_down", bells=len(bells), error=str(error))
            return
        for bell in bells:
            self._metrics.bells.labels(bell.queue.value, lane).inc()

    def _pause(self, next_sweep: float) -> float:
        until_sweep = max(0.0, next_sweep - self._clock.monotonic())
        if self._short_of_room:
            # A job that only goes to sleep makes room without a notice.
            return min(until_sweep, LOOK_AGAIN_S)
        until_due = self._store.seconds_to_next_due()
        return until_sweep if until_due is None else min(until_sweep, max(0.0, until_due))

    def _clean(self) -> None:
        for forget in self._forget_expired:
            forget()
