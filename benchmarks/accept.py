"""`POST /v1/jobs`, beside the bare database and beside what most people would write."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from benchmarks import bare_app
from benchmarks.api import INSTRUCTION
from benchmarks.crew import Account, Crew, Server, Site, answers, granian, uvicorn
from benchmarks.figures import Aim, Figure, mean, per, percentile
from benchmarks.load import Outcome, Plan, apply_load
from benchmarks.patience import ROOT, Patience
from benchmarks.pgbench import Inserts, insert_rows
from benchmarks.place import Place
from benchmarks.report import Cell, Report, Table
from benchmarks.usage import read_cpu
from reelqueue.dev.process import Role

CLIENTS: Final = 32
PGBENCH_CONNECTIONS: Final = 16
WARM_S: Final = 0.4
Kind = Literal["ours", "bare", "bare, sync"]
FACTORIES: Final[Mapping[Kind, str]] = {
    "bare": "benchmarks.bare_async_app:create_app",
    "bare, sync": "benchmarks.bare_app:create_app",
}


@dataclass(slots=True)
class Side:
    """One server under test, and what was measured of it."""

    kind: Kind
    server: Server
    processes: int
    port: int
    outcomes: list[Outcome] = field(default_factory=list)
    server_cpu_s: float = 0.0
    postgres_cpu_s: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.kind}, {self.server}, {self.processes} process{'es' if self.processes > 1 else ''}"

    @property
    def rate(self) -> float:
        return mean([outcome.rate for outcome in self.outcomes])

    @property
    def latencies_ms(self) -> list[float]:
        return [latency * 1000 for outcome in self.outcomes for latency in outcome.latencies_s]

    @property
    def answered(self) -> int:
        """The warm-up's requests too: they used CPU as well."""
        return sum(outcome.answered for outcome in self.outcomes)

    @property
    def client_share(self) -> float:
        """Of one core."""
        return mean([outcome.client_cpu_s / outcome.wall_s for outcome in self.outcomes])


def measure(place: Place, patience: Patience, *, quick: bool) -> Report:
    """Rounds of all sides in turn: the database alone, then ours and the bare route behind each server."""
    site = Site(place, "accept")
    bare_app.create_table(site.database_url)
    account = site.account(max_running=1, upstream=False)
    sides = list(_sides(site, quick=quick))
    rounds, seconds = (1, 0.6) if quick else (2, 2.2)
    inserts: list[Inserts] = []
    with Crew([_role(site, side) for side in sides], site.folder / "logs") as crew:
        for number in range(rounds):
            inserts.append(
                insert_rows(
                    site.database_url,
                    instruction=INSTRUCTION,
                    connections=PGBENCH_CONNECTIONS,
                    seconds=math.ceil(seconds),
                    folder=site.folder,
                )
            )
            # There and back, so that whoever is measured first in one round is last in the next.
            for side in sides if number % 2 == 0 else reversed(sides):
                _measure_side(place, crew, side, account, seconds)
            patience.check("the next round")
    return _report(inserts, sides)


def _sides(site: Site, *, quick: bool) -> Iterator[Side]:
    kinds: list[Kind] = ["ours", "bare", "bare, sync"]
    if importlib.util.find_spec("greenlet") is None:
        kinds.remove("bare")
    servers: list[Server] = ["uvicorn", "granian"]
    for server in servers:
        for processes in (1,) if quick else (1, 2):
            for kind in kinds:
                # The second spelling of the bare route is there to be seen once.
                if kind != "bare, sync" or "bare" not in kinds or (server, processes, quick) == ("uvicorn", 1, False):
                    yield Side(kind, server, processes, site.free_port())


def _role(site: Site, side: Side) -> Role:
    name = side.name.replace(", ", "-").replace(" ", "-")
    if side.kind == "ours":
        return site.app_server(name, side.server, side.port, processes=side.processes)
    command = uvicorn if side.server == "uvicorn" else granian
    argv = command(FACTORIES[side.kind], side.port, side.processes)
    env = site.environment(**{bare_app.URL_VARIABLE: site.database_url})
    return Role(name, argv, env=env, cwd=ROOT, ready=lambda: answers(side.port, "/readyz"))


def _measure_side(place: Place, crew: Crew, side: Side, account: Account, seconds: float) -> None:
    pids = {"server": crew.pids()[side.name.replace(", ", "-").replace(" ", "-")], "postgres": place.postgres.pid}
    before = read_cpu(pids)
    outcome = apply_load(_plan(side, account, seconds))
    used = read_cpu(pids).since(before)
    side.outcomes.append(outcome)
    side.server_cpu_s += used["server"]
    side.postgres_cpu_s += used["postgres"]


def _plan(side: Side, account: Account, seconds: float) -> Plan:
    body = json.dumps({"instruction": INSTRUCTION, "metadata": {"order": "1042"}, "external_id": "order-1042"})
    ours = side.kind == "ours"
    headers = {"Content-Type": "application/json"}
    if ours:
        headers["Authorization"] = f"Bearer {account.api_key}"
    return Plan(
        port=side.port,
        path="/v1/jobs" if ours else bare_app.PATH,
        body=body,
        headers=headers,
        connections=CLIENTS,
        seconds=seconds + WARM_S,
        warm_s=WARM_S,
        keyed=ours,
    )


def _report(inserts: Sequence[Inserts], sides: Sequence[Side]) -> Report:
    database = mean([one.rate for one in inserts])
    yardstick: Kind = "bare" if any(side.kind == "bare" for side in sides) else "bare, sync"
    bare = {(side.server, side.processes): side.rate for side in sides if side.kind == yardstick}
    latency = mean([one.latency_ms for one in inserts])
    pgbench_name = f"pgbench, {PGBENCH_CONNECTIONS} connections, mean latency"
    rows: list[tuple[Cell, ...]] = [(pgbench_name, database, 1.0, None, latency, None, None, None, None)]
    rows += [
        (
            side.name,
            side.rate,
            side.rate / database,
            per(side.rate, bare[side.server, side.processes]),
            percentile(side.latencies_ms, 0.5),
            percentile(side.latencies_ms, 0.99),
            per(side.server_cpu_s * 1000, side.answered),
            per(side.postgres_cpu_s * 1000, side.answered),
            side.client_share,
        )
        for side in sides
    ]
    columns = (
        *("side", "requests/s", "of pgbench", f"of {yardstick}", "p50 ms", "p99 ms"),
        *("server CPU ms", "Postgres CPU ms", "client, cores"),
    )
    return Report(
        title="accepting a job",
        measured=(
            f"POST /v1/jobs as JSON from {CLIENTS} kept connections in a closed loop: key check, idempotency key, job, "
            "event, commit with fsync; the bare route does one ORM insert; pgbench one INSERT of the same shape"
        ),
        figures=list(_figures(sides, database, bare, yardstick)),
        tables=[Table(title="sides", columns=columns, rows=rows)],
        notes=_notes(yardstick),
    )


def _figures(
    sides: Sequence[Side], database: float, bare: Mapping[tuple[Server, int], float], yardstick: str
) -> Iterator[Figure]:
    ours = [side for side in sides if side.kind == "ours"]
    best = max(ours, key=lambda side: side.rate)
    as_shipped = next(side for side in ours if (side.server, side.processes) == ("uvicorn", 1))
    for side, what in ((as_shipped, "as shipped"), (best, f"best: {best.server}, {best.processes}")):
        yield Figure(name=f"accepted jobs ({what})", value=side.rate, unit="/s")
        yield Figure(
            name=f"beside the {yardstick} route, same server and processes ({what})",
            value=side.rate / bare[side.server, side.processes],
            unit="x",
            aim=Aim("at least", 2.0),
        )
        yield Figure(name=f"beside pgbench ({what})", value=side.rate / database, unit="x")
        yield Figure(name=f"p50 ({what})", value=percentile(side.latencies_ms, 0.5), unit="ms")
        yield Figure(name=f"p99 ({what})", value=percentile(side.latencies_ms, 0.99), unit="ms")


def _notes(yardstick: str) -> list[str]:
    notes = ["the client is one process; above 0.8 cores it, not the server, would be the limit"]
    if yardstick != "bare":
        notes.append("greenlet is not installed, so the bare route could not be measured as `async def`: `def` instead")
    return notes
