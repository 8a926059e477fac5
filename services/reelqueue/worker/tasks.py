"""The three tasks. A message says which row to look at; what happens is up to the row."""

from __future__ import annotations

from celery import Celery

from reelqueue.jobs.recover import Recoverer
from reelqueue.jobs.runner import Runner
from reelqueue.webhooks.deliver import Deliverer
from reelqueue.worker.app import RECOVER


def register(app: Celery, *, runner: Runner, deliverer: Deliverer, recoverer: Recoverer) -> None:
    """Bind the tasks to an application."""

    @app.task(name="reelqueue.work", ignore_result=True)  # type: ignore[untyped-decorator]
    def work(job_id: str) -> None:
        runner.work(job_id)

    @app.task(name="reelqueue.deliver", ignore_result=True)  # type: ignore[untyped-decorator]
    def deliver(lane_id: str) -> None:
        deliverer.deliver(lane_id)

    @app.task(name=RECOVER, ignore_result=True)  # type: ignore[untyped-decorator]
    def recover(job_id: str) -> None:
        recoverer.recover(job_id)
