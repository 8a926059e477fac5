"""Tenants with a webhook endpoint each, and the processes that deliver to them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from benchmarks.announcer import TOLD, Announcer
from benchmarks.crew import KEPT_LOGS, Account, Crew, Site
from benchmarks.hooks import Hooks
from benchmarks.patience import Patience
from reelqueue.dev.process import RestartPolicy, Role
from reelqueue.wiring.services import Services

WORKER: Final = "worker-webhook"
DISPATCHER: Final = "dispatcher"
THREADS: Final = 16
_WORKERS: Final = "SELECT count(*) FROM workers WHERE state = 'working'"
_EVENTS: Final = "SELECT job_id, job_seq, id FROM feed_events WHERE type = %s"


@dataclass(frozen=True, slots=True)
class Consumer:
    """A tenant with a key, the path of its only endpoint, and its jobs."""

    account: Account
    path: str
    jobs: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a benchmark of deliveries works with."""

    site: Site
    crew: Crew
    hooks: Hooks
    services: Services
    announcer: Announcer
    observer: psycopg.Connection[Any]
    patience: Patience

    def consumers(self, count: int, *, jobs: int, name: str = "tenant", slow: bool = False) -> list[Consumer]:
        """New ones. Their endpoints want what the announcer tells."""
        return [self._consumer(name, number, jobs, slow=slow) for number in range(count)]

    def pids(self) -> dict[str, int]:
        """All processes of ours by role, and the servers."""
        servers = {"postgres": self.site.place.postgres.pid, "valkey": self.site.place.valkey.pid}
        return {**self.crew.pids(), **servers}

    def event_ids(self) -> dict[tuple[str, int], str]:
        """By job and number, what each announced event is called: its `webhook-id`."""
        return {(job_id, seq): event_id for job_id, seq, event_id in self.observer.execute(_EVENTS, [TOLD.value])}

    def await_worker(self) -> None:
        """Until one is registered. It says in no other way that it has started."""
        self.patience.wait(lambda: self.scalar(_WORKERS) >= 1, f"the worker; see {KEPT_LOGS}")

    def scalar(self, query: str, *parameters: object) -> Any:
        """The first column of the first row."""
        row = self.observer.execute(query, parameters).fetchone()
        return None if row is None else row[0]

    @contextmanager
    def standing_still(self, role: str = WORKER) -> Iterator[None]:
        """A process is stopped for the length of the block, which a worker's lease has to outlast."""
        pid = self.crew.pids()[role]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _consumer(self, name: str, number: int, jobs: int, *, slow: bool) -> Consumer:
        account = self.site.account_of(self.services, f"{name}-{number}")
        path = self.hooks.path(f"{name}-{number}", slow=slow)
        url = self.hooks.url_of(number, path)
        self.services.endpoints.create(account.tenant_id, url=url, event_types=[TOLD.value], description="benchmark")
        return Consumer(account, path, self.announcer.jobs(account.tenant_id, jobs))


@contextmanager
def delivering(
    site: Site,
    patience: Patience,
    *,
    slow_s: float = 0.0,
    worker: bool = True,
    more: Sequence[Role] = (),
    policy: RestartPolicy | None = None,
) -> Iterator[Delivery]:
    """Receivers, a dispatcher, one webhook worker unless it is not wanted, and `more`, while the block lasts."""
    hooks, services = Hooks(site, slow_s=slow_s), site.services()
    workers = [site.worker("webhook", THREADS)] if worker else []
    roles = [hooks.role(), site.dispatcher(), *workers, *more]
    try:
        with (
            site.place.observe(site.database_url) as observer,
            Crew(roles, site.folder / "logs", policy=policy) as crew,
        ):
            delivery = Delivery(
                site=site,
                crew=crew,
                hooks=hooks,
                services=services,
                announcer=Announcer(services.database),
                observer=observer,
                patience=patience,
            )
            if worker:
                delivery.await_worker()
            yield delivery
    finally:
        services.close()
