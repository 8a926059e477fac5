"""A customer of the live stack: a tenant of its own, with a key and a NemoVideo token nobody else has."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from fakes.live_stack import LiveStack
from fixtures.eventually import wait_until
from reelqueue.domain.api_keys import SCOPES
from reelqueue.settings import Settings
from reelqueue.wiring.services import Services

FINAL = frozenset({"succeeded", "failed", "canceled"})
TERMINAL = frozenset({"job.succeeded", "job.failed", "job.canceled"})
AFTERWARDS = frozenset({"batch.completed", "job.recovered"})
"""What may be told of a job after its end."""
FINISH_S = 60.0

File = tuple[str, bytes, str]
"""Name, content, media type."""


class Customer:
    """Talks to the API with its own key."""

    def __init__(self, stack: LiveStack, *, tenant: dict[str, Any], key: str, token: dict[str, Any]) -> None:
        self.stack = stack
        self.id: str = tenant["id"]
        self.name: str = tenant["name"]
        self.webhook_secret: str = tenant["webhook_secret"]
        self.key = key
        self.token: str = token["token"]
        self.fingerprint: str = token["fingerprint"]
        stack.canaries |= {key.rpartition("_")[2], self.webhook_secret.removeprefix("whsec_"), self.token}
        self.http = httpx.Client(
            base_url=stack.base_url, headers={"Authorization": f"Bearer {key}"}, timeout=30, trust_env=False
        )

    def close(self) -> None:
        self.http.close()

    # --- submitting ---

    def post(
        self, *, files: Sequence[File] = (), headers: dict[str, str] | None = None, **fields: Any
    ) -> httpx.Response:
        """POST a job, as multipart if it has files."""
        if not files:
            return self.http.post("/v1/jobs", json=fields, headers=headers)
        form = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
        return self.http.post("/v1/jobs", data=form, files=[("files", one) for one in files], headers=headers)

    def submit(self, **how: Any) -> dict[str, Any]:
        """POST a job that has to be taken; returns it as the 202 shows it."""
        answer = self.post(**how)
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = answer.json()
        return job

    # --- looking ---

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.http.get(f"/v1/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def events(self, job_id: str) -> list[dict[str, Any]]:
        answer = self.http.get(f"/v1/jobs/{job_id}/events", params={"limit": 100})
        assert answer.status_code == 200, answer.text
        events: list[dict[str, Any]] = answer.json()["data"]
        return events

    def finished(self, job_id: str, *, timeout: float = FINISH_S) -> dict[str, Any]:
        """Wait for a job's end, through whatever happens to the gateway; its history is checked on the way out."""

        def final() -> dict[str, Any] | None:
            with suppress(httpx.TransportError):
                job = self.job(job_id)
                return job if job["status"] in FINAL else None
            return None

        job = wait_until(final, timeout, interval=0.1)
        self.check_history(job)
        return job

    def succeeded(self, job_id: str, *, timeout: float = FINISH_S) -> dict[str, Any]:
        """Wait for a job that has to succeed."""
        job = self.finished(job_id, timeout=timeout)
        assert job["status"] == "succeeded", job["error"]
        return job

    def check_history(self, job: dict[str, Any]) -> None:
        """The events of a job that has ended have no gap, and exactly one ends it: the last of its own."""
        events = self.events(job["id"])
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert [event["type"] for event in events if event["type"] in TERMINAL] == [f"job.{job['status']}"]
        own = [event["type"] for event in events if event["type"] not in AFTERWARDS]
        assert own[-1] == f"job.{job['status']}"

    def until_status(self, job_id: str, status: str, timeout: float = 30.0) -> dict[str, Any]:
        """Wait until a job is seen in a status."""

        def there() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["status"] == status else None

        return wait_until(there, timeout, interval=0.05)

    def until_streaming(self, job_id: str, marker: str) -> dict[str, Any]:
        """Wait until the turn of a job is under way, upstream too; returns the ledger's line of it."""
        sending = "SELECT 1 FROM turns WHERE job_id = %s AND state = 'sending'"
        wait_until(lambda: self.stack.sql(sending, job_id), 30, interval=0.05)
        turns = wait_until(lambda: self.stack.twin.turns(marker), 10, interval=0.1)
        return turns[-1]


class Customers:
    """Makes customers of a stack, with the same adapters that `reelqueue tenant create` uses."""

    def __init__(self, stack: LiveStack) -> None:
        dev = stack.dev
        settings = Settings(
            database_url=dev["database_url"], redis_url=dev["redis_url"], secret_key=SecretStr(stack.secret_key)
        )
        self._stack = stack
        self.services = Services(settings, process="e2e")
        self._made: list[Customer] = []

    def make(self, *, max_running: int = 50, **account: Any) -> Customer:
        """A tenant with a key of all scopes and a token; `credits` and `plan` of the token may be given."""
        services = self.services
        tenant = services.tenants.create(f"tenant-{uuid.uuid4().hex[:10]}", max_running=max_running)
        key = services.api_keys.create(tenant.id, name="e2e", scopes=sorted(SCOPES))
        token = self._stack.twin.issue_token(**{"credits": 100_000, **account})
        services.tokens.add(tenant.id, token["token"], label="e2e")
        shown = {"id": tenant.id, "name": tenant.name, "webhook_secret": services.tenants.webhook_secret(tenant.id)}
        self._made.append(Customer(self._stack, tenant=shown, key=key.text, token=token))
        return self._made[-1]

    def close(self) -> None:
        self.services.close()
        for customer in self._made:
            customer.close()


def new_marker() -> str:
    """A word that stands in one test's instructions and nowhere else."""
    return f"q{uuid.uuid4().hex[:12]}"


def animate(marker: str, *, what: str = "these photos", seconds: int = 1) -> str:
    """An instruction about pictures."""
    return f'Animate {what} into a {seconds}-second video, add the title "{marker}"'


def create(marker: str) -> str:
    """An instruction that needs no picture."""
    return f'Create a 1-second video of waves at dawn, add the title "{marker}"'


def picture(path: Path) -> File:
    return path.name, path.read_bytes(), "image/png"
