"""The yardstick for throughput: a plain Celery chain of four tasks that do nothing but commit a row each.

Its worker is `python -m benchmarks.chain_app`: prefork, two processes, Celery's defaults, no result backend.
"""

from __future__ import annotations

import os
from typing import Any, Final

import psycopg
from celery import Celery, chain

BROKER_VARIABLE: Final = "BENCH_BROKER_URL"
DATABASE_VARIABLE: Final = "BENCH_DATABASE_URL"
TABLE: Final = "CREATE TABLE chain_steps (run text, step integer, PRIMARY KEY (run, step))"
STEPS: Final = 4
PROCESSES: Final = 2
_TASK: Final = "chain.step"
_QUEUE: Final = "chain"


def send_chains(app: Celery, runs: list[str]) -> None:
    """Send one chain of four for each run."""
    task = app.tasks[_TASK]
    with app.producer_pool.acquire(block=True) as producer:
        for run in runs:
            chain(*(task.si(run, step).set(queue=_QUEUE) for step in range(1, STEPS + 1))).apply_async(
                producer=producer
            )


def make_app(broker_url: str) -> Celery:
    """The application, for the sender and for the worker."""
    app = Celery("chain", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_ignore_result=True,
        task_default_queue=_QUEUE,
        broker_connection_retry_on_startup=True,
        worker_hijack_root_logger=False,
    )
    connections: dict[int, psycopg.Connection[Any]] = {}

    @app.task(name=_TASK, ignore_result=True, shared=False)  # type: ignore[untyped-decorator]
    def step(run: str, number: int) -> None:
        process = os.getpid()
        if process not in connections:
            connections[process] = psycopg.connect(os.environ[DATABASE_VARIABLE], autocommit=True)
        connections[process].execute("INSERT INTO chain_steps VALUES (%s, %s)", [run, number])

    return app


if __name__ == "__main__":
    make_app(os.environ[BROKER_VARIABLE]).Worker(
        pool="prefork", concurrency=PROCESSES, queues=_QUEUE, loglevel="WARNING", quiet=True
    ).start()
