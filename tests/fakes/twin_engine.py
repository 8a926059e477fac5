"""The real engine over a real database and a twin, in one thread: every wait of a job is made on the twin's clock."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event, func, select, text, update

from fakes.job_rows import JobRows, emptied
from fakes.own_rates import keep_own_rates
from fakes.twin import picture
from fakes.twin_time import TwinClock, patient_dial
from reelqueue.domain.claims import Change, Claim
from reelqueue.domain.intake import NewAsset, NewInput, NewJob
from reelqueue.domain.jobs import Job, Queue
from reelqueue.egress import EgressClient, EgressPolicy, SystemResolver
from reelqueue.files.keys import asset_key
from reelqueue.kit.ids import new_id
from reelqueue.kit.limits import HEARTBEAT_S, LEASE_S, SWEEP_S
from reelqueue.settings import Settings
from reelqueue.store.claims import Claims
from reelqueue.store.engine import Database
from reelqueue.store.tables import jobs, upstream_tokens, workers
from reelqueue.wiring.services import Services
from reelqueue.wiring.worker import Worker, build_worker

INSTRUCTION = "animate this photo into a cinematic 1-second clip"
MOST_ROUNDS = 40
_PASSED = text("""
WITH j AS (UPDATE jobs SET due_at = due_at - :d, created_at = created_at - :d, started_at = started_at - :d,
        cancel_requested_at = cancel_requested_at - :d, bell_at = bell_at - :d, finish_by = finish_by - :d,
        question = CASE WHEN question IS NULL THEN NULL
            ELSE jsonb_set(question, '{until}', to_jsonb((question->>'until')::timestamptz - :d)) END
        WHERE id = :job),
     t AS (UPDATE turns SET sent_at = sent_at - :d, created_at = created_at - :d WHERE job_id = :job),
     r AS (UPDATE renders SET created_at = created_at - :d, submitted_at = submitted_at - :d WHERE job_id = :job)
UPDATE upstream_tokens SET cooling_until = cooling_until - :d, learned_at = learned_at - :d
    WHERE cooling_until IS NOT NULL
""")
"""Whatever the engine compares with now lies that much further back."""


@dataclass(frozen=True, slots=True)
class Wait:
    """One time a job was put to sleep: in which status, why, and for how long."""

    status: str
    reason: str
    seconds: float


class HeardClaims(Claims):
    """The store, which tells of each wait that it wrote."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.wait: Wait | None = None

    def apply(self, claim: Claim, change: Change) -> Job:
        job = super().apply(claim, change)
        if change.waiting is not None and change.due_s is not None:
            self.wait = Wait(change.to.value, change.waiting.reason.value, change.due_s)
        return job


@dataclass
class Course:
    """How one job went."""

    began: float
    ended: float = 0.0
    waits: list[Wait] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """From its acceptance to its end, in the upstream's time."""
        return self.ended - self.began


class TwinEngine:
    """A worker process with its dispatcher, over one database and one twin."""

    def __init__(self, settings: Settings, clock: TwinClock) -> None:
        self.clock = clock
        self.folder = Path(settings.files.spool_dir).parent
        self.settings = settings
        self.services = Services(settings, process="faults")
        self.services.clock = clock  # type: ignore[assignment]
        # Redis keeps real time, so rates are kept on the twin's clock, in this process.
        keep_own_rates(self.services)
        self.services.egress = EgressClient(
            EgressPolicy(allow=settings.egress_allow),
            SystemResolver(),
            ssl_context=self.services.ssl_context,
            clock=clock,
            connector=patient_dial(clock),
        )
        self.claims = self.services.claims = HeardClaims(self.services.database)
        self.board = JobRows(self.services.database)
        self._synced = clock.monotonic()
        self._asset: NewAsset | None = None
        self.job_id = ""
        event.listen(self.services.database.engine, "before_cursor_execute", self._catch_up)

    def close(self) -> None:
        self.services.close()

    def tenant(self, token: str | None) -> str:
        """A tenant with that upstream token, the only one that anybody has."""
        with self.services.database.statement() as connection:
            connection.execute(update(upstream_tokens).values(health="invalid", cooling_until=None))
        if token is None:
            # An anonymous token serves the only tenant there is.
            emptied(self.services.database)
        tenant = self.board.tenant(new_id("tenant"))
        if token is not None:
            self.services.tokens.add(tenant, token, label="x")
        return tenant

    def start(self) -> Worker:
        """A new worker process. Its heart beats by the twin's clock, and so do its calls to the upstream."""
        old = self.services.__dict__.pop("nemo", None)
        if old is not None:
            old.close()
        self.services.__dict__.pop("desk", None)
        self.services.rng = random.Random(1)
        worker = build_worker(self.services, node="n", queues=list(Queue), capacity=50)
        lease = worker.lease
        lease._register()
        beaten = self.clock.monotonic()

        def beat() -> None:
            nonlocal beaten
            if self.clock.monotonic() - beaten >= HEARTBEAT_S:
                beaten = self.clock.monotonic()
                lease._beat(worker.live.cancel)

        self.clock.on_passing = beat
        return worker

    def accept(self, tenant: str, **changes: Any) -> Job:
        """A job with one picture, one instruction and one output."""
        inputs = (NewInput(asset=self._picture()),)
        new = NewJob(tenant_id=tenant, instructions=(INSTRUCTION,), inputs=inputs, **changes)
        job = self.services.intake.accept(new).job
        self.job_id, self._synced = job.id, self.clock.monotonic()
        return job

    def run(self, work: Callable[[str], object], *, between: Callable[[], object] = lambda: None) -> Course:
        """Dispatch the accepted job until it ends, or for `MOST_ROUNDS`: then it waits for something.

        `work` answers its bells; `between` is called after each.
        """
        course = Course(began=self.clock.monotonic())
        for _ in range(MOST_ROUNDS):
            queue, admitted = self._due(course)
            if queue is None:
                break
            dispatch = self.services.dispatch
            for bell in dispatch.mark_due(queue, 10) if admitted else dispatch.admit(10):
                if bell.id == self.job_id:
                    work(bell.id)
                    between()
        course.ended = self.clock.monotonic()
        return course

    def rejoin(self) -> None:
        """Another process has let time pass, and has moved the job's moments itself."""
        self.clock.next_in()
        self._synced = self.clock.monotonic()

    def bury(self) -> None:
        """Every worker is gone: leases run out, and the next sweep takes over what they held."""
        self.clock.sleep(LEASE_S + SWEEP_S)
        with self.services.database.statement() as connection:
            connection.execute(update(workers).values(expires_at=func.now()))
        self.services.sweep.take_over()

    def job(self) -> Job:
        with self.services.database.statement() as connection:
            tenant: str = connection.execute(select(jobs.c.tenant_id).where(jobs.c.id == self.job_id)).scalar_one()
        return self.services.jobs.find(tenant, self.job_id)

    def _due(self, course: Course) -> tuple[Queue | None, bool]:
        """Sleep until the job is due. Its queue, `None` once it has ended, and whether it was admitted."""
        # So that whatever the twin began is under way, and time passes for it too.
        self.clock.settle()
        wait, self.claims.wait = self.claims.wait, None
        left = func.extract("epoch", jobs.c.due_at - func.now())
        statement = select(jobs.c.queue, jobs.c.admitted_at, jobs.c.dispatch, jobs.c.cancel_requested_at, left)
        with self.services.database.statement() as connection:
            row = connection.execute(statement.where(jobs.c.id == self.job_id)).one()
        queue, admitted, dispatch, canceled, seconds = row
        if dispatch == "done":
            return None, False
        if wait is None and seconds is not None and seconds > 0:
            wait = Wait("", "", float(seconds))  # whoever wrote it did not live to tell
        if wait is not None and canceled is None:
            course.waits.append(wait)
            self.clock.sleep(wait.seconds)
        return Queue(queue), admitted is not None

    def _catch_up(self, *_: Any) -> None:
        """Before each statement: move the job's moments back by what has passed on the twin's clock since the last."""
        passed = self.clock.monotonic() - self._synced
        if passed > 0 and self.job_id:
            self._synced += passed
            with self.services.database.statement() as connection:
                connection.execute(_PASSED, {"d": timedelta(seconds=passed), "job": self.job_id})

    def _picture(self) -> NewAsset:
        """A new asset. All of them share one file."""
        if self._asset is None:
            content = picture()
            with self.services.spool.receive(max_bytes=len(content)) as spooled:
                spooled.write(content)
                spooled.finish()
                key = asset_key("shared", spooled.sha256)
                self.services.blobs.keep(spooled, key)
                self._asset = NewAsset(
                    sha256=spooled.sha256,
                    bytes=spooled.bytes,
                    kind="image",
                    media_type="image/png",
                    extension="png",
                    label="a.png",
                    width=120,
                    height=90,
                    duration_ms=None,
                    blob_key=key,
                )
        return self._asset


def settings_for(database_url: str, folder: Path, twin_url: str) -> Settings:
    """Production's settings, but for where everything is."""
    return Settings.model_validate(
        {
            "database_url": database_url,
            "redis_url": "redis://nowhere.invalid:1",
            "secret_key": "A" * 43 + "=",
            "egress_allow": "127.0.0.0/8",
            "files": {"store_url": f"file://{folder}/files", "spool_dir": f"{folder}/spool"},
            "nemo": {"api_url": twin_url, "client_id": "faults", "allow_anonymous": True},
        }
    )
