"""A worker process, a dispatcher and a sweep over a real database, in one thread, with an upstream in memory."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, update

from fakes.engine import FlatBlobs, ScriptedKeeper
from fakes.event_schemas import told_as_published
from fakes.job_rows import JobRows
from fakes.studio import Killed, Studio, Wire
from reelqueue.domain.breakers import BreakerPolicy
from reelqueue.domain.intake import NewAsset, NewInput, NewJob
from reelqueue.domain.jobs import Job, Queue, Status
from reelqueue.domain.retries import RetryPolicy
from reelqueue.domain.rulings import Rules
from reelqueue.domain.upstream import TurnLimits
from reelqueue.jobs.breaker import Watch, watched
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
from reelqueue.jobs.token_desk import TokenDesk
from reelqueue.jobs.turn_log import TurnLog
from reelqueue.kit.acting import EVERYBODY
from reelqueue.kit.clock import SystemClock
from reelqueue.kit.ids import new_id
from reelqueue.kit.metrics import Metrics
from reelqueue.kit.sealing import Sealer
from reelqueue.store.assets import Assets
from reelqueue.store.breakers import Breakers
from reelqueue.store.claims import Claims
from reelqueue.store.dispatch import Dispatch
from reelqueue.store.engine import Database, make_engine
from reelqueue.store.history import History
from reelqueue.store.intake import JobIntake
from reelqueue.store.jobs import Jobs
from reelqueue.store.projects import Projects
from reelqueue.store.recoveries import Recoveries
from reelqueue.store.renders import Renders
from reelqueue.store.sweep import Sweep
from reelqueue.store.tables import jobs, recoveries, workers
from reelqueue.store.tokens import UpstreamTokens
from reelqueue.store.turns import Turns
from reelqueue.store.uploads import Uploads
from reelqueue.store.versions import Versions
from reelqueue.store.workers import Workers

FAST = 1e6
"""Our own waits pass at once."""
RECIPE = Recipe(first_s=30, next_s=60, looks=5, lag_s=2, lag_looks=3, patience_s=60, refused_s=300)


@dataclass
class Process:
    """One worker: its lease, and its runner. Every call that leaves it goes over the wire."""

    lease: Lease
    runner: Runner
    recoverer: Recoverer
    live: LiveTurns
    watch: Watch


class Plant:
    """The whole engine without its broker."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.board = JobRows(database)
        self.studio = Studio()
        self.wire = Wire()
        self.dispatch = Dispatch(database)
        self.sweep = Sweep(database)
        self.intake = JobIntake(database, SystemClock())
        self.jobs = Jobs(database)
        self.tokens = UpstreamTokens(database, Sealer(bytes(32)))
        self.tenant = self.board.tenant(new_id("tenant"))
        self.tokens.add(self.tenant, f"nmv_usr_{self.tenant}", label="x")
        self.keeper: Any = ScriptedKeeper()
        self.watch_s = 3600.0
        self.policy = BreakerPolicy(probe_base_s=0.02, probe_cap_s=0.1, held_look_s=0.02)
        self.breakers = Breakers(database, self.policy)
        self.worker = self.start()

    def start(self) -> Process:
        """A new worker process, registered."""
        database, wire, clock = self.database, self.wire, SystemClock()
        watch = Watch(self.breakers, policy=self.policy, clock=clock, rng=random.Random(2), metrics=Metrics())
        upstream = watched(wire.through("upstream", self.studio), watch)
        projects = wire.through("projects", Projects(database))
        claims = wire.through("claims", Claims(database))
        turns, renders = wire.through("turns", Turns(database)), wire.through("renders", Renders(database))
        versions = wire.through("versions", Versions(database))
        lease = Lease(Workers(database), clock, node="n", queues=list(Queue), capacity=50, every_s=3600)
        lease._register()
        live = LiveTurns()
        desk = TokenDesk(
            wire.through("tokens", self.tokens), upstream, anonymous_client_id=None, clock=clock, speed=FAST
        )
        sessions = SessionKeeper(
            upstream=upstream,
            desk=desk,
            projects=projects,
            uploads=wire.through("uploads", Uploads(database)),
            assets=Assets(database),
            blobs=FlatBlobs(),
        )
        observer = Observer(upstream, desk)
        reconciler = Reconciler(
            upstream=upstream,
            desk=desk,
            observer=observer,
            turns=turns,
            recipe=RECIPE,
            clock=clock,
        )
        shared = {"upstream": upstream, "desk": desk, "sessions": sessions}
        keeper = watched(wire.through("keeper", self.keeper), watch)
        save = SaveStep(**shared, renders=renders, keeper=keeper, max_bytes=1000, tries=6)
        steps = Steps(
            by_status={
                Status.QUEUED: OpenStep(sessions),
                Status.UPLOADING: UploadStep(sessions),
                Status.INSTRUCTING: InstructStep(
                    **shared,
                    turns=turns,
                    versions=versions,
                    observer=observer,
                    reconciler=reconciler,
                    live=live,
                    lease=lease,
                    log=TurnLog(claims, clock, speed=FAST),
                    limits=TurnLimits(),
                    history=History(database),
                    clock=clock,
                ),
                Status.REQUIRES_INPUT: AskStep(clock),
                Status.RENDERING: RenderStep(
                    **shared,
                    renders=renders,
                    versions=versions,
                    schedule=PollSchedule(first_s=2, longest_s=30, budget_s=600 * FAST),
                    clock=clock,
                    speed=FAST,
                ),
                Status.SAVING: save,
            },
            cancel=CancelStep(**shared, renders=renders, reconciler=reconciler),
        )
        runner = Runner(
            claims=claims,
            steps=steps,
            watch=watch,
            lease=lease,
            rules=Rules(retries=RetryPolicy(max_attempts=6, base_s=2, cap_s=120), speed=FAST),
            clock=clock,
            rng=random.Random(1),
            metrics=Metrics(),
        )
        recoverer = Recoverer(
            store=wire.through("recoveries", Recoveries(database)),
            renders=LateRenders(
                upstream=upstream,
                desk=desk,
                projects=projects,
                renders=renders,
                fetch=save.fetch,
                schedule=PollSchedule(first_s=2, longest_s=30, budget_s=600),
                speed=FAST,
            ),
            turns=LateTurns(observer=observer, projects=projects, turns=turns, recipe=RECIPE),
            holder=lease,
            rules=RecoveryRules(watch_s=self.watch_s, keep_s=86_400, again_s=30, speed=FAST),
            clock=clock,
            metrics=Metrics(),
        )
        return Process(lease=lease, runner=runner, recoverer=recoverer, live=live, watch=watch)

    def accept(self, *instructions: str, pictures: int = 1, **changes: Any) -> Job:
        """A job with new pictures of its own."""
        inputs = tuple(NewInput(asset=self._picture()) for _ in range(pictures))
        new = NewJob(tenant_id=self.tenant, instructions=instructions or ("animate this",), inputs=inputs, **changes)
        return self.intake.accept(new).job

    def round(self) -> int:
        """What a dispatcher does in one round, each bell answered at once. Returns how many there were."""
        bells = self.dispatch.mark_due(Queue.STREAM, 10) + self.dispatch.mark_due(Queue.STEP, 10)
        bells += [] if bells else self.dispatch.admit(10) or self.dispatch.redial(10)
        for bell in bells:
            (self.worker.recoverer.recover if bell.recovery else self.worker.runner.work)(bell.id)
        return len(bells)

    def run(self, job_id: str, rounds: int = 200) -> Job:
        """Dispatch until the job has ended."""
        for _ in range(rounds):
            self.round()
            job = self.jobs.find(self.tenant, job_id)
            if job.status.is_final:
                return job
        raise AssertionError(f"the job still is {job.status} after {rounds} rounds")

    def survive(self, job_id: str) -> Job:
        """As `run`; a worker that is killed is followed by another once its lease has run out."""
        for _ in range(10):
            try:
                return self.run(job_id)
            except Killed:
                self.bury()
        raise AssertionError("the worker died ten times")

    def watch(self, job_id: str, rounds: int = 60) -> Job:
        """Dispatch until nothing more is watched for; whoever is killed meanwhile is followed by another."""
        over = (recoveries.c.job_id == job_id, recoveries.c.dispatch == "done")
        for _ in range(rounds):
            if self.board.count(recoveries, *over):
                return self.jobs.find(self.tenant, job_id)
            try:
                self.round()
            except Killed:
                self.bury()
        raise AssertionError(f"the job is still watched after {rounds} rounds")

    def bury(self) -> None:
        """The worker is gone: its lease runs out, the sweep takes over, another worker starts."""
        dead = update(workers).where(workers.c.id == self.worker.lease.worker_id)
        with self.database.statement() as connection:
            connection.execute(dead.values(expires_at=func.now()))
            # Whoever was rung by it and not answered is rung again, without the wait.
            for table in (jobs, recoveries):
                connection.execute(update(table).values(bell_at=table.c.bell_at - timedelta(hours=1)))
        self.sweep.take_over()
        self.sweep.fail_poisoned()
        self.sweep.restore_flags()
        self.worker = self.start()

    @staticmethod
    def _picture() -> NewAsset:
        content = new_id("request")
        return NewAsset(
            sha256=content.encode().hex()[:64].ljust(64, "0"),
            bytes=10,
            kind="image",
            media_type="image/png",
            extension="png",
            label="a.png",
            width=1,
            height=1,
            duration_ms=None,
            blob_key=content,
        )


@pytest.fixture
def database(database_url):
    made = Database(make_engine(database_url, pool_size=10, whose=EVERYBODY))
    yield made
    made.dispose()


@pytest.fixture
def plant(database):
    """Whatever a test did: what was told of it is as the published schemas say."""
    made = Plant(database)
    yield made
    assert told_as_published(database, made.tenant) > 0
