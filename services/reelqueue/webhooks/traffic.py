"""Sending in one lane while it is held: by the thread that holds it, or by several where it would have to wait."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Final, Self

from reelqueue.domain.lanes import LEAST_TRIES
from reelqueue.domain.outgoing import LaneClaim, Outgoing
from reelqueue.kit.clock import Clock
from reelqueue.kit.logs import get_logger
from reelqueue.webhooks.line import Line
from reelqueue.webhooks.sender import DeliveryOutcome, WebhookSender

MAX_IN_FLIGHT: Final = 8
"""POSTs at once to an endpoint that does not say how many it takes, and to all URLs of jobs at one host and port."""
PROMPT_MS: Final = 30.0
"""A receiver that answers faster, on the mean, gets one at a time: more would only cost."""
BLINK_S: Final = PROMPT_MS / 1000
BLINKS: Final = 8
"""How many of them the rest is waited for before what has ended is written down, and what else is due is looked at."""
LONGEST_S: Final = 30.0
"""How long, once its time is over, a lane of several URLs goes on while one of them hangs: the others need not wait."""

log = get_logger(__name__)
Senders = Callable[[], AbstractContextManager[WebhookSender]]


@dataclass(frozen=True, slots=True)
class Done:
    """A message that was tried, and what came of it."""

    message: Outgoing
    outcome: DeliveryOutcome
    started_at: datetime


class Traffic:
    """Tries each message once, events of one job one after the other. For the one thread that holds the lane.

    To a prompt endpoint that thread sends by itself. Where answers take long, and where jobs name URLs, of which one
    may hang, others send: one at first to whoever is prompt, and one more each time that nothing ended for a blink.

    No try begins once the time is over, or after `stop`, or after the receiver said that it is gone, or after so many
    failures in a row that it seems to be down: what is left stays due. Where jobs name URLs there is more time as long
    as something is under way.
    """

    def __init__(self, senders: Senders, claim: LaneClaim, clock: Clock, *, until: float) -> None:
        """`senders` makes one for each thread that sends. `until`: the end of its time, by the monotonic clock."""
        self._senders, self._claim, self._clock, self._until = senders, claim, clock, until
        self._shared = claim.url is None
        self._most = claim.max_in_flight or MAX_IN_FLIGHT
        prompt = claim.health.latency_ms < PROMPT_MS
        self._alone = not self._shared and (prompt or self._most == 1)
        self._width = 1 if prompt else self._most
        self._line = Line(places=self._most, shared=self._shared)
        self._ended: list[Done] = []
        self._told: tuple[Done, ...] = ()
        self._threads = self._tried = self._failed_in_a_row = 0
        self._stopped = False
        self._changed = threading.Condition()
        self._open = ExitStack()
        self._sender: WebhookSender | None = None
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Begin nothing more, and wait for what is under way."""
        self.stop()
        self._open.close()

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return self._threads > 0

    @property
    def is_open(self) -> bool:
        """Whether a try may begin now."""
        late_s = self._clock.monotonic() - self._until
        longer = self._shared and self._line.under_way > 0 and late_s < LONGEST_S
        return not self._stopped and (late_s < 0 or longer)

    def stop(self) -> None:
        """Begin no further try."""
        self._stopped = True

    def send(self, due: Iterable[Outgoing]) -> tuple[Done, ...]:
        """Send these too, and say what has ended since the last call, in that order.

        Returns once all have ended, or after some blinks, unless nothing more may begin. What it says has to be written
        down before what is due is read again. What waits and may not begin any more is forgotten: it stays due.
        """
        with self._changed:
            self._line.forget(one.message.id for one in self._told)
            self._line.join(due)
        if self._alone:
            self._sender = self._sender or self._open.enter_context(self._senders())
            self._send_with(self._sender, self._next())
        else:
            self._attend()
        with self._changed:
            self._told, self._ended = tuple(self._ended), []
            if not self.is_open:
                self._line.disperse()
            return self._told

    def _attend(self) -> None:
        """Have enough threads at work, and wait for them."""
        with self._changed:
            for look in itertools.count():
                self._hire()
                if not self._threads or (look >= BLINKS and self.is_open):
                    return
                tried = self._tried
                self._changed.wait(BLINK_S)
                self._width += tried == self._tried

    def _hire(self) -> None:
        while self._threads < min(self._width, self._most):
            message = self._next()
            if message is None:
                return
            if self._pool is None:
                self._pool = self._open.enter_context(ThreadPoolExecutor(self._most, thread_name_prefix="sends"))
            self._threads += 1
            self._pool.submit(self._work, message)

    def _work(self, message: Outgoing) -> None:
        try:
            with self._senders() as sender:
                self._send_with(sender, message)
        finally:
            with self._changed:
                self._threads -= 1
                self._changed.notify()

    def _send_with(self, sender: WebhookSender, message: Outgoing | None) -> None:
        while message is not None:
            self._end(self._try(sender, message))
            message = self._next()

    def _next(self) -> Outgoing | None:
        with self._changed:
            return self._line.begin() if self.is_open else None

    def _end(self, one: Done) -> None:
        with self._changed:
            self._line.end(one.message)
            self._ended.append(one)
            self._tried += 1
            self._failed_in_a_row = 0 if one.outcome.delivered else self._failed_in_a_row + 1
            self._stopped |= one.outcome.gone or self._failed_in_a_row >= LEAST_TRIES

    def _try(self, sender: WebhookSender, message: Outgoing) -> Done:
        started_at = self._clock.now()
        try:
            outcome = sender.send(
                message.url,
                message.payload,
                message_id=message.event_id,
                secrets=self._claim.secrets,
                headers=self._claim.headers,
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
