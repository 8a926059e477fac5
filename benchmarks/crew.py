"""Our processes, as many and as configured as a benchmark wants them."""

from __future__ import annotations

import base64
import http.client
import os
import random
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Literal, Self

from sqlalchemy import make_url, text

from benchmarks.patience import ROOT
from benchmarks.place import OUT, PROCESSES, Place
from reelqueue.dev.ports import LOOPBACK, choose_port
from reelqueue.dev.process import RestartPolicy, Role
from reelqueue.dev.supervisor import Supervisor
from reelqueue.dev.twin import mint_token
from reelqueue.domain.api_keys import SCOPES
from reelqueue.settings import Settings
from reelqueue.wiring.services import Services

Server = Literal["uvicorn", "granian"]
READY_S = 60.0
KEPT_LOGS = OUT / "logs"
_UNBOUND = text("UPDATE upstream_tokens SET requests_per_minute = 10000000 WHERE id = :token")
"""What is measured is ours, and not how fast a token may be used."""
DEFAULT_THREADS: Mapping[str, int] = MappingProxyType({"stream": 64, "step": 16, "webhook": 16})


@dataclass(frozen=True, slots=True)
class Account:
    """Who posts the jobs."""

    tenant_id: str
    api_key: str = field(repr=False)


class Site:
    """One database, one broker, a directory and ports: what processes of one benchmark share."""

    def __init__(self, place: Place, name: str, *, speed: float = 1.0) -> None:
        self.place = place
        self.folder = place.folder / name
        self.folder.mkdir()
        self.database_url = place.database(name)
        self.speed = speed
        self._chance = random.SystemRandom()
        self._secret_key = base64.b64encode(os.urandom(32)).decode()
        self.gateway_port, self.twin_port, self._twin_files_port = (self.free_port() for _ in range(3))
        self.base_url = f"http://{LOOPBACK}:{self.gateway_port}"
        self.twin_url = f"http://{LOOPBACK}:{self.twin_port}"

    def free_port(self) -> int:
        """A loopback port."""
        return choose_port(self._chance)

    def environment(self, process: str | None = None, **extra: str) -> dict[str, str]:
        """The environment of a process of ours, as `reelqueue dev` sets it, but for the role it is in the database."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("REELQUEUE_", "NEMO_"))}
        ours = {
            "REELQUEUE_DATABASE_URL": self._database_url_of(process),
            "REELQUEUE_REDIS_URL": self.place.valkey.url,
            "REELQUEUE_SECRET_KEY": self._secret_key,
            "REELQUEUE_FILES__STORE_URL": (self.folder / "files").as_uri(),
            "REELQUEUE_FILES__SPOOL_DIR": str(self.folder / "files"),
            "REELQUEUE_SPEED": str(self.speed),
            "REELQUEUE_EGRESS_ALLOW": "127.0.0.0/8",
            "NEMO_API_URL": self.twin_url,
        }
        return {**inherited, **ours, **extra}

    def services(self) -> Services:
        """The adapters, for looking at the store directly. Close them."""
        settings = Settings(
            database_url=self.database_url, redis_url=self.place.valkey.url, secret_key=self._secret_key
        )
        return Services(settings, process="benchmark")

    def account(self, *, max_running: int, upstream: bool = True, name: str = "bench") -> Account:
        """A new tenant with a key; `upstream` adds a token of the twin, which has to run."""
        services = self.services()
        try:
            account = self.account_of(services, name, max_running=max_running)
            if upstream:
                token = services.tokens.add(account.tenant_id, mint_token(self.twin_url), label="bench")
                with services.database.statement() as connection:
                    connection.execute(_UNBOUND, {"token": token.id})
            return account
        finally:
            services.close()

    def account_of(self, services: Services, name: str, *, max_running: int = 1) -> Account:
        """A new tenant of that name with a key, and without a token."""
        tenant = services.tenants.create(name, max_running=max_running)
        key = services.api_keys.create(tenant.id, name="bench", scopes=sorted(SCOPES))
        return Account(tenant.id, key.text)

    def _database_url_of(self, process: str | None) -> str:
        url = make_url(self.database_url)
        return (url.set(username=process) if process in PROCESSES else url).render_as_string(hide_password=False)

    # --- roles ---

    def all_roles(
        self, *, threads: Mapping[str, int] = DEFAULT_THREADS, twin_arguments: Sequence[str] = ("--instant",)
    ) -> list[Role]:
        """The whole service, one process of each kind, and the twin."""
        workers = [self.worker(queue, count) for queue, count in threads.items()]
        return [self.twin(*twin_arguments), self.gateway(), self.dispatcher(), *workers]

    def gateway(self) -> Role:
        """The gateway as `reelqueue gateway` runs it."""
        return self.app_server("gateway", "uvicorn", self.gateway_port, processes=1)

    def app_server(self, name: str, server: Server, port: int, *, processes: int) -> Role:
        """Our application behind a server."""
        argv = (
            _reelqueue("gateway", "--host", LOOPBACK, "--port", str(port), "--processes", str(processes))
            if server == "uvicorn"
            else granian("reelqueue.gateway.asgi:app_factory", port, processes)
        )
        return Role(name, argv, env=self.environment(name), cwd=ROOT, ready=lambda: answers(port, "/readyz"))

    def dispatcher(self) -> Role:
        """The dispatcher."""
        return Role("dispatcher", _reelqueue("dispatcher"), env=self.environment("dispatcher"), cwd=ROOT)

    def worker(self, queue: str, threads: int) -> Role:
        """A worker of one queue."""
        argv = _reelqueue("worker", "--queues", queue, "--threads", str(threads))
        return Role(f"worker-{queue}", argv, env=self.environment(f"worker-{queue}"), cwd=ROOT)

    def twin(self, *arguments: str) -> Role:
        """The stand-in for NemoVideo."""
        ports = ("--port", str(self.twin_port), "--cdn-port", str(self._twin_files_port))
        data = ("--speed", str(self.speed), "--data", str(self.folder / "twin"))
        argv = [sys.executable, "-m", "nemotwin", "--host", LOOPBACK, *ports, *data, *arguments]
        return Role("twin", argv, env=self.environment(), cwd=ROOT, ready=lambda: answers(self.twin_port, "/healthz"))


class Crew:
    """Roles that run while the block lasts. At its end they are killed: nobody needs their data any more.

    If the block fails, their logs are kept in `out/bench/logs`.
    """

    def __init__(self, roles: Sequence[Role], logs: Path, *, policy: RestartPolicy | None = None) -> None:
        self._supervisor = Supervisor(roles, logs, policy=policy)
        self._logs = logs

    def __enter__(self) -> Self:
        self._supervisor.start(timeout_s=READY_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._supervisor.kill()
        if error is not None:
            shutil.copytree(self._logs, KEPT_LOGS, dirs_exist_ok=True)

    def pids(self) -> dict[str, int]:
        """Process ids by role."""
        return self._supervisor.pids()


def granian(app: str, port: int, processes: int) -> list[str]:
    """The command of an application factory behind granian, with the settings that match ours for uvicorn."""
    options = ("--interface", "asgi", "--factory", "--loop", "uvloop", "--no-ws", "--http", "1", "--no-log")
    where = ("--host", LOOPBACK, "--port", str(port), "--workers", str(processes))
    return [sys.executable, "-m", "granian", *options, *where, app]


def uvicorn(app: str, port: int, processes: int) -> list[str]:
    """The command of an application factory behind uvicorn, with the settings that our gateway has."""
    options = ("--factory", "--loop", "uvloop", "--http", "httptools", "--ws", "none", "--no-access-log")
    quiet = ("--log-level", "warning", "--no-server-header", "--no-proxy-headers", "--timeout-keep-alive", "65")
    where = ("--host", LOOPBACK, "--port", str(port), "--workers", str(processes))
    return [sys.executable, "-m", "uvicorn", *options, *quiet, *where, app]


def answers(port: int, path: str) -> bool:
    """Whether a GET is answered with 200 within a moment."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _reelqueue(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "reelqueue", *arguments]
