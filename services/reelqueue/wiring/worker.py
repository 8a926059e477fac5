"""A worker process: the runner with its steps, the deliverer, and the lease they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reelqueue.domain.jobs import Queue, Status
from reelqueue.domain.retries import RetryPolicy
from reelqueue.domain.rulings import Rules
from reelqueue.domain.upstream import TurnLimits
from reelqueue.jobs.breaker import watched
from reelqueue.jobs.late_renders import LateRenders
from reelqueue.jobs.late_turns import LateTurns
from reelqueue.jobs.lease import Lease
from reelqueue.jobs.live_turns import LiveTurns
from reelqueue.jobs.observe import Observer
from reelqueue.jobs.recover import Recoverer, RecoveryRules
from reelqueue.jobs.runner import Runner, Steps
from reelqueue.jobs.session import SessionKeeper
from reelqueue.jobs.steps.ask import AskStep
from reelqueue.jobs.steps.cancel import CancelStep
from reelqueue.jobs.steps.instruct import InstructStep
from reelqueue.jobs.steps.open import OpenStep
from reelqueue.jobs.steps.reconcile import Recipe, Reconciler
from reelqueue.jobs.steps.render import PollSchedule, RenderStep
from reelqueue.jobs.steps.save import SaveStep
from reelqueue.jobs.steps.upload import UploadStep
from reelqueue.jobs.turn_log import TurnLog
from reelqueue.settings import Settings
from reelqueue.webhooks.deliver import Deliverer
from reelqueue.webhooks.sender import senders
from reelqueue.wiring.services import Services

SHORTEST_TURN_LIMIT_S = 5.0
"""However fast the clock of a twin runs, a turn gets this long."""
SHORTEST_RENDER_LIMIT_S = 40.0
"""And an export this long: a twin makes real films, in real time."""
SHORTEST_WATCH_S = 20.0
"""And this long something is waited for that may still arrive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What the tasks of one process work with."""

    lease: Lease
    live: LiveTurns
    runner: Runner
    deliverer: Deliverer
    recoverer: Recoverer


def build_worker(services: Services, *, node: str, queues: Sequence[Queue], capacity: int) -> Worker:
    """Put a worker together. Nothing is registered and nothing runs before `lease.start`."""
    lease = Lease(services.workers, services.clock, node=node, queues=queues, capacity=capacity)
    services.live_workers = lease.live_workers
    live = LiveTurns()
    return Worker(
        lease=lease,
        live=live,
        runner=_runner(services, lease, live),
        deliverer=_deliverer(services, lease),
        recoverer=_recoverer(services, lease),
    )


def _deliverer(services: Services, lease: Lease) -> Deliverer:
    return Deliverer(
        store=services.lanes,
        senders=senders(services.egress, services.clock, deadline_s=services.settings.webhooks.total_s),
        holder=lease,
        clock=services.clock,
        rng=services.rng,
        metrics=services.metrics,
        speed=services.settings.speed,
    )


def _recoverer(services: Services, lease: Lease) -> Recoverer:
    settings, nemo, desk = services.settings, services.nemo, services.desk
    schedule = PollSchedule(
        first_s=settings.steps.render_first_poll_s,
        longest_s=settings.steps.render_longest_poll_s,
        budget_s=settings.recovery.watch_s,
    )
    return Recoverer(
        store=services.recoveries,
        renders=LateRenders(
            upstream=nemo,
            desk=desk,
            projects=services.projects,
            renders=services.renders,
            fetch=_save_step(services, _sessions(services)).fetch,
            schedule=schedule,
            speed=settings.speed,
        ),
        turns=LateTurns(
            observer=Observer(nemo, desk),
            projects=services.projects,
            turns=services.turns,
            recipe=_recipe(settings),
        ),
        holder=lease,
        rules=RecoveryRules(
            watch_s=max(settings.recovery.watch_s / settings.speed, SHORTEST_WATCH_S),
            keep_s=settings.recovery.keep_s,
            again_s=settings.steps.render_longest_poll_s,
            speed=settings.speed,
        ),
        clock=services.clock,
        metrics=services.metrics,
    )


def _runner(services: Services, lease: Lease, live: LiveTurns) -> Runner:
    settings = services.settings
    retries = RetryPolicy(settings.steps.max_attempts, settings.steps.retry_base_s, settings.steps.retry_cap_s)
    return Runner(
        claims=services.claims,
        steps=_steps(services, lease, live),
        watch=services.watch,
        lease=lease,
        rules=Rules(retries=retries, speed=settings.speed),
        clock=services.clock,
        rng=services.rng,
        metrics=services.metrics,
    )


def _steps(services: Services, lease: Lease, live: LiveTurns) -> Steps:
    settings, renders = services.settings, services.renders
    nemo = watched(services.nemo, services.watch)
    desk = services.desk
    sessions = _sessions(services)
    observer = Observer(nemo, desk)
    reconciler = Reconciler(
        upstream=nemo,
        desk=desk,
        observer=observer,
        turns=services.turns,
        recipe=_recipe(settings),
        clock=services.clock,
    )
    return Steps(
        by_status={
            Status.QUEUED: OpenStep(sessions),
            Status.UPLOADING: UploadStep(sessions),
            Status.INSTRUCTING: InstructStep(
                upstream=nemo,
                desk=desk,
                sessions=sessions,
                turns=services.turns,
                versions=services.versions,
                observer=observer,
                reconciler=reconciler,
                live=live,
                lease=lease,
                log=TurnLog(services.claims, services.clock, speed=settings.speed),
                limits=_turn_limits(settings),
                history=services.history,
                clock=services.clock,
            ),
            Status.REQUIRES_INPUT: AskStep(services.clock),
            Status.RENDERING: RenderStep(
                upstream=nemo,
                desk=desk,
                sessions=sessions,
                renders=renders,
                versions=services.versions,
                schedule=_polls(settings),
                clock=services.clock,
                speed=settings.speed,
            ),
            Status.SAVING: _save_step(services, sessions),
        },
        cancel=CancelStep(upstream=nemo, desk=desk, sessions=sessions, renders=renders, reconciler=reconciler),
    )


def _sessions(services: Services) -> SessionKeeper:
    return SessionKeeper(
        upstream=watched(services.nemo, services.watch),
        desk=services.desk,
        projects=services.projects,
        uploads=services.uploads,
        assets=services.assets,
        blobs=services.blobs,
    )


def _save_step(services: Services, sessions: SessionKeeper) -> SaveStep:
    return SaveStep(
        upstream=watched(services.nemo, services.watch),
        desk=services.desk,
        sessions=sessions,
        renders=services.renders,
        keeper=watched(services.results, services.watch),
        max_bytes=services.settings.files.max_result_bytes,
        tries=services.settings.steps.max_attempts,
    )


def _recipe(settings: Settings) -> Recipe:
    steps = settings.steps
    return Recipe(
        first_s=steps.reconcile_first_s,
        next_s=steps.reconcile_next_s,
        looks=steps.reconcile_looks,
        lag_s=steps.lag_s,
        lag_looks=steps.lag_looks,
        patience_s=steps.reconcile_patience_s / settings.speed,
        refused_s=steps.reconcile_next_s * steps.reconcile_looks / settings.speed,
    )


def _polls(settings: Settings) -> PollSchedule:
    steps = settings.steps
    return PollSchedule(
        first_s=steps.render_first_poll_s,
        longest_s=steps.render_longest_poll_s,
        budget_s=max(steps.render_budget_s, SHORTEST_RENDER_LIMIT_S * settings.speed),
    )


def _turn_limits(settings: Settings) -> TurnLimits:
    """The stream's limits are the upstream's time, which a twin may run faster."""
    total_s = max(SHORTEST_TURN_LIMIT_S, settings.steps.turn_total_s / settings.speed)
    return TurnLimits(total_s=total_s, idle_s=max(SHORTEST_TURN_LIMIT_S, settings.steps.turn_idle_s / settings.speed))
