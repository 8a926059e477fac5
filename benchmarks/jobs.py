"""Whole jobs, from the POST to the delivered webhook."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from benchmarks.api import INSTRUCTION, Api
from benchmarks.crew import KEPT_LOGS, Account, Crew, Site
from benchmarks.load import Outcome, Plan, apply_load
from benchmarks.patience import BenchmarkFailed, Patience
from benchmarks.receiver import Receiver
from reelqueue.dev.process import Role

GENERATION: Final = "Generate a 5-second cinematic video of a harbor at night"
_OPEN: Final = """
SELECT (SELECT count(*) FROM messages WHERE state = 'pending') + (SELECT count(*) FROM jobs WHERE dispatch <> 'done')
"""
_WORKERS: Final = "SELECT count(*) FROM workers WHERE state = 'working'"
WORKERS_READY_S: Final = 30.0
_UNHAPPY: Final = (
    "SELECT status, error ->> 'code', count(*) FROM jobs WHERE status IN ('failed', 'canceled') GROUP BY 1, 2"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Jobs of one kind, and the means to post them and to see them end."""

    site: Site
    crew: Crew
    account: Account
    api: Api
    receiver: Receiver
    fields: Mapping[str, Any]
    observer: psycopg.Connection[Any]
    patience: Patience

    def post_at(self, rate: float, count: int) -> None:
        """Post `count` jobs, one every 1/rate seconds."""
        began = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            self.api.submit(**self.fields)

    def post_at_once(self, count: int, *, connections: int = 8) -> Outcome:
        """Post `count` jobs as fast as they are taken, from another process."""
        return apply_load(
            Plan(
                port=self.site.gateway_port,
                path="/v1/jobs",
                body=json.dumps(self.fields),
                headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.account.api_key}"},
                connections=connections,
                count=count,
            )
        )

    @property
    def delivered(self) -> int:
        """Webhooks so far."""
        return len(self.receiver.moments)

    def pids(self) -> dict[str, int]:
        """All processes of ours by role, the twin, and the servers."""
        servers = {"postgres": self.site.place.postgres.pid, "valkey": self.site.place.valkey.pid}
        return {**self.crew.pids(), **servers}

    def await_workers(self, count: int) -> None:
        """Until so many are registered. A worker says in no other way that it has started."""
        soon = Patience(min(self.patience.until, time.monotonic() + WORKERS_READY_S))
        soon.wait(lambda: self._scalar(_WORKERS) >= count, f"{count} workers; see {KEPT_LOGS}")

    def await_webhooks(self, total: int) -> None:
        """Until the receiver has had `total` webhooks in all, and the database knows of nothing left to do."""
        self.patience.wait(lambda: self.delivered >= total, f"webhook {total}", every_s=0.01)
        self.patience.wait(lambda: self._scalar(_OPEN) == 0, "the last record", every_s=0.05)
        self.check_none_failed()

    def check_none_failed(self) -> None:
        """Raises `BenchmarkFailed`: jobs that fail cost less, so figures of them would flatter."""
        unhappy = self.observer.execute(_UNHAPPY).fetchall()
        if unhappy:
            raise BenchmarkFailed(f"jobs did not succeed: {unhappy}")

    def _scalar(self, query: str) -> Any:
        row = self.observer.execute(query).fetchone()
        return None if row is None else row[0]


@contextmanager
def working(
    site: Site, roles: Sequence[Role], patience: Patience, *, max_running: int, picture: bool = True
) -> Iterator[Workload]:
    """The roles up, a tenant that may have so many jobs running, and somewhere for the webhooks to go.

    With `picture` the jobs are the main ones: a picture (uploaded before, once), an instruction, an export, a webhook.
    """
    with (
        site.place.observe(site.database_url) as observer,
        Receiver() as receiver,
        Crew(roles, site.folder / "logs") as crew,
    ):
        account = site.account(max_running=max_running)
        with Api(site.base_url, account) as api:
            fields = {"instruction": INSTRUCTION, "inputs": [api.keep()], "webhook_url": receiver.url}
            work = Workload(
                site=site,
                crew=crew,
                account=account,
                api=api,
                receiver=receiver,
                fields=fields if picture else {"instruction": GENERATION},
                observer=observer,
                patience=patience,
            )
            work.await_workers(sum(role.name.startswith("worker-") for role in roles))
            yield work
