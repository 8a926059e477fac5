"""Where benchmarks run: the servers, the working directory, and what the machine is like."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import time
import uuid
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psutil
import psycopg

from benchmarks.patience import ROOT
from reelqueue.dev.errors import DirectoryInUse
from reelqueue.dev.postgres import EmbeddedPostgres
from reelqueue.dev.valkey import EmbeddedValkey
from reelqueue.store.migrations import upgrade

OUT: Final = ROOT / "out" / "bench"
_TEMPLATE: Final = "migrated"
_OBSERVER: Final = "observer"
PROCESSES: Final = ("gateway", "dispatcher", "worker-stream", "worker-step", "worker-webhook")
"""Each connects as a database role of its own, so that its statements can be told from the others'."""


class Place:
    """PostgreSQL with fsync on, Valkey, and a working directory; all of it gone at the end."""

    def __init__(self) -> None:
        self.folder = OUT / f"work-{os.getpid()}"
        self.postgres = EmbeddedPostgres(self.folder / "postgres", durable=True, tethered=True)
        self.valkey = EmbeddedValkey(self.folder / "valkey", tethered=True)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        _clear_abandoned()
        with ExitStack() as starting:
            self.folder.mkdir(parents=True)
            starting.callback(shutil.rmtree, self.folder, ignore_errors=True)
            starting.callback(self.postgres.destroy)
            self._start_postgres()
            starting.callback(self.valkey.destroy)
            self.valkey.start()
            upgrade(self.postgres.create_database(_TEMPLATE))
            self._stack = starting.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def database(self, name: str) -> str:
        """The URL of a fresh database at the newest migration."""
        return self.postgres.create_database(f"{name}_{uuid.uuid4().hex[:6]}", template=_TEMPLATE)

    def observe(self, database_url: str) -> psycopg.Connection[Any]:
        """A connection of somebody else, whose own statements can be told apart from those observed."""
        return psycopg.connect(database_url, user=_OBSERVER, autocommit=True)

    def machine(self) -> dict[str, Any]:
        """What the figures depend on and a reader should know."""
        with psycopg.connect(self.postgres.url) as connection:
            version = connection.info.server_version
        return {
            "cores": psutil.cpu_count() or 0,
            "load before": round(os.getloadavg()[0], 2),
            "fsync": f"{_fsync_us(self.folder):.0f} µs",
            "Python": platform.python_version(),
            "PostgreSQL": f"{version // 10_000}.{version % 10_000}",
            "system": f"{platform.system()} {platform.machine()}",
        }

    def _start_postgres(self) -> None:
        """Twice: a library can be preloaded only from the start."""
        self.postgres.start()
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
            for role in (_OBSERVER, *PROCESSES):
                connection.execute(f"CREATE ROLE \"{role}\" SUPERUSER LOGIN PASSWORD '{self._password()}'")
        self.postgres.stop()
        self.postgres.start()
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            # Counting costs a little, so only the database whose statements are counted pays for it.
            connection.execute("ALTER SYSTEM SET pg_stat_statements.track = 'none'")
            connection.execute("SELECT pg_reload_conf()")

    def _password(self) -> str:
        password = psycopg.conninfo.conninfo_to_dict(self.postgres.url)["password"]
        assert isinstance(password, str)
        return password


def _clear_abandoned() -> None:
    """Delete what killed runs left. A run that lives owns its directories, and is left alone."""
    for folder in OUT.glob("work-*"):
        with suppress(DirectoryInUse):
            EmbeddedPostgres(folder / "postgres").destroy()
            EmbeddedValkey(folder / "valkey").destroy()
            shutil.rmtree(folder, ignore_errors=True)


def _fsync_us(folder: Path) -> float:
    """How long one write and fsync takes here, in microseconds: the median of fifty."""
    times = []
    path = folder / "fsync"
    with path.open("wb", buffering=0) as file:
        for _ in range(50):
            began = time.perf_counter()
            file.write(b"x" * 512)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    path.unlink()
    return statistics.median(times) * 1e6
