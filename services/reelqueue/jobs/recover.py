"""Answering a bell for a job that has ended: one look at whether something paid for arrived, one record of it.

Nothing here costs anything or changes how the job ended. What arrives within the time is kept and announced by
`job.recovered`; what does not is given up without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.recovered import RecoveryKind
from reelqueue.domain.recoveries import Look, RecoveryClaim
from reelqueue.domain.verdicts import Retry, Snooze
from reelqueue.errors import DependencyUnavailable, InternalError, ReelqueueError
from reelqueue.jobs.faults import verdict_on
from reelqueue.jobs.late_renders import LateRenders
from reelqueue.jobs.late_turns import LateTurns
from reelqueue.jobs.lease import Lease
from reelqueue.jobs.ports import RecoveryStore
from reelqueue.kit.clock import Clock
from reelqueue.kit.limits import CLAIMS_BEFORE_POISONED
from reelqueue.kit.logs import get_logger
from reelqueue.kit.metrics import Metrics

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryRules:
    """`watch_s`: how long is looked, in real seconds. `keep_s`: how long a file is kept. `again_s`: the wait after a
    look that failed. `speed` shortens our own waits, never somebody else's `Retry-After`.
    """

    watch_s: float
    keep_s: float
    again_s: float
    speed: float = 1.0


class Recoverer:
    """Looks after ended jobs. Thread-safe: one for a worker process."""

    def __init__(
        self,
        *,
        store: RecoveryStore,
        renders: LateRenders,
        turns: LateTurns,
        holder: Lease,
        rules: RecoveryRules,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._renders = renders
        self._turns = turns
        self._holder = holder
        self._rules = rules
        self._clock = clock
        self._metrics = metrics

    def recover(self, job_id: str) -> None:
        """Look once. Safe to call for any id, any number of times: only a claim that is granted does anything."""
        worker_id = self._holder.worker_id
        try:
            claim = self._store.claim(job_id, worker_id)
        except DependencyUnavailable:
            # It may be ours without our knowing; nobody else would ever free it.
            self._insist(worker_id, lambda: self._store.let_go(job_id, worker_id))
            return
        if claim is None:
            self._metrics.claims_refused.labels("recovery").inc()
            return
        look = self._look(claim)
        try:
            self._record(claim, look)
        except ClaimLost:
            # Somebody else looks by now. Whatever we know is theirs to find out.
            self._metrics.claims_lost.labels("recovery").inc()
            log.warning("recovery.claim_lost", job=job_id, worker=worker_id)
        else:
            self._tell(claim, look)

    def _look(self, claim: RecoveryClaim) -> Look:
        """One look, or what stands for one that failed."""
        last = claim.age_s >= self._rules.watch_s
        try:
            if claim.crashes >= CLAIMS_BEFORE_POISONED:
                # Whatever a look meets kills the worker.
                return self._give_up(claim)
            if claim.kind is RecoveryKind.TURN:
                return self._scaled(self._turns.look(claim, last=last))
            look = self._scaled(self._renders.look(claim))
            return replace(look, again_s=None) if last and look.file is None else look
        except ReelqueueError as error:
            return self._after(claim, error, last=last)
        except Exception:
            # A bug must not leave a row behind that nobody will ever look at again.
            log.exception("recovery.look_crashed", job=claim.job.id)
            return self._after(claim, InternalError(), last=last)

    def _after(self, claim: RecoveryClaim, error: ReelqueueError, *, last: bool) -> Look:
        """A look that failed: worth another while it may pass and there is time. Nothing is known meanwhile."""
        log.info("recovery.look_failed", job=claim.job.id, kind=claim.kind.value, error=error.code)
        match verdict_on(error):
            case Snooze(seconds=seconds, exact=exact) if not last:
                return Look(again_s=seconds if exact else seconds / self._rules.speed, seen=claim.seen)
            case Retry() if not last:
                return self._scaled(Look(again_s=self._rules.again_s, seen=claim.seen))
        return self._give_up(claim)

    def _give_up(self, claim: RecoveryClaim) -> Look:
        return self._turns.unseen(claim) if claim.kind is RecoveryKind.TURN else Look(again_s=None)

    def _scaled(self, look: Look) -> Look:
        return look if look.again_s is None else replace(look, again_s=look.again_s / self._rules.speed)

    def _record(self, claim: RecoveryClaim, look: Look) -> None:
        """Raises `ClaimLost`: then nothing was written, or this very look before its answer was lost."""
        try:
            self._insist(claim.worker_id, lambda: self._store.record(claim, look, keep_s=self._rules.keep_s))
        except ClaimLost:
            raise
        except Exception:
            # What cannot be stored is a bug like any other in a look.
            log.exception("recovery.unwritable", job=claim.job.id)
            later = self._scaled(Look(again_s=self._rules.again_s))
            self._insist(claim.worker_id, lambda: self._store.record(claim, later, keep_s=self._rules.keep_s))

    def _insist(self, worker_id: str, write: Callable[[], object]) -> None:
        """Write once the database answers, or our name is another: then the sweep has freed what we held."""
        while self._holder.worker_id == worker_id:
            try:
                write()
            except DependencyUnavailable:
                log.warning("recovery.database_lost", worker=worker_id)
                self._clock.sleep(1.0)
            else:
                return

    def _tell(self, claim: RecoveryClaim, look: Look) -> None:
        came = look.file is not None or (look.turn is not None and look.turn.version is not None)
        outcome = "recovered" if came else "given_up" if look.again_s is None else "waiting"
        self._metrics.recoveries.labels(claim.kind.value, outcome).inc()
        log.info(
            "recovery.looked",
            job=claim.job.id,
            tenant=claim.job.tenant_id,
            kind=claim.kind.value,
            looks=claim.looks + 1,
            outcome=outcome,
            epoch=claim.epoch,
            worker=claim.worker_id,
            age=round(claim.age_s, 1),
            due_in=look.again_s,
        )
