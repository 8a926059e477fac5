"""The breakers as a worker process knows them: every watched call asks here first, and tells here what it met.

The view is of a few seconds ago, so a healthy job costs no statement. What it does not know yet costs one failed call,
which brings the news with it. Which call belongs to which phase is `domain/breakers.py`; what an error means is
`domain/outages.py`.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar, cast

from reelqueue.domain.breakers import CALLS, Breaker, BreakerPolicy, Failure, Phase, ProbeEnd
from reelqueue.domain.jobs import Job
from reelqueue.domain.outages import instead_of, meaning_of, waiting_out
from reelqueue.domain.verdicts import Snooze, Verdict
from reelqueue.errors import DependencyUnavailable, UpstreamError
from reelqueue.jobs.breaker_ports import BreakerStore
from reelqueue.kit.clock import Clock
from reelqueue.kit.logs import get_logger
from reelqueue.kit.metrics import Metrics

REFRESH_S = 2.0
"""How old the view of a process may be: what a switch thrown by hand costs until every worker heeds it."""
GAUGE = {"closed": 0, "half_open": 1, "open": 2}

T = TypeVar("T")

log = get_logger(__name__)


class PhaseOpen(Exception):
    """The call was not made. No error of the upstream's: no step may take it for the outcome of a call."""

    def __init__(self, phase: Phase) -> None:
        super().__init__(phase.value)
        self.phase = phase


@dataclass(slots=True)
class Attempt:
    """One run of a step."""

    job: Job
    waits: bool
    """A cancel waits for nobody."""
    probes: set[Phase] = field(default_factory=set)
    down: Phase | None = None
    """Found down by a call of this run, and open."""
    in_turn: bool = False
    """A paid stream is open: what is read beside it is not held up."""

    @property
    def name(self) -> str:
        """Who probes: one run of one job."""
        return f"{self.job.id}:{self.job.lease_epoch}"


class Watch:
    """One a process, for any number of threads. Its notes never keep a step from its verdict."""

    def __init__(
        self, store: BreakerStore, *, policy: BreakerPolicy, clock: Clock, rng: random.Random, metrics: Metrics
    ) -> None:
        self._store = store
        self._policy = policy
        self._clock = clock
        self._rng = rng
        self._metrics = metrics
        self._lock = threading.Lock()
        self._view = {phase: Breaker(phase=phase) for phase in Phase}
        self._due: dict[Phase, float] = {}
        self._answered: Counter[str] = Counter()
        self._counted_since = clock.monotonic()
        self._here = threading.local()

    def refresh(self) -> None:
        """Read the breakers. Raises DependencyUnavailable: then what is known stays."""
        view = self._store.view()
        for breaker in view.breakers.values():
            self._know(breaker, view.now)

    def keep_fresh(self, stopped: threading.Event) -> None:
        """Refresh until told to stop. For a thread of its own."""
        while not stopped.is_set():
            try:
                self.refresh()
            except DependencyUnavailable:
                log.warning("breakers.database_lost")
            except Exception:
                log.exception("breakers.refresh_crashed")
            stopped.wait(REFRESH_S)

    @contextmanager
    def attempt(self, job: Job) -> Iterator[Attempt]:
        """The run of a step on this thread. A probe that came to no call is given back."""
        attempt = self._here.attempt = Attempt(job, waits=job.cancel_requested_at is None)
        try:
            yield attempt
        except Exception:
            self._give_back(attempt)
            raise
        else:
            self._give_back(attempt)
        finally:
            self._here.attempt = None

    def ruled(self, attempt: Attempt, verdict: Verdict) -> Verdict:
        """The verdict, or a wait in its place where this run met an outage."""
        return verdict if attempt.down is None else instead_of(verdict, self.wait(attempt.job, attempt.down))

    def wait(self, job: Job, phase: Phase) -> Snooze:
        """Until the next probe, and a while longer, so that not all come at once."""
        with self._lock:
            breaker, due = self._view[phase], self._due.get(phase, 0.0)
        left = due - self._clock.monotonic()
        seconds = self._policy.held_look_s if breaker.held else left if left > 0 else self._policy.probe_base_s
        return waiting_out(job, phase.value, seconds + self._rng.uniform(0, seconds / 2), self._clock.now())

    # --- what calls ask and tell ---

    def before(self, call: str) -> None:
        """Raises `PhaseOpen` where the call has to wait, unless this run gets the probe."""
        attempt = self._attempt()
        phase = CALLS[call]
        if attempt is None or not attempt.waits or attempt.in_turn or phase in attempt.probes:
            return
        with self._lock:
            breaker, due = self._view[phase], self._due.get(phase, 0.0)
        if not breaker.stops(call):
            return
        if breaker.held or self._clock.monotonic() < due or not self._take(attempt, phase):
            raise PhaseOpen(phase)

    def answered(self, call: str) -> None:
        """The upstream answered, be it with a refusal."""
        with self._lock:
            self._forget_old()
            self._answered[call] += 1
        attempt = self._attempt()
        if attempt is not None and CALLS[call] in attempt.probes:
            self._end_probe(attempt, CALLS[call], "answered")

    def met(self, call: str, error: UpstreamError) -> None:
        """The call failed."""
        meaning = meaning_of(error)
        if meaning == "answered":
            self.answered(call)
        attempt, phase = self._attempt(), CALLS[call]
        if meaning != "down" or attempt is None:
            return
        if phase in attempt.probes:
            self._end_probe(attempt, phase, "failed")
        else:
            self._count(attempt, phase, call, error)
        with self._lock:
            if self._view[phase].stops(call):
                attempt.down = phase

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A paid turn is being sent."""
        attempt = self._attempt()
        if attempt is None:
            yield
            return
        attempt.in_turn = True
        try:
            yield
        finally:
            attempt.in_turn = False

    # --- inside ---

    def _attempt(self) -> Attempt | None:
        found: Attempt | None = getattr(self._here, "attempt", None)
        return found

    def _take(self, attempt: Attempt, phase: Phase) -> bool:
        try:
            taken = self._store.take_probe(phase, attempt.name)
        except DependencyUnavailable:
            return False
        with self._lock:
            # Whoever was refused looks again when the probe on its way must have ended.
            self._due[phase] = self._clock.monotonic() + self._policy.probe_base_s
        if taken:
            attempt.probes.add(phase)
            log.info("breaker.probed", phase=phase.value, job=attempt.job.id)
        return taken

    def _end_probe(self, attempt: Attempt, phase: Phase, outcome: ProbeEnd) -> None:
        attempt.probes.discard(phase)
        try:
            breaker = self._store.probed(phase, attempt.name, outcome)
        except DependencyUnavailable:
            # The row says when a probe that says nothing is given up.
            log.warning("breakers.database_lost", phase=phase.value)
            return
        log.info("breaker.probe_ended", phase=phase.value, outcome=outcome, state=breaker.state)
        self._know(breaker, self._clock.now())

    def _count(self, attempt: Attempt, phase: Phase, call: str, error: UpstreamError) -> None:
        with self._lock:
            self._forget_old()
            answered = self._answered.pop(call, 0)
        failure = Failure(job_id=attempt.job.id, call=call, reason=error.code, answered=answered)
        try:
            breaker, opened = self._store.failed(phase, failure)
        except DependencyUnavailable:
            log.warning("breakers.database_lost", phase=phase.value)
            return
        if opened:
            self._metrics.breakers_opened.labels(phase.value).inc()
            log.error("breaker.opened", phase=phase.value, call=call, reason=error.code)
        self._know(breaker, self._clock.now())

    def _give_back(self, attempt: Attempt) -> None:
        for phase in tuple(attempt.probes):
            self._end_probe(attempt, phase, "nothing")

    def _know(self, breaker: Breaker, now: datetime) -> None:
        moment = breaker.next_probe_at or breaker.probe_until
        with self._lock:
            self._view[breaker.phase] = breaker
            if moment is not None:
                self._due[breaker.phase] = self._clock.monotonic() + (moment - now).total_seconds()
        self._metrics.breaker_state.labels(breaker.phase.value).set(GAUGE[breaker.state])

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        if now - self._counted_since > self._policy.window_s:
            self._answered.clear()
            self._counted_since = now


class Watched:
    """An adapter whose calls in `CALLS` ask and tell a `Watch`; all else goes straight through."""

    def __init__(self, target: Any, watch: Watch) -> None:
        self._target = target
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if name not in CALLS:
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self._watch.before(name)
            try:
                done = found(*arguments, **named)
            except UpstreamError as error:
                self._watch.met(name, error)
                raise
            self._watch.answered(name)
            return done

        return self._turn(found) if name == "run_turn" else call

    def _turn(self, run_turn: Any) -> Any:
        watch = self._watch

        def call(*arguments: Any, control: Any, on_progress: Any, **named: Any) -> Any:
            watch.before("run_turn")
            heard = False

            def first(progress: Any) -> None:
                # A turn may last longer than a probe: the first sign of work is the answer.
                nonlocal heard
                if not heard:
                    heard = True
                    watch.answered("run_turn")
                on_progress(progress)

            with watch.turn():
                try:
                    report = run_turn(*arguments, control=control, on_progress=first, **named)
                except UpstreamError as error:
                    if not control.aborted:
                        watch.met("run_turn", error)
                    raise
            if not heard:
                watch.answered("run_turn")
            return report

        return call


def watched(target: T, watch: Watch) -> T:
    """The same port, watched."""
    return cast("T", Watched(target, watch))
