"""One run of a job: claim it, run its step, write the verdict. Every step goes through here, and nothing else does.

Policy (what a verdict means) is `domain/rulings.py`; mechanism (how it is written) is the store; this file joins the
two and tells of it in one line an attempt.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from reelqueue.domain.claims import Change, Claim, ClaimLost
from reelqueue.domain.deadlines import late_before
from reelqueue.domain.jobs import Job, Status
from reelqueue.domain.rulings import Rules, rule
from reelqueue.domain.verdicts import Fail, Retry, Verdict
from reelqueue.errors import DependencyUnavailable, InternalError, ReelqueueError
from reelqueue.jobs.breaker import PhaseOpen, Watch
from reelqueue.jobs.faults import verdict_on
from reelqueue.jobs.lease import Lease
from reelqueue.jobs.ports import ClaimStore
from reelqueue.jobs.steps import Step
from reelqueue.kit.clock import Clock
from reelqueue.kit.logs import get_logger
from reelqueue.kit.metrics import Metrics

APPLY_TRIES = 5
"""How often the write of a verdict is tried while the database is away. A guarded write may be repeated safely."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The step of each live status, and the one that takes its place when the owner cancels."""

    by_status: Mapping[Status, Step]
    cancel: Step


class Runner:
    """Runs jobs. Thread-safe: one for a worker process."""

    def __init__(
        self,
        *,
        claims: ClaimStore,
        steps: Steps,
        watch: Watch,
        lease: Lease,
        rules: Rules,
        clock: Clock,
        rng: random.Random,
        metrics: Metrics,
    ) -> None:
        self._claims = claims
        self._steps = steps
        self._watch = watch
        self._lease = lease
        self._rules = rules
        self._clock = clock
        self._rng = rng
        self._metrics = metrics

    def work(self, job_id: str) -> None:
        """Answer a bell. Safe to call for any id, any number of times: only a claim that is granted does anything.

        Follow-on steps that belong to the same queue run under the same claim, without another bell.
        """
        worker_id, crashed = self._lease.worker_id, False
        try:
            claim = self._claims.claim(job_id, worker_id)
            if claim is None:
                self._metrics.claims_refused.labels("job").inc()
            while claim is not None:
                claim = self._run_once(claim)
        except ClaimLost:
            # Somebody else owns the job, or it ended. Whatever we know is theirs to find out.
            self._metrics.claims_lost.labels("job").inc()
            log.warning("job.claim_lost", job=job_id, worker=worker_id)
        except DependencyUnavailable:
            log.warning("job.database_lost", job=job_id, worker=worker_id)
        except Exception:
            crashed = True
            log.exception("job.run_crashed", job=job_id, worker=worker_id)
        else:
            return
        self._let_go(job_id, worker_id, crashed=crashed)

    def _let_go(self, job_id: str, worker_id: str, *, crashed: bool) -> None:
        """Leave no row behind that says we hold it: our lease is renewed on, so no sweep would ever free it.

        A claim or a write whose answer was lost may have been made. Goes on until the database says, or our name is
        another: then the lease had ended, and the sweep frees what it covered.
        """
        while self._lease.worker_id == worker_id:
            try:
                self._claims.let_go(job_id, worker_id, crashed=crashed)
            except DependencyUnavailable:
                self._clock.sleep(1.0)
            else:
                return

    def _run_once(self, claim: Claim) -> Claim | None:
        """One step and its write. Returns the claim for the next step, or `None` when this worker is done with it."""
        began = self._clock.monotonic()
        verdict = self._verdict(claim)
        seconds = self._clock.monotonic() - began
        try:
            change = self._rule(claim.job, verdict)
            job = self._apply(claim, change)
        except (ClaimLost, DependencyUnavailable):
            raise
        except Exception:
            # A verdict outside the law, or one that cannot be stored, is a bug like any other in a step.
            log.exception("verdict.unwritable", job=claim.job.id, status=claim.job.status.value)
            verdict = Retry(InternalError())
            change = self._rule(claim.job, verdict)
            job = self._apply(claim, change)
        self._tell(claim, verdict, change, seconds)
        return Claim(job=job, worker_id=claim.worker_id) if change.hold == "keep" else None

    def _rule(self, job: Job, verdict: Verdict) -> Change:
        return rule(job, verdict, self._rules, now=self._clock.now(), rng=self._rng)

    def _verdict(self, claim: Claim) -> Verdict:
        """The step's verdict; where NemoVideo is down for everybody a wait, which costs no attempt."""
        with self._watch.attempt(claim.job) as attempt:
            verdict = self._of_step(claim)
        return self._watch.ruled(attempt, verdict)

    def _of_step(self, claim: Claim) -> Verdict:
        job = claim.job
        try:
            late = None if job.cancel_requested_at is not None else late_before(job, self._clock.now())
            return self._step_for(job).run(claim) if late is None else late
        except PhaseOpen as stopped:
            return self._watch.wait(job, stopped.phase)
        except ClaimLost:
            raise
        except ReelqueueError as error:
            return verdict_on(error)
        except Exception:
            # A bug must not leave a row behind that nobody will ever look at again.
            log.exception("step.crashed", job=job.id, status=job.status.value)
            return Retry(InternalError())

    def _step_for(self, job: Job) -> Step:
        if job.cancel_requested_at is not None:
            return self._steps.cancel
        return self._steps.by_status[job.status]

    def _apply(self, claim: Claim, change: Change) -> Job:
        for tries_left in reversed(range(APPLY_TRIES)):
            try:
                return self._claims.apply(claim, change)
            except DependencyUnavailable:
                # The commit may have happened: then the guard misses on the repeat and says `ClaimLost`, and what
                # we hold is given back as it then stands.
                if tries_left == 0:
                    raise
                self._clock.sleep(1.0)
        raise AssertionError("unreachable")

    def _tell(self, claim: Claim, verdict: Verdict, change: Change, seconds: float) -> None:
        job, name = claim.job, type(verdict).__name__.lower()
        self._metrics.steps.labels(job.status.value, name).inc()
        self._metrics.step_seconds.labels(job.status.value).observe(seconds)
        cause = verdict.cause if isinstance(verdict, Fail | Retry) else None
        log.info(
            "step.finished",
            job=job.id,
            tenant=job.tenant_id,
            status=job.status.value,
            to=change.to.value,
            verdict=name,
            attempt=job.attempt + 1,
            of=self._rules.retries.max_attempts,
            epoch=claim.epoch,
            worker=claim.worker_id,
            seconds=round(seconds, 3),
            due_in=change.due_s if change.hold == "release" else None,
            waiting=None if change.waiting is None else change.waiting.reason.value,
            error=None if cause is None else cause.code,
            detail=None if cause is None else dict(cause.detail),
        )
