"""What one job costs us, from 202 to the delivered webhook, when the upstream takes no time at all."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from benchmarks.api import Api
from benchmarks.crew import Crew, Site
from benchmarks.figures import Aim, Figure, per
from benchmarks.jobs import Workload, picture_job
from benchmarks.patience import Patience
from benchmarks.place import Place
from benchmarks.receiver import Receiver
from benchmarks.report import Report, Table
from benchmarks.statements import Statement, StatementCounter, calls_per
from benchmarks.usage import CpuReading, read_cpu

AFTER_202: Final = ("dispatcher", "worker-step", "worker-stream", "worker-webhook")
CPU_AIM_MS: Final = 40.0
STATEMENTS_AIM: Final = 40.0
RATE: Final = 10.0
IDLE_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Phase:
    """What was used while `jobs` jobs went through (or, with none, while nothing did)."""

    name: str
    jobs: int
    elapsed_s: float
    cpu_s: dict[str, float]
    statements: list[Statement]

    def cpu_ms(self, *roles: str) -> float:
        """A job's CPU in these roles."""
        return per(1000 * sum(self.cpu_s[role] for role in roles), self.jobs)


def measure(place: Place, patience: Patience, *, quick: bool) -> Report:
    """Nothing, then jobs at a steady pace, then as many at once."""
    site, count = Site(place, "cost"), 20 if quick else 200
    observer = place.observe(site.database_url)
    counter = StatementCounter(observer)
    with observer, Crew(site.all_roles(), site.folder / "logs") as crew, Receiver() as receiver, ExitStack() as stack:
        account = site.account(max_running=1000)
        api = stack.enter_context(Api(site.base_url, account))
        work = Workload(
            site=site,
            account=account,
            api=api,
            receiver=receiver,
            fields=picture_job(api, receiver),
            observer=observer,
            patience=patience,
        )
        pids = {**crew.pids(), "postgres": place.postgres.pid}
        # What is imported, connected and prepared at the first job is no cost of the others.
        work.post_at_once(10)
        work.await_webhooks(10)
        phases = []
        for name, jobs in (("idle", 0), ("steady", count), ("at once", count)):
            counter.reset()
            before, done = read_cpu(pids), len(receiver.moments)
            _let_pass(name, jobs, work)
            if jobs:
                work.await_webhooks(done + jobs)
            phases.append(_phase(name, jobs, before, read_cpu(pids), counter))
        work.check_all_succeeded()
    return _report(phases, count)


def _let_pass(name: str, jobs: int, work: Workload) -> None:
    match name:
        case "idle":
            time.sleep(IDLE_S)
        case "steady":
            work.post_at(RATE, jobs)
        case _:
            work.post_at_once(jobs)


def _phase(name: str, jobs: int, before: CpuReading, after: CpuReading, counter: StatementCounter) -> Phase:
    return Phase(name, jobs, after.elapsed_s(before), after.since(before), counter.read())


def _report(phases: Sequence[Phase], count: int) -> Report:
    idle, steady, at_once = phases
    return Report(
        title="the cost of one job",
        measured=(
            f"{count} jobs (a picture, one instruction, an export, a webhook) at {RATE:g}/s, then {count} at once, "
            "one process of each kind, a twin that takes no time; CPU is user and system; COMMIT and BEGIN count "
            "as statements; what an idle stack does in that time is included"
        ),
        figures=list(_figures(idle, steady, at_once)),
        tables=[
            _cpu_table(phases),
            _statement_table(steady, "at the steady pace"),
            _statement_table(at_once, "at once"),
            _idle_table(idle),
        ],
        notes=[
            "the gateway's share is the accept, before the 202, and is left out of the first figure",
            "the statements of the accept are in the list and in the figure",
        ],
    )


def _figures(idle: Phase, steady: Phase, at_once: Phase) -> Iterator[Figure]:
    for phase in (steady, at_once):
        cpu = Aim("at most", CPU_AIM_MS)
        yield Figure(name=f"CPU of a job after 202, {phase.name}", value=phase.cpu_ms(*AFTER_202), unit="ms", aim=cpu)
        value = phase.cpu_ms("gateway", *AFTER_202)
        yield Figure(name=f"CPU of a job with its accept, {phase.name}", value=value, unit="ms", aim=cpu)
        yield Figure(name=f"PostgreSQL's CPU of a job, {phase.name}", value=phase.cpu_ms("postgres"), unit="ms")
        value, limit = calls_per(phase.statements, phase.jobs), Aim("at most", STATEMENTS_AIM)
        yield Figure(name=f"statements of a job, {phase.name}", value=value, unit="", aim=limit)
    yield Figure(name="statements of an idle stack", value=calls_per(idle.statements, idle.elapsed_s), unit="/s")
    share = sum(idle.cpu_s[role] for role in ("gateway", *AFTER_202)) / idle.elapsed_s
    yield Figure(name="cores an idle stack uses", value=share, unit="")


def _cpu_table(phases: Sequence[Phase]) -> Table:
    rows = [
        (
            role,
            *(phase.cpu_ms(role) for phase in phases if phase.jobs),
            *(phase.cpu_s[role] / phase.elapsed_s for phase in phases),
        )
        for role in ("gateway", *AFTER_202, "postgres", "twin", "valkey")
    ]
    columns = (
        "process",
        *(f"ms a job, {phase.name}" for phase in phases if phase.jobs),
        *(f"cores, {phase.name}" for phase in phases),
    )
    return Table(title="CPU by process", columns=columns, rows=rows)


def _statement_table(phase: Phase, when: str) -> Table:
    rows = [(one.calls / phase.jobs, one.ms / one.calls, one.text) for one in phase.statements if one.calls]
    return Table(title=f"statements {when}", columns=("a job", "ms each", "statement"), rows=rows)


def _idle_table(phase: Phase) -> Table:
    rows = [(one.calls / phase.elapsed_s, one.ms / one.calls, one.text) for one in phase.statements if one.calls]
    return Table(title="statements of an idle stack", columns=("a second", "ms each", "statement"), rows=rows)
