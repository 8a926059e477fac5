"""An embedded server: one program, one directory, one loopback port."""

from __future__ import annotations

import os
import random
import shutil
import signal
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import psutil

from reelqueue.dev.errors import DiskFull, ServerFailed
from reelqueue.dev.home import ServerHome
from reelqueue.dev.leftovers import await_end, end_servers, is_server
from reelqueue.dev.ports import choose_port, is_free
from reelqueue.dev.process import ChildProcess, Role, spawn
from reelqueue.kit.clock import Clock, SystemClock

_POLL_S = 0.01
_PORT_ATTEMPTS = 5
_NO_SPACE = os.strerror(28)


class EmbeddedServer(ABC):
    """What the embedded servers share: owning the directory, the port, starting, ending, cleaning up after a crash.

    A server outlives whoever started it, unless it is `tethered`: then, on Linux, it shuts down when the thread that
    called `start` ends. Whatever an earlier run left behind in the directory is ended by the next `start`.
    """

    program: ClassVar[str]
    """The name the running program goes by."""
    stop_signal: ClassVar[signal.Signals]
    """Ends it in good order."""
    immediate_signal: ClassVar[signal.Signals]
    """Ends it at once; nothing that was promised to be kept is lost."""
    stop_timeout_s: ClassVar[float]
    """How long a stop may take before the server is killed."""

    def __init__(
        self,
        data_dir: Path,
        *,
        log_path: Path | None = None,
        tethered: bool = False,
        home_mode: int = 0o700,
        start_timeout_s: float = 60.0,
        clock: Clock | None = None,
        chance: random.Random | None = None,
    ) -> None:
        """`data_dir` belongs to this server alone; `log_path` is `data_dir/server.log` unless given.

        `start_timeout_s` is long because a start may have to recover from a crash first.
        """
        self._home = ServerHome(data_dir, mode=home_mode)
        self.log_path = (log_path or self._home.path / "server.log").absolute()
        self._tethered = tethered
        self._start_timeout_s = start_timeout_s
        self._clock = clock or SystemClock()
        self._chance = chance or random.SystemRandom()
        self._child: ChildProcess | None = None

    # --- what a server has of its own ---

    @property
    @abstractmethod
    def url(self) -> str:
        """Where to connect, password included: keep it out of logs."""

    @abstractmethod
    def role(self) -> Role:
        """How to run the server; the same at every call after `start`, so a supervisor can run it again."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the server in this directory answers now."""

    @abstractmethod
    def _working_directory(self) -> Path:
        """Where the program works; by this it is known again."""

    @abstractmethod
    def _prepare(self) -> None:
        """Make ready what the program needs before it starts. No server runs in the directory at that moment."""

    @abstractmethod
    def _written_pid(self) -> int | None:
        """The process id that the server wrote down, which may be out of date."""

    # --- life ---

    def start(self) -> None:
        """Start the server and wait until it answers; nothing happens if it does already.

        It listens on the port of last time, or on another if somebody took that. DirectoryInUse if another live
        process owns the directory; DiskFull; ServerFailed, with the end of the server's log, if it does not come up.
        """
        if self._child is not None and not self._child.ended():
            return
        self._home.acquire()
        try:
            self._discard()
            end_servers(self.program, self._working_directory(), stop_signal=self.stop_signal)
            self._prepare()
            self._launch()
        except BaseException:
            self._end(self.immediate_signal)
            self._home.release()
            raise

    def stop(self, *, immediate: bool = False) -> None:
        """End the server and give the directory up; the data stay. Safe to repeat.

        `immediate` does not wait for clients or a clean shutdown: the next start recovers. A supervisor that keeps
        this server up has to be stopped first.
        """
        if self._home.owned:
            self._end(self.immediate_signal if immediate else self.stop_signal)
            self._home.release()

    def kill(self) -> None:
        """Kill the server without a warning, as a crash would. The directory stays ours, so `start` may follow."""
        process = self._running()
        if process is not None:
            with suppress(psutil.Error):
                process.kill()
            await_end([process], timeout_s=self.stop_timeout_s)
        self._discard()

    def destroy(self) -> None:
        """Stop at once and delete `data_dir` and everything the server kept elsewhere. There is no way back.

        DirectoryInUse, and nothing is deleted, if another live process owns the directory.
        """
        self._home.acquire()
        end_servers(self.program, self._working_directory(), stop_signal=self.immediate_signal)
        self.stop(immediate=True)
        self._delete()

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    # --- facts ---

    @property
    def data_dir(self) -> Path:
        """The directory that was given."""
        return self._home.path

    @property
    def port(self) -> int:
        """Its loopback port. ServerFailed before the first start."""
        port = self._home.port()
        if port is None:
            raise ServerFailed(f"{self.program} in {self.data_dir} has never been started")
        return port

    @property
    def pid(self) -> int:
        """The server's process id, whoever started it again last. ServerFailed if it is not running."""
        process = self._running()
        if process is None:
            raise ServerFailed(f"{self.program} in {self.data_dir} is not running")
        return process.pid

    @property
    def process(self) -> ChildProcess:
        """The process that `start` started, for `Supervisor.adopt`. ServerFailed if there is none."""
        if self._child is None:
            raise ServerFailed(f"{self.program} in {self.data_dir} has not been started")
        return self._child

    # --- inside ---

    def _launch(self) -> None:
        for _ in range(_PORT_ATTEMPTS):
            port = choose_port(self._chance, self._home.port())
            self._home.remember_port(port)
            self._child = child = spawn(self.role(), log_path=self.log_path, tethered=self._tethered)
            if self._became_ready(child):
                return
            self._discard()
            if is_free(port):  # so that was not what kept it from starting
                break
        raise self._failure("did not start", child.log_tail())

    def _became_ready(self, child: ChildProcess) -> bool:
        deadline = self._clock.monotonic() + self._start_timeout_s
        while not child.ended():
            if self.is_ready():
                return True
            if self._clock.monotonic() > deadline:
                raise self._failure(f"did not answer within {self._start_timeout_s:g} s", child.log_tail())
            self._clock.sleep(_POLL_S)
        return False

    def _failure(self, what: str, output: str) -> ServerFailed | DiskFull:
        if _NO_SPACE in output:
            return DiskFull(f"{self.program} {what}: the disk that holds {self._working_directory()} is full\n{output}")
        return ServerFailed(f"{self.program} in {self.data_dir} {what}; the end of its log:\n{output}")

    def _running(self) -> psutil.Process | None:
        pid = self._child.pid if self._child is not None and not self._child.ended() else self._written_pid()
        if pid is None:
            return None
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            if is_server(process, self.program, self._working_directory()):
                return process
        return None

    def _end(self, number: signal.Signals) -> None:
        if self._child is not None and not self._child.ended():
            self._child.stop(number, timeout_s=self.stop_timeout_s, clock=self._clock)
        elif self._running() is not None:  # a supervisor started it again and has left it
            end_servers(self.program, self._working_directory(), stop_signal=number)
        self._discard()

    def _discard(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.reap()

    def _delete(self) -> None:
        shutil.rmtree(self._home.path, ignore_errors=True)
