"""Answering a webhook bell: one message, one try, one record."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.deliveries import MAX_ATTEMPTS, next_attempt_at
from reelqueue.domain.outgoing import AttemptRecord, DeliveryClaim
from reelqueue.errors import DependencyUnavailable
from reelqueue.kit.clock import Clock
from reelqueue.kit.logs import get_logger
from reelqueue.kit.metrics import Metrics
from reelqueue.webhooks.sender import DeliveryOutcome, WebhookSender

log = get_logger(__name__)


class DeliveryStore(Protocol):
    """`store.deliveries.Deliveries`."""

    def claim(self, message_id: str, worker_id: str) -> DeliveryClaim | None:
        """See there."""
        ...

    def let_go(self, message_id: str, worker_id: str) -> bool:
        """See there."""
        ...

    def record(
        self,
        claim: DeliveryClaim,
        attempt: AttemptRecord,
        *,
        delivered: bool,
        retry_in_s: float | None,
        disable_endpoint: bool = False,
    ) -> None:
        """See there."""
        ...


class Holder(Protocol):
    """Whoever holds the leases; see `jobs.lease.Lease`."""

    @property
    def worker_id(self) -> str:
        """The name on the claim."""
        ...


class Deliverer:
    """Delivers messages. Thread-safe.

    At least once: a worker that dies between the receiver's 2xx and the record leads to a second POST with the same
    `webhook-id`. Never two at a time.
    """

    def __init__(
        self,
        *,
        store: DeliveryStore,
        sender: WebhookSender,
        holder: Holder,
        clock: Clock,
        rng: random.Random,
        metrics: Metrics,
        speed: float,
    ) -> None:
        self._store = store
        self._sender = sender
        self._holder = holder
        self._clock = clock
        self._rng = rng
        self._metrics = metrics
        self._speed = speed

    def deliver(self, message_id: str) -> None:
        """Try a message once. Safe to call for any id, any number of times."""
        worker_id = self._holder.worker_id
        try:
            claim = self._store.claim(message_id, worker_id)
        except DependencyUnavailable:
            # It may be ours without our knowing; nobody else would ever free it.
            self._insist(worker_id, lambda: self._store.let_go(message_id, worker_id))
            return
        if claim is None:
            self._metrics.claims_refused.labels("message").inc()
            return
        started_at = self._clock.now()
        outcome = self._send(claim)
        record = AttemptRecord(
            started_at=started_at,
            elapsed_ms=outcome.elapsed_ms,
            status=outcome.status,
            error_class=outcome.error_class,
            excerpt=outcome.response_excerpt,
        )
        retry_in_s = None if outcome.delivered or outcome.gone else self._retry_in_s(claim, outcome)
        disable = outcome.gone and claim.endpoint_id is not None
        try:
            self._insist(
                worker_id,
                lambda: self._store.record(
                    claim, record, delivered=outcome.delivered, retry_in_s=retry_in_s, disable_endpoint=disable
                ),
            )
        except ClaimLost:
            self._metrics.claims_lost.labels("message").inc()
        self._tell(claim, outcome, retry_in_s)

    def _send(self, claim: DeliveryClaim) -> DeliveryOutcome:
        try:
            return self._sender.send(claim.url, claim.payload, message_id=claim.message_id, secrets=claim.secrets)
        except Exception:
            # A bug must not leave a row behind that nobody will ever look at again.
            log.exception("message.try_crashed", message=claim.message_id)
            return DeliveryOutcome(
                delivered=False,
                status=None,
                error_class="internal",
                elapsed_ms=0,
                response_excerpt="",
                retry_after_s=None,
            )

    def _insist(self, worker_id: str, write: Callable[[], object]) -> None:
        """Write once the database answers, or our name is another: then the sweep has freed what we held.

        A write that is repeated after its answer was lost says `ClaimLost`: the row is as we meant it to be.
        """
        while self._holder.worker_id == worker_id:
            try:
                write()
            except DependencyUnavailable:
                log.warning("message.database_lost", worker=worker_id)
                self._clock.sleep(1.0)
            else:
                return

    def _retry_in_s(self, claim: DeliveryClaim, outcome: DeliveryOutcome) -> float | None:
        now = self._clock.now()
        due = next_attempt_at(claim.attempt, now, rng=self._rng, retry_after_s=outcome.retry_after_s, speed=self._speed)
        return None if due is None else (due - now).total_seconds()

    def _tell(self, claim: DeliveryClaim, outcome: DeliveryOutcome, retry_in_s: float | None) -> None:
        result = "delivered" if outcome.delivered else "retrying" if retry_in_s is not None else "given_up"
        self._metrics.deliveries.labels(result).inc()
        self._metrics.delivery_seconds.observe(outcome.elapsed_ms / 1000)
        log.info(
            "message.tried",
            message=claim.message_id,
            tenant=claim.tenant_id,
            endpoint=claim.endpoint_id,
            job=claim.job_id,
            type=claim.type,
            attempt=claim.attempt,
            of=MAX_ATTEMPTS,
            outcome=result,
            status=outcome.status,
            stage=outcome.error_class,
            elapsed_ms=outcome.elapsed_ms,
            retry_in=None if retry_in_s is None else round(retry_in_s, 1),
        )
