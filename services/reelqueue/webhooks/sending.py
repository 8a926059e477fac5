"""Sending what is due to one receiver: a message at a time, or several where its answers take long."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reelqueue.domain.lanes import LEAST_TRIES
from reelqueue.domain.outgoing import LaneClaim, Outgoing
from reelqueue.kit.clock import Clock
from reelqueue.kit.logs import get_logger
from reelqueue.webhooks.sender import DeliveryOutcome, WebhookSender

MAX_IN_FLIGHT: Final = 8
"""POSTs at once to an endpoint that does not say how many it takes."""
PROMPT_MS: Final = 30.0
"""A receiver that answers faster, on the mean, gets one at a time: more would only cost."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """A message that was tried, and what came of it."""

    message: Outgoing
    outcome: DeliveryOutcome
    started_at: datetime


class Sending:
    """Sends batches. Thread-safe."""

    def __init__(self, senders: Callable[[], AbstractContextManager[WebhookSender]], clock: Clock) -> None:
        """`senders` makes a sender for each thread that sends."""
        self._senders = senders
        self._clock = clock

    def send_all(self, claim: LaneClaim, due: Sequence[Outgoing], *, until: float) -> tuple[Done, ...]:
        """Try each once, events of one job one after the other; in the order in which they ended.

        No try begins after `until` (by the monotonic clock), after the receiver said that it is gone, or after so many
        failures in a row that it seems to be down: what is left stays due.
        """
        batch = _Batch(due)
        width = min(batch.chains, claim.max_in_flight or MAX_IN_FLIGHT)
        if width <= 1 or claim.health.latency_ms < PROMPT_MS:
            self._run(claim, batch, until)
        else:
            with ThreadPoolExecutor(width, thread_name_prefix="sends") as pool:
                for running in [pool.submit(self._run, claim, batch, until) for _ in range(width)]:
                    running.result()
        return tuple(batch.done)

    def _run(self, claim: LaneClaim, batch: _Batch, until: float) -> None:
        with self._senders() as sender:
            while chain := batch.next_chain():
                for message in chain:
                    if batch.stopped or self._clock.monotonic() >= until:
                        return
                    batch.end(self._try(sender, claim, message))

    def _try(self, sender: WebhookSender, claim: LaneClaim, message: Outgoing) -> Done:
        started_at = self._clock.now()
        try:
            outcome = sender.send(
                message.url,
                message.payload,
                message_id=message.event_id,
                secrets=claim.secrets,
                headers=claim.headers,
            )
        except Exception:
            # A bug must not leave a row behind that nobody will ever look at again.
            log.exception("message.try_crashed", message=message.id)
            outcome = DeliveryOutcome(
                delivered=False,
                status=None,
                error_class="internal",
                elapsed_ms=0,
                response_excerpt="",
                retry_after_s=None,
            )
        return Done(message, outcome, started_at)


class _Batch:
    """What is to be sent, as chains that may run side by side. For several threads."""

    def __init__(self, due: Iterable[Outgoing]) -> None:
        chains: dict[str, list[Outgoing]] = {}
        for message in due:
            chains.setdefault(message.job_id or message.id, []).append(message)
        self._waiting = deque(chains.values())
        self._lock = threading.Lock()
        self._failed_in_a_row = 0
        self.chains = len(chains)
        self.done: list[Done] = []
        self.stopped = False

    def next_chain(self) -> list[Outgoing]:
        """One that nobody has taken; empty: there is none."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else []

    def end(self, one: Done) -> None:
        """Note a try that has ended."""
        with self._lock:
            self.done.append(one)
            self._failed_in_a_row = 0 if one.outcome.delivered else self._failed_in_a_row + 1
            self.stopped |= one.outcome.gone or self._failed_in_a_row >= LEAST_TRIES
