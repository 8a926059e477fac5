"""Answering a webhook bell: take a lane, send what is due there for a while, write down what came of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol, TypeVar

from reelqueue.domain import lanes
from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.deliveries import MAX_ATTEMPTS, next_attempt_at
from reelqueue.domain.lanes import Failing
from reelqueue.domain.outgoing import BATCH, AttemptRecord, LaneClaim, Outgoing, Try
from reelqueue.errors import DependencyUnavailable
from reelqueue.kit.clock import Clock
from reelqueue.kit.logs import get_logger
from reelqueue.kit.metrics import Metrics
from reelqueue.webhooks.ports import LaneStore
from reelqueue.webhooks.sender import DeliveryOutcome
from reelqueue.webhooks.traffic import Done, Senders, Traffic

QUANTUM_S: Final = 2.0
"""How long a lane is worked on before others get their turn. What is under way then is waited for; see `Traffic`."""

log = get_logger(__name__)
T = TypeVar("T")


class Holder(Protocol):
    """Whoever holds the leases; see `jobs.lease.Lease`."""

    @property
    def worker_id(self) -> str:
        """The name on the claim."""
        ...


class Deliverer:
    """Drains lanes. Thread-safe; of one lane there is one drain at a time, wherever it runs.

    At least once: a worker that dies between a receiver's 2xx and the record leads to a second POST with the same
    `webhook-id`.
    """

    def __init__(
        self,
        *,
        store: LaneStore,
        senders: Senders,
        holder: Holder,
        clock: Clock,
        rng: random.Random,
        metrics: Metrics,
        speed: float,
    ) -> None:
        self._store = store
        self._senders = senders
        self._holder = holder
        self._clock = clock
        self._rng = rng
        self._metrics = metrics
        self._speed = speed

    def deliver(self, lane_id: str) -> None:
        """Drain a lane for a while. Safe to call for any id, any number of times."""
        worker_id = self._holder.worker_id
        try:
            claim = self._store.claim(lane_id, worker_id)
        except DependencyUnavailable:
            # It may be ours without our knowing; nobody else would ever free it.
            with suppress(ClaimLost):
                self._insist(worker_id, lambda: self._store.let_go(lane_id, worker_id))
            return
        if claim is None:
            self._metrics.claims_refused.labels("lane").inc()
            return
        try:
            self._drain(claim)
        except ClaimLost:
            self._metrics.claims_lost.labels("lane").inc()

    def _drain(self, claim: LaneClaim) -> None:
        began, sent, due = self._clock.monotonic(), 0, claim.due[: _allowed(claim)]
        with Traffic(self._senders, claim, self._clock, until=began + QUANTUM_S) as traffic:
            while True:
                done = traffic.send(due)
                sent += len(done)
                now = claim.now + timedelta(seconds=self._clock.monotonic() - began)
                claim = replace(
                    claim, health=lanes.after(claim.health, [_seen(one) for one in done], now, speed=self._speed)
                )
                if claim.health.open_until is not None:
                    traffic.stop()
                more = traffic.is_open and claim.rate_per_minute is None and (len(due) >= BATCH or traffic.busy)
                if not (more or traffic.busy):
                    self._finish(claim, done, now, not_before=_pause(claim, sent, now))
                    return
                claim, stands = self._record(claim, done, now)
                if not stands:
                    # Its owner began it anew: whoever takes it next goes to the new place.
                    traffic.stop()
                due = self._insist(claim.worker_id, partial(self._store.more, claim)) if more and stands else ()

    def _record(self, claim: LaneClaim, done: Sequence[Done], now: datetime) -> tuple[LaneClaim, bool]:
        """Write down what has ended: the claim as it goes on, and whether its lane still stands. Raises `ClaimLost`."""
        if not done:
            return claim, True
        claim, tries, news = self._judged(claim, done, now)
        record = partial(self._store.record, claim, tries, claim.health, news=news)
        return claim, self._insist(claim.worker_id, record)

    def _finish(self, claim: LaneClaim, done: Sequence[Done], now: datetime, *, not_before: datetime | None) -> None:
        """Write down what has ended, and give the lane back. Raises `ClaimLost`."""
        reason = self._disabling(claim, done, now)
        if reason is not None and self._disable(claim, done, now, reason):
            return
        claim, tries, news = self._judged(claim, done, now)
        finish = partial(self._store.finish, claim, tries, claim.health, news=news, not_before=not_before)
        self._insist(claim.worker_id, finish)

    def _judged(
        self, claim: LaneClaim, done: Sequence[Done], now: datetime
    ) -> tuple[LaneClaim, Sequence[Try], Failing | None]:
        tries = [self._try_of(claim, one, now) for one in done]
        self._tell(claim, done, tries)
        news = None if claim.endpoint_id is None else lanes.failing(claim.health, now, speed=self._speed)
        if news is not None:
            claim = replace(claim, health=replace(claim.health, alerted=news.percent))
        return claim, tries, news

    def _disable(self, claim: LaneClaim, done: Sequence[Done], now: datetime, reason: str) -> bool:
        """Send nothing there any more. False: its owner began it anew meanwhile, and nothing was recorded."""
        tries = [self._try_of(claim, one, now, ends=True) for one in done]
        disable = partial(self._store.disable, claim, tries, claim.health, reason=reason)
        if not self._insist(claim.worker_id, disable):
            return False
        self._tell(claim, done, tries)
        log.warning("endpoint.disabled", endpoint=claim.endpoint_id, tenant=claim.tenant_id, reason=reason)
        return True

    def _disabling(self, claim: LaneClaim, done: Sequence[Done], now: datetime) -> str | None:
        """Why nothing shall be sent there any more, if so. What jobs name is no endpoint, and is not disabled."""
        if claim.endpoint_id is None:
            return None
        if any(one.outcome.gone for one in done):
            return "status 410"
        failed = bool(done) and not done[-1].outcome.delivered
        return "failing for 5 days" if failed and lanes.gives_up(claim.health, now, speed=self._speed) else None

    def _try_of(self, claim: LaneClaim, one: Done, now: datetime, *, ends: bool = False) -> Try:
        """A message has no further try if whoever jobs name is gone, or, with an endpoint, if that `ends`."""
        message, outcome = one.message, one.outcome
        over = outcome.delivered or (outcome.gone and (ends or claim.endpoint_id is None))
        retry_in_s = None if over else self._retry_in_s(message, outcome, now)
        attempt = AttemptRecord(
            started_at=one.started_at,
            elapsed_ms=outcome.elapsed_ms,
            status=outcome.status,
            error_class=outcome.error_class,
            excerpt=outcome.response_excerpt,
            request_headers=outcome.request_headers,
        )
        return Try(message_id=message.id, attempt=attempt, delivered=outcome.delivered, retry_in_s=retry_in_s)

    def _retry_in_s(self, message: Outgoing, outcome: DeliveryOutcome, now: datetime) -> float | None:
        due = next_attempt_at(
            message.round + 1, now, rng=self._rng, retry_after_s=outcome.retry_after_s, speed=self._speed
        )
        return None if due is None else (due - now).total_seconds()

    def _insist(self, worker_id: str, write: Callable[[], T]) -> T:
        """Do it once the database answers. Raises `ClaimLost` once our name is another: the sweep frees what we held.

        A write that is repeated after its answer was lost says `ClaimLost` too: the row is as we meant it to be.
        """
        while self._holder.worker_id == worker_id:
            try:
                return write()
            except DependencyUnavailable:
                log.warning("lane.database_lost", worker=worker_id)
                self._clock.sleep(1.0)
        raise ClaimLost(worker_id)

    def _tell(self, claim: LaneClaim, done: Sequence[Done], tries: Sequence[Try]) -> None:
        for one, kept in zip(done, tries, strict=True):
            outcome, message, retry_in_s = one.outcome, one.message, kept.retry_in_s
            result = "delivered" if outcome.delivered else "retrying" if retry_in_s is not None else "given_up"
            self._metrics.deliveries.labels(result).inc()
            self._metrics.delivery_seconds.observe(outcome.elapsed_ms / 1000)
            log.info(
                "message.tried",
                message=message.id,
                tenant=claim.tenant_id,
                endpoint=claim.endpoint_id,
                job=message.job_id,
                type=message.type,
                attempt=message.attempts + 1,
                round=message.round + 1,
                of=MAX_ATTEMPTS,
                outcome=result,
                status=outcome.status,
                stage=outcome.error_class,
                elapsed_ms=outcome.elapsed_ms,
                retry_in=None if retry_in_s is None else round(retry_in_s, 1),
            )


def _allowed(claim: LaneClaim) -> int | None:
    """How many messages one drain may send by the rate that the receiver was given; `None`: as many as there are."""
    return None if claim.rate_per_minute is None else max(1, int(claim.rate_per_minute * QUANTUM_S / 60))


def _pause(claim: LaneClaim, sent: int, now: datetime) -> datetime | None:
    """Until when its rate lets it rest after that many."""
    return None if claim.rate_per_minute is None else now + timedelta(seconds=sent * 60 / claim.rate_per_minute)


def _seen(one: Done) -> lanes.Outcome:
    return lanes.Outcome(ok=one.outcome.delivered, elapsed_ms=one.outcome.elapsed_ms)
