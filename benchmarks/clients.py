"""Clients that follow their jobs on one gateway process: what one costs, and how soon it hears."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Final

from benchmarks.api import INSTRUCTION, Api
from benchmarks.crew import Account, Crew, Site
from benchmarks.figures import Aim, Figure, percentile
from benchmarks.followers import Followers, Heard, Stream
from benchmarks.load import Plan, apply_load
from benchmarks.patience import BenchmarkFailed, Patience
from benchmarks.place import Place
from benchmarks.report import Report, Table
from benchmarks.usage import read_cpu, rss_bytes

TENANTS: Final = 10
PING_S: Final = 15
KIB: Final = 1024.0
_JOBS: Final = "SELECT tenant_id, id FROM jobs ORDER BY created_at"


def measure(place: Place, patience: Patience, *, quick: bool) -> Report:
    """Open all, leave them alone for longer than a ping, then let jobs end at a steady rate."""
    site, clients = Site(place, "clients"), 200 if quick else 5_000
    rate, ending = (50, 50) if quick else (100, 800)
    accounts = [site.account(max_running=1, upstream=False, name=f"tenant {number}") for number in range(TENANTS)]
    with Crew([site.gateway()], site.folder / "logs") as crew:
        pids = {"gateway": crew.pids()["gateway"], "postgres": place.postgres.pid}
        jobs = _jobs(site, accounts, clients)
        patience.check("the clients")
        empty = rss_bytes(pids["gateway"])
        began, opening = time.monotonic(), read_cpu(pids)
        streams = [Stream(f"/v1/jobs/{job}/events", account.api_key) for account, job in jobs]
        with Followers(site.gateway_port, streams) as followers:
            first = _all_open(followers, clients, patience)
            opened_s, opened = time.monotonic() - began, read_cpu(pids).since(opening)
            full, before = rss_bytes(pids["gateway"]), read_cpu(pids)
            time.sleep(2 if quick else PING_S + 3)
            idle, after = followers.heard(), read_cpu(pids)
            settled = rss_bytes(pids["gateway"])
            busy_from = read_cpu(pids)
            _cancel(site, jobs[:ending], rate)
            time.sleep(1)
            busy, busy_to = followers.heard(), read_cpu(pids)
    if first.refused or busy.open != clients - ending:
        raise BenchmarkFailed(f"{busy.open} of {clients - ending} streams are open; refused: {first.refused}")
    quiet = {name: seconds / after.elapsed_s(before) for name, seconds in after.since(before).items()}
    working = {name: seconds / busy_to.elapsed_s(busy_from) for name, seconds in busy_to.since(busy_from).items()}
    lags = [lag * 1000 for lag in busy.lags_s]
    if len(lags) != ending:
        raise BenchmarkFailed(f"{len(lags)} of {ending} ends were heard")
    return Report(
        title="clients that follow their jobs",
        measured=(
            f"{clients} event streams of as many jobs of {TENANTS} tenants on one gateway process; nothing happens for "
            f"{after.elapsed_s(before):.0f} s, then {rate} jobs a second are canceled by API; from the time in the "
            "event, which is its transaction's, to its arrival at the client, on one clock"
        ),
        figures=[
            Figure(name="memory of a client", value=(settled - empty) / KIB / clients, unit="KiB"),
            Figure(name="cores the gateway uses while nothing happens", value=quiet["gateway"], unit=""),
            Figure(name="from an event's time to its client, p50", value=percentile(lags, 0.5), unit="ms"),
            Figure(
                name="from an event's time to its client, p99",
                value=percentile(lags, 0.99),
                unit="ms",
                aim=Aim("at most", 1000.0),
            ),
            Figure(name="clients opened a second", value=clients / opened_s, unit="/s"),
            Figure(name="pings while nothing happens, a client", value=idle.pings / clients, unit=""),
        ],
        tables=[
            Table(
                title="cores",
                columns=("process", "opening", "quiet", f"{rate} ends a second"),
                rows=[(name, opened[name] / opened_s, quiet[name], working[name]) for name in pids],
            ),
            Table(
                title="resident memory of the gateway, MiB",
                columns=("without a client", "all open", "after the quiet time"),
                rows=[tuple(size / KIB / KIB for size in (empty, full, settled))],
            ),
        ],
    )


def _jobs(site: Site, accounts: Sequence[Account], count: int) -> list[tuple[Account, str]]:
    """So many queued jobs, in turn of one tenant and the next."""
    by_tenant = {account.tenant_id: account for account in accounts}
    for account in accounts:
        apply_load(
            Plan(
                port=site.gateway_port,
                path="/v1/jobs",
                body=json.dumps({"instruction": INSTRUCTION}),
                headers={"Content-Type": "application/json", "Authorization": f"Bearer {account.api_key}"},
                connections=8,
                count=count // len(accounts),
            )
        )
    with site.place.observe(site.database_url) as observer:
        found = [(by_tenant[tenant], job) for tenant, job in observer.execute(_JOBS).fetchall()]
    return [pair for start in range(count // len(accounts)) for pair in found[start :: count // len(accounts)]]


def _all_open(followers: Followers, count: int, patience: Patience) -> Heard:
    events = 0

    def answered() -> Heard | None:
        nonlocal events
        heard = followers.heard()
        events += heard.events
        return heard if heard.answered == count and events == count else None

    heard = patience.wait(answered, f"{count} streams", every_s=0.1)
    assert heard is not None
    return heard


def _cancel(site: Site, jobs: Sequence[tuple[Account, str]], rate: float) -> None:
    apis = {account.tenant_id: Api(site.base_url, account) for account, _ in jobs}
    began = time.monotonic()
    for number, (account, job) in enumerate(jobs):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        apis[account.tenant_id].cancel(job)
