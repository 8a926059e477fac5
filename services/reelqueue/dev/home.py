"""The directory of one embedded server, and what is remembered there: its owner, its port, its password."""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path

from reelqueue.dev.errors import DirectoryInUse

_PASSWORD_BYTES = 24


class ServerHome:
    """A directory that at most one live process owns.

    Files in it: `lock` (held with flock(2) while the owner lives, so a dead owner never blocks anybody), `port` and
    `password` (both made once and kept, so that a restart has the same URL). All are readable by their owner only.
    """

    def __init__(self, path: Path, *, mode: int = 0o700) -> None:
        """`mode` is given to the directory only if it has to be made; a directory that exists is never changed."""
        self.path = path.absolute()
        self._mode = mode
        self._lock: int | None = None

    @property
    def owned(self) -> bool:
        """Whether this object owns the directory."""
        return self._lock is not None

    def acquire(self) -> None:
        """Own the directory, making it if need be; nothing happens if this object owns it already.

        DirectoryInUse if another object or process does. Of two at the same time exactly one gets it.
        """
        if self._lock is not None:
            return
        self._make()
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(lock, 32).decode(errors="replace").strip()
            os.close(lock)
            raise DirectoryInUse(f"{self.path} is in use by process {owner or '?'}; stop it first") from error
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        self._lock = lock

    def release(self) -> None:
        """Give the directory up. Safe to repeat."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def port(self) -> int | None:
        """The port of last time."""
        with suppress(OSError, ValueError):
            return int((self.path / "port").read_text())
        return None

    def remember_port(self, port: int) -> None:
        """Keep a port for next time."""
        self.write("port", f"{port}\n")

    def password(self) -> str:
        """The server's password: letters, digits, `-` and `_`. Made at the first call."""
        file = self.path / "password"
        if not file.exists():
            self.write("password", secrets.token_urlsafe(_PASSWORD_BYTES) + "\n")
        return file.read_text().strip()

    def write(self, name: str, text: str) -> Path:
        """Replace a file of the directory, whole or not at all; nobody else may read it."""
        file = self.path / name
        draft = file.with_name(file.name + ".new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        return draft.replace(file)

    def _make(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.path.mkdir()
        except FileExistsError:
            return
        self.path.chmod(self._mode)  # ours, made a line ago; mkdir's own mode would pass through the umask
