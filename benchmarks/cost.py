"""What one job costs us, from 202 to the delivered webhook, when the upstream takes no time at all."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.crew import Site
from benchmarks.figures import Aim, Figure, per
from benchmarks.jobs import Workload, working
from benchmarks.patience import Patience
from benchmarks.place import Place
from benchmarks.report import Report, Table
from benchmarks.statements import Statement, StatementCounter, calls_per
from benchmarks.usage import read_cpu

AFTER_202: Final = ("dispatcher", "worker-step", "worker-stream", "worker-webhook")
CPU_AIM_MS: Final = 40.0
STATEMENTS_AIM: Final = 40.0
RATE: Final = 10.0
IDLE_S: Final = 6.0
"""Longer than the dispatcher's sweep takes to come round."""


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

    def calls(self, *roles: str) -> float:
        """A job's statements by these roles, BEGIN and COMMIT included."""
        return calls_per((one for one in self.statements if one.process in roles), self.jobs)

    def control(self, *roles: str) -> float:
        """How many of these only begin or end a transaction."""
        return calls_per((one for one in self.statements if one.process in roles and one.is_control), self.jobs)


def measure(place: Place, patience: Patience, *, quick: bool) -> Report:
    """Nothing, then jobs at a steady pace, then as many at once."""
    site, count = Site(place, "cost"), 10 if quick else 200
    with place.observe(site.database_url) as own:
        counter = StatementCounter(own)
        with working(site, site.all_roles(), patience, max_running=1000) as work:
            phases = _phases(work, counter, count, 1.0 if quick else IDLE_S)
    return _report(phases, count)


def _phases(work: Workload, counter: StatementCounter, count: int, idle_s: float) -> list[Phase]:
    # What is imported, connected and prepared at the first jobs is no cost of the others.
    work.post_at_once(10)
    work.await_webhooks(10)
    pids, phases = work.pids(), []
    for name, jobs in (("idle", 0), ("steady", count), ("at once", count)):
        counter.reset()
        before, done = read_cpu(pids), work.delivered
        _let_pass(name, jobs, work, idle_s)
        if jobs:
            work.await_webhooks(done + jobs)
        after = read_cpu(pids)
        phases.append(Phase(name, jobs, after.elapsed_s(before), after.since(before), counter.read()))
    return phases


def _let_pass(name: str, jobs: int, work: Workload, idle_s: float) -> None:
    match name:
        case "idle":
            time.sleep(idle_s)
        case "steady":
            work.post_at(RATE, jobs)
        case _:
            work.post_at_once(jobs)


def _report(phases: Sequence[Phase], count: int) -> Report:
    idle, steady, at_once = phases
    return Report(
        title="the cost of one job",
        measured=(
            f"{count} jobs (a picture, one instruction, an export, a webhook) at {RATE:g}/s, then {count} at once, "
            "one process of each kind, a twin that takes no time; CPU is user and system; BEGIN and COMMIT count "
            "as statements; what a stack without jobs does in that time is included"
        ),
        figures=list(_figures(idle, steady, at_once)),
        tables=[
            _cpu_table(phases),
            _process_table(phases),
            _statement_table(steady, f"at the steady pace, of {steady.jobs} jobs", "a job", steady.jobs, printed=40),
            _statement_table(at_once, f"at once, of {at_once.jobs} jobs", "a job", at_once.jobs, printed=15),
            _statement_table(idle, "of an idle stack", "a second", idle.elapsed_s, printed=15),
        ],
        notes=["what the gateway does comes before the 202: it is in the lists, and in the figures that say so"],
    )


def _figures(idle: Phase, steady: Phase, at_once: Phase) -> Iterator[Figure]:
    for phase in (steady, at_once):
        cpu = Aim("at most", CPU_AIM_MS)
        yield Figure(name=f"CPU of a job after 202, {phase.name}", value=phase.cpu_ms(*AFTER_202), unit="ms", aim=cpu)
        value = phase.cpu_ms("gateway", *AFTER_202)
        yield Figure(name=f"CPU of a job with its accept, {phase.name}", value=value, unit="ms", aim=cpu)
        yield Figure(name=f"PostgreSQL's CPU of a job, {phase.name}", value=phase.cpu_ms("postgres"), unit="ms")
        value, limit = phase.calls(*AFTER_202), Aim("at most", STATEMENTS_AIM)
        yield Figure(name=f"statements of a job after 202, {phase.name}", value=value, unit="", aim=limit)
        value = phase.control(*AFTER_202)
        yield Figure(name=f"of these BEGIN and COMMIT, {phase.name}", value=value, unit="")
        yield Figure(name=f"statements of the accept, {phase.name}", value=phase.calls("gateway"), unit="")
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


def _process_table(phases: Sequence[Phase]) -> Table:
    busy = [phase for phase in phases if phase.jobs]
    rows = [(role, *(phase.calls(role) for phase in busy)) for role in ("gateway", *AFTER_202)]
    columns = ("process", *(f"a job, {phase.name}" for phase in busy))
    return Table(title="statements by process", columns=columns, rows=rows)


def _statement_table(phase: Phase, when: str, unit: str, count: float, *, printed: int) -> Table:
    rows = [(one.calls / count, one.ms / one.calls, one.process, one.text) for one in phase.statements if one.calls]
    columns = (unit, "ms each", "process", "statement")
    return Table(title=f"statements {when}", columns=columns, rows=rows, printed=printed)
