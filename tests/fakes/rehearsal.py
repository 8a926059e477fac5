"""The engine as a worker process puts it together, over a real database, speaking HTTP to a twin. In one thread."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from fakes.gateway import settings_for
from fakes.own_rates import keep_own_rates
from reelqueue.domain.intake import NewJob
from reelqueue.domain.jobs import Job, Queue, Status
from reelqueue.settings import NemoSettings
from reelqueue.wiring.services import Services
from reelqueue.wiring.worker import build_worker

SPEED = 200.0
"""Of the twin's clock and of our waits. An export may take three seconds of the machine's time."""
PATIENCE_S = 60.0
"""Not how long a job takes: when to stop waiting for one that hangs."""
ENDS = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELED, Status.REQUIRES_INPUT})


class Rehearsal:
    """One tenant with a token of its own, and the one worker that does its jobs."""

    def __init__(self, database_url: str, root: Path, *, twin_url: str, token: str) -> None:
        changes = {"speed": SPEED, "nemo": NemoSettings(api_url=twin_url)}
        self.services = Services(settings_for(database_url, root).model_copy(update=changes), process="rehearsal")
        keep_own_rates(self.services)
        self.tenant = self.services.tenants.create("rehearsal").id
        self.services.tokens.add(self.tenant, token, label="twin")
        self.worker = build_worker(self.services, node="rehearsal", queues=list(Queue), capacity=10)
        self.worker.lease._register()

    def close(self) -> None:
        self.services.close()

    def submit(self, *instructions: str, **wishes: Any) -> str:
        new = NewJob(tenant_id=self.tenant, instructions=instructions, inputs=(), **wishes)
        return self.services.intake.accept(new).job.id

    def answer(self, job_id: str, text: str) -> None:
        self.services.answers.give(self.tenant, job_id, text, asked_at=None)

    def run(self, job_id: str) -> Job:
        """Dispatch and work until the job has ended or waits for its owner."""
        end = time.monotonic() + PATIENCE_S
        while (job := self.services.jobs.find(self.tenant, job_id)).status not in ENDS:
            assert time.monotonic() < end, (job.status, job.waiting)
            if not self._round():
                time.sleep(0.01)
        return job

    def _round(self) -> int:
        dispatch = self.services.dispatch
        bells = [*dispatch.mark_due(Queue.STREAM, 10), *dispatch.mark_due(Queue.STEP, 10)] or dispatch.admit(10)
        for bell in bells:
            self.worker.runner.work(bell.id)
        return len(bells)
