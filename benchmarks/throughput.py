"""Jobs a second from the POST to the webhook, beside a Celery chain that does nothing but commit four rows."""

from __future__ import annotations

import sys
import time
import uuid
from typing import Any, Final

import psycopg
from celery import Celery

from benchmarks import chain_app
from benchmarks.crew import Site
from benchmarks.figures import Figure, mean
from benchmarks.jobs import Workload, working
from benchmarks.patience import ROOT, Patience
from benchmarks.place import Place
from benchmarks.report import Report, Table
from benchmarks.usage import read_cpu
from reelqueue.dev.process import Role

SPEED: Final = 20.0
"""Our waits (the first poll of an export) shrink to a tenth of a second: this is about work, not about waiting."""
_ENDED: Final = "SELECT count(*) FROM chain_steps WHERE step = %s"


def measure(place: Place, patience: Patience, *, quick: bool) -> Report:
    """Rounds in turn: so many chains, so many jobs."""
    site, count, rounds = Site(place, "throughput", speed=SPEED), 10 if quick else 200, 1 if quick else 2
    chains_database, broker = place.postgres.create_database("chains"), place.valkey.url.removesuffix("/0") + "/1"
    roles = [*site.all_roles(), _chain_worker(site, chains_database, broker)]
    chains: list[float] = []
    jobs: list[float] = []
    with (
        psycopg.connect(chains_database, autocommit=True) as connection,
        working(site, roles, patience, max_running=1000) as work,
    ):
        connection.execute(chain_app.TABLE)
        chains_app = chain_app.make_app(broker)
        _run_chains(connection, chains_app, 10, patience)
        _run_jobs(work, 10)
        pids = work.pids()
        in_jobs = dict.fromkeys(pids, 0.0)
        for _ in range(rounds):
            chains.append(_run_chains(connection, chains_app, count, patience))
            before = read_cpu(pids)
            jobs.append(_run_jobs(work, count))
            for role, seconds in read_cpu(pids).since(before).items():
                in_jobs[role] += seconds
        elapsed = sum(count / rate for rate in jobs)
    return _report(count, chains, jobs, {role: seconds / elapsed for role, seconds in in_jobs.items()})


def _chain_worker(site: Site, database_url: str, broker_url: str) -> Role:
    variables = {chain_app.DATABASE_VARIABLE: database_url, chain_app.BROKER_VARIABLE: broker_url}
    env = site.environment(**variables)
    return Role("chain-worker", [sys.executable, "-m", "benchmarks.chain_app"], env=env, cwd=ROOT)


def _run_chains(connection: psycopg.Connection[Any], app: Celery, count: int, patience: Patience) -> float:
    """Chains a second, from the first send to the last commit."""
    connection.execute("TRUNCATE chain_steps")

    def ended() -> bool:
        row = connection.execute(_ENDED, [chain_app.STEPS]).fetchone()
        return row is not None and row[0] >= count

    began = time.monotonic()
    chain_app.send_chains(app, [uuid.uuid4().hex for _ in range(count)])
    patience.wait(ended, "the last chain")
    return count / (time.monotonic() - began)


def _run_jobs(work: Workload, count: int) -> float:
    """Jobs a second, from the first POST to the last webhook."""
    done, began = work.delivered, time.monotonic()
    work.post_at_once(count)
    work.await_webhooks(done + count)
    return count / (work.receiver.moments[done + count - 1] - began)


def _report(count: int, chains: list[float], jobs: list[float], cores: dict[str, float]) -> Report:
    rows = [
        (f"round {number}", *pair, pair[1] / pair[0]) for number, pair in enumerate(zip(chains, jobs, strict=True), 1)
    ]
    return Report(
        title="jobs end to end",
        measured=(
            f"{count} jobs at once (a picture, one instruction, an export, a webhook), one worker process a queue, "
            "a twin that takes no time, from the first POST to the last webhook; in turn with as many Celery chains of "
            f"{chain_app.STEPS} tasks (prefork, {chain_app.PROCESSES} processes, one commit each)"
        ),
        figures=[
            Figure(name="jobs", value=mean(jobs), unit="/s"),
            Figure(name="Celery chains of four", value=mean(chains), unit="/s"),
            Figure(name="jobs beside chains", value=mean(jobs) / mean(chains), unit="x"),
        ],
        tables=[
            Table(title="rounds", columns=("round", "chains/s", "jobs/s", "ratio"), rows=rows),
            Table(title="CPU during the jobs", columns=("process", "cores"), rows=sorted(cores.items())),
        ],
        notes=[
            "a job asks the upstream a dozen times and commits each of its moves with an event; a chain is four inserts"
        ],
    )
