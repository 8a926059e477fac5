"""The whole service on one machine, with nothing installed: Postgres, Valkey, the twin and every process of ours.

`DIR` keeps everything: the database, the files, the secrets, the ports. A stop and a start find it all again.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reelqueue.dev.errors import PortTaken
from reelqueue.dev.ports import LOOPBACK, choose_port, is_free
from reelqueue.dev.postgres import EmbeddedPostgres
from reelqueue.dev.process import Role
from reelqueue.dev.secrets import DevSecrets, load_secrets
from reelqueue.dev.supervisor import Supervisor
from reelqueue.dev.twin import mint_token
from reelqueue.dev.valkey import EmbeddedValkey

TENANT = "dev"
READY_S = 60.0
STREAM_THREADS, STEP_THREADS, WEBHOOK_THREADS = 64, 16, 16
DRAIN_S = 20.0
"""How long a worker of the development stack may take to finish what it runs. A real one gets sixteen minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """What `reelqueue dev` was asked for. `upstream` and `token` replace the twin."""

    data: Path
    port: int | None = None
    upstream: str | None = None
    token: str | None = None
    speed: float = 1.0
    twin_arguments: tuple[str, ...] = ()
    extra_environment: Mapping[str, str] | None = None


class DevStack:
    """Starts it, keeps it up, stops it. Use it from one thread that lives as long as the stack shall."""

    def __init__(self, options: StackOptions) -> None:
        self._options = options
        self._data = options.data.absolute()
        self._chance = random.SystemRandom()
        self._secrets: DevSecrets = load_secrets(self._data)
        self._postgres = EmbeddedPostgres(self._data / "postgres", tethered=True, log_path=self._log("postgres"))
        self._valkey = EmbeddedValkey(self._data / "valkey", tethered=True, log_path=self._log("valkey"))
        self._ports = self._choose_ports()
        self._supervisor: Supervisor | None = None
        self._identity: dict[str, str] = {}

    @property
    def base_url(self) -> str:
        """Where the gateway listens."""
        return f"http://{LOOPBACK}:{self._ports['gateway']}"

    @property
    def twin_url(self) -> str | None:
        """Where the twin listens; `None` with a real upstream."""
        return None if self._options.upstream else f"http://{LOOPBACK}:{self._ports['twin']}"

    def start(self, stop: threading.Event | None = None) -> dict[str, Any]:
        """Bring everything up, write `dev.json`, and return what it says. Raises what the parts raise."""
        self._dev_file.unlink(missing_ok=True)
        try:
            self._postgres.start()
            self._valkey.start()
            self._migrate()
            self._supervisor = Supervisor(self._roles(), self._data / "logs", on_change=self._write_dev_file)
            self._supervisor.adopt(self._postgres.role(), self._postgres.process)
            self._supervisor.adopt(self._valkey.role(), self._valkey.process)
            self._supervisor.start(timeout_s=READY_S, stop=stop)
            self._provide()
        except BaseException:
            self.stop()
            raise
        pids = self._supervisor.pids()
        self._write_dev_file(pids)
        return self._content(pids)

    def run_until(self, stop: threading.Event) -> None:
        """Keep it up until `stop` is set, then stop it."""
        assert self._supervisor is not None
        try:
            self._supervisor.run_until(stop)
        finally:
            self.stop()

    def stop(self) -> None:
        """Stop everything that was started. The data stay. Safe to repeat."""
        if self._supervisor is not None:
            self._supervisor.stop()
        self._valkey.stop()
        self._postgres.stop()
        self._dev_file.unlink(missing_ok=True)

    @property
    def _dev_file(self) -> Path:
        return self._data / "dev.json"

    def _log(self, name: str) -> Path:
        return self._data / "logs" / f"{name}.log"

    def _choose_ports(self) -> dict[str, int]:
        """The ports of last time where they are free, so that URLs that were kept stay true."""
        file = self._data / "ports.json"
        before: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        names = ("gateway", "twin", "twin_files")
        ports = {name: choose_port(self._chance, before.get(name)) for name in names}
        if self._options.port is not None:
            if not is_free(self._options.port):
                raise PortTaken(f"port {self._options.port} is taken; choose another with --port, or 0 for a free one")
            ports["gateway"] = self._options.port
        file.write_text(json.dumps(ports))
        return ports

    def _migrate(self) -> None:
        from reelqueue.store.migrations import upgrade  # noqa: PLC0415 - a second of imports, only when needed

        upgrade(self._postgres.url)

    def environment(self) -> dict[str, str]:
        """The environment of our processes, and of `reelqueue` commands that shall work on this stack."""
        options = self._options
        ours = {
            "REELQUEUE_DATABASE_URL": self._postgres.url,
            "REELQUEUE_REDIS_URL": self._valkey.url,
            "REELQUEUE_SECRET_KEY": self._secrets.secret_key,
            "REELQUEUE_FILES__STORE_URL": (self._data / "files").as_uri(),
            "REELQUEUE_FILES__SPOOL_DIR": str(self._data / "files"),
            "REELQUEUE_SPEED": str(options.speed),
            "REELQUEUE_EGRESS_ALLOW": os.environ.get("REELQUEUE_EGRESS_ALLOW", "127.0.0.0/8"),
            "NEMO_API_URL": options.upstream or self.twin_url or "",
        }
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("REELQUEUE_", "NEMO_")) or name.startswith("REELQUEUE_LOG_")
        }
        return {**inherited, **ours, **(options.extra_environment or {})}

    def _roles(self) -> list[Role]:
        environment = self.environment()
        roles = [] if self._options.upstream else [self._twin_role(environment)]
        gateway = Role(
            "gateway",
            _command("gateway", "--host", LOOPBACK, "--port", str(self._ports["gateway"])),
            env=environment,
            ready=lambda: _answers(f"{self.base_url}/readyz"),
        )
        return [
            *roles,
            gateway,
            Role("dispatcher", _command("dispatcher"), env=environment),
            self._worker("stream", STREAM_THREADS, environment),
            self._worker("step", STEP_THREADS, environment),
            self._worker("webhook", WEBHOOK_THREADS, environment),
        ]

    def _worker(self, queue: str, threads: int, environment: Mapping[str, str]) -> Role:
        argv = _command("worker", "--queues", queue, "--threads", str(threads))
        return Role(f"worker-{queue}", argv, env=environment, stop_timeout_s=DRAIN_S)

    def _twin_role(self, environment: Mapping[str, str]) -> Role:
        argv = [
            *(sys.executable, "-m", "nemotwin", "--host", LOOPBACK),
            *("--port", str(self._ports["twin"]), "--cdn-port", str(self._ports["twin_files"])),
            *("--speed", str(self._options.speed), "--data", str(self._data / "twin")),
            *self._options.twin_arguments,
        ]
        kept = {name: value for name, value in environment.items() if not name.startswith(("REELQUEUE_", "NEMO_"))}
        return Role(
            "twin",
            argv,
            env=kept,
            ready=lambda: _answers(f"{self.twin_url}/healthz"),
            # A worker that is told to stop hears its live turns to their end, so somebody has to go on speaking.
            outlives=("worker-stream", "worker-step"),
        )

    def _provide(self) -> None:
        """Make sure of the tenant, its key and an upstream token. What is there already is used again, if it works."""
        from reelqueue.dev.provision import provide  # noqa: PLC0415 - as above

        real = self._options.upstream is not None
        identity = provide(
            self.environment(),
            tenant=TENANT,
            api_key=self._secrets.api_key,
            upstream_token=self._options.token if real else self._secrets.twin_token,
            mint=None if real else self._mint,
        )
        self._secrets = replace(self._secrets, api_key=identity["api_key"])
        self._secrets.save(self._data)
        self._identity = identity

    def _mint(self) -> str:
        """A new token of the twin: the first, or in place of one that a job has used up."""
        token = mint_token(self.twin_url or "")
        self._secrets = replace(self._secrets, twin_token=token)
        return token

    def _content(self, pids: Mapping[str, int]) -> dict[str, Any]:
        """What a program needs to use the stack."""
        return {
            "base_url": self.base_url,
            **self._identity,
            "database_url": self._postgres.url,
            "redis_url": self._valkey.url,
            "twin_url": self.twin_url,
            "pids": dict(pids),
        }

    def _write_dev_file(self, pids: Mapping[str, int]) -> None:
        """Written once everything is ready, and whenever a process id changes."""
        if not self._identity:
            return
        fresh = self._dev_file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(self._content(pids), indent=2) + "\n")
        fresh.replace(self._dev_file)


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "reelqueue", *arguments]


def _answers(url: str) -> bool:
    """Whether a GET is answered with 200 within a moment."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own loopback URL
            return bool(response.status == 200)
    except urllib.error.URLError:
        return False
