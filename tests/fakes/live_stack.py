"""`reelqueue dev` as a process of its own, and what a test needs to watch it and to hurt it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import redis
from psycopg.rows import dict_row

from fakes.live_twin import SMALL_FILMS, Twin
from fixtures.eventually import wait_until
from reelqueue.dev.process import ChildProcess, Role, spawn
from reelqueue.kit.clock import SystemClock

START_S = 90.0
STOP_S = 45.0
ROLES = frozenset(
    {"gateway", "dispatcher", "worker-stream", "worker-step", "worker-webhook", "postgres", "valkey", "twin"}
)


PROGRAM = """
import json, sys, threading
from pathlib import Path
from reelqueue.dev.stack import DevStack, StackOptions
from reelqueue.dev.supervisor import stop_on_signals
stop = threading.Event()
with stop_on_signals(stop):
    data, speed, environment = Path(sys.argv[1]), float(sys.argv[2]), json.loads(sys.argv[3])
    stack = DevStack(StackOptions(data=data, speed=speed, extra_environment=environment))
    stack.start(stop)
    stack.run_until(stop)
"""
"""What the command does, with settings that the command has no option for."""


class LiveStack:
    """One data directory, and the command that runs on it. It may be stopped and started again."""

    def __init__(self, data: Path, *, speed: float, environment: Mapping[str, str] | None = None) -> None:
        """With an `environment` of more settings it is not the command itself that runs."""
        self.data = data
        self.speed = speed
        self._environment = environment
        self.output = data.with_name(f"{data.name}-output.log")
        self.canaries: set[str] = set()
        self._child: ChildProcess | None = None
        self._twin: Twin | None = None

    # --- up and down ---

    def start(self) -> None:
        """Run the command until it has written `dev.json`."""
        role = Role("dev", self._argv(), env=plain_environment(), orphan_signal=signal.SIGTERM)
        self._child = spawn(role, log_path=self.output, tethered=True)
        wait_until(self._is_up, START_S, interval=0.1)
        self._twin = Twin(self.dev["twin_url"])
        self._twin.set(**SMALL_FILMS)
        self.canaries |= set(self._own_secrets())

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Stop it as Ctrl-C does; returns the exit status. Nothing happens if it is not running."""
        if self._twin is not None:
            self._twin.close()
            self._twin = None
        child, self._child = self._child, None
        return 0 if child is None else child.stop(number, timeout_s=STOP_S, clock=SystemClock())

    @property
    def pid(self) -> int:
        """The command's process id."""
        assert self._child is not None
        return self._child.pid

    def _argv(self) -> list[str]:
        data, speed = str(self.data), f"{self.speed:g}"
        if self._environment is not None:
            return [sys.executable, "-c", PROGRAM, data, speed, json.dumps(dict(self._environment))]
        return [sys.executable, "-m", "reelqueue", "dev", "--data", data, "--port", "0", "--speed", speed]

    def _is_up(self) -> bool:
        if self._child is not None and self._child.ended():
            raise RuntimeError(f"`reelqueue dev` ended:\n{self._child.log_tail(40)}")
        return (self.data / "dev.json").exists()

    # --- what it is ---

    @property
    def dev(self) -> dict[str, Any]:
        """What `dev.json` says now."""
        content: dict[str, Any] = json.loads((self.data / "dev.json").read_text())
        return content

    @property
    def base_url(self) -> str:
        return str(self.dev["base_url"])

    @property
    def twin(self) -> Twin:
        assert self._twin is not None
        return self._twin

    @cached_property
    def secret_key(self) -> str:
        return str(json.loads((self.data / "secrets.json").read_text())["secret_key"])

    def environment(self) -> dict[str, str]:
        """What a command of ours needs to work on this stack."""
        dev = self.dev
        ours = {
            "REELQUEUE_DATABASE_URL": dev["database_url"],
            "REELQUEUE_REDIS_URL": dev["redis_url"],
            "REELQUEUE_SECRET_KEY": self.secret_key,
            "NEMO_API_URL": dev["twin_url"],
        }
        return {**plain_environment(), **ours}

    def ready(self) -> dict[str, Any] | None:
        """What `/readyz` says; `None` if nobody answers."""
        with suppress(httpx.TransportError):
            answer = httpx.get(f"{self.base_url}/readyz", timeout=10, trust_env=False)
            return {"http": answer.status_code, **answer.json()}
        return None

    # --- looking inside ---

    def sql(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """Rows of the stack's database."""
        with psycopg.connect(self.dev["database_url"], autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def broker(self) -> Iterator[redis.Redis]:
        with redis.Redis.from_url(self.dev["redis_url"]) as client:
            yield client

    # --- hurting it ---

    def pid_of(self, role: str) -> int:
        return int(self.dev["pids"][role])

    def signal(self, role: str, number: signal.Signals) -> int:
        """Signal a role; returns the process id that it had."""
        pid = self.pid_of(role)
        os.kill(pid, number)
        return pid

    @contextmanager
    def frozen(self, role: str) -> Iterator[int]:
        """Stop a role's process for the length of the block, as a machine without time to spare would."""
        pid = self.signal(role, signal.SIGSTOP)
        try:
            yield pid
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    @contextmanager
    def unattended(self) -> Iterator[None]:
        """For the length of the block nothing that dies is started again."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def wait_revived(self, role: str, old_pid: int, timeout: float = 60.0) -> int:
        """Wait until the supervisor has started a role again; returns the new process id."""
        return wait_until(lambda: self._new_pid(role, old_pid), timeout, interval=0.05)

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until `/readyz` answers 200."""
        wait_until(lambda: (self.ready() or {}).get("http") == 200, timeout, interval=0.1)

    def wait_working(self, queue: str, timeout: float = 60.0) -> None:
        """Wait until a living process of ours has registered as a worker of a queue."""

        def registered() -> bool:
            rows = self.sql(
                "SELECT node FROM workers WHERE %s = ANY (queues) AND state = 'working' AND expires_at > now()", queue
            )
            return any(f".{self.pid_of(f'worker-{queue}')}@" in row["node"] for row in rows)

        wait_until(registered, timeout, interval=0.1)

    def _new_pid(self, role: str, old_pid: int) -> int | None:
        pid = self.dev["pids"].get(role)
        return int(pid) if pid is not None and pid != old_pid else None

    # --- secrets ---

    def _own_secrets(self) -> Iterator[str]:
        dev = self.dev
        yield self.secret_key
        yield dev["api_key"].rpartition("_")[2]
        yield dev["webhook_secret"].removeprefix("whsec_")
        yield dev["database_url"].split(":")[2].partition("@")[0]
        yield dev["redis_url"].split(":")[2].partition("@")[0]
        yield json.loads((self.data / "secrets.json").read_text())["twin_token"]

    def leaks(self) -> list[str]:
        """Where in the logs a secret can be read: file, and the start of the secret."""
        found = []
        for log in sorted((self.data / "logs").iterdir()):
            text = log.read_bytes()
            found += [f"{log.name}: {canary[:6]}…" for canary in self.canaries if canary.encode() in text]
        return found


def plain_environment() -> dict[str, str]:
    """This process's environment without any setting of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("REELQUEUE_", "NEMO_"))}


def family(pid: int) -> list[psutil.Process]:
    """A process and all its descendants."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run."""
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
