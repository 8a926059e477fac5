"""One child process: what to run, its log file, when to run it again, how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from reelqueue.dev.account import Account
from reelqueue.kit.clock import Clock

# A log is moved aside (one generation) when a process starts and finds more than this in it.
_LOG_CAP_BYTES = 8 * 1024 * 1024
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Role:
    """A process to keep up.

    `env` is the whole environment: nothing is inherited, and it stays out of `repr` because it carries secrets.
    `ready` answers within a fraction of a second whether the process does its work; OSError means "not yet"; None
    means ready as soon as it runs. `after` names the roles that have to be ready before this one starts, and that are
    stopped after it; roles that name none start at once, all together. `outlives` names roles that are stopped before
    this one, with no say in the start. `stop_signal` goes to the process, and after `stop_timeout_s` its whole group is
    killed. `orphan_signal` is what the process gets when whoever started it dies
    without a word (Linux only). `account` is given by a root caller only.
    """

    name: str
    argv: Sequence[str]
    _: KW_ONLY
    env: Mapping[str, str] = field(repr=False)
    ready: Callable[[], bool] | None = field(default=None, repr=False)
    after: tuple[str, ...] = ()
    outlives: tuple[str, ...] = ()
    cwd: Path | None = None
    account: Account | None = None
    log_path: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 10.0
    orphan_signal: signal.Signals = signal.SIGKILL


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When a process that died is started again: 0.2 s, doubled each time, at most 5 s.

    The first wait is short because most deaths are one-off; the cap keeps a broken role from filling the log and the
    processor. A process that lived for `stable_after_s` starts the series anew. One that dies `give_up_after` times
    before it was ever ready has a mistake in it that waiting does not mend.
    """

    first_s: float = 0.2
    cap_s: float = 5.0
    stable_after_s: float = 10.0
    give_up_after: int = 3

    def delay_s(self, failures: int) -> float:
        """Seconds to wait after the `failures`-th death in a row, 1-based."""
        # 2**16 times any sensible first wait is past any sensible cap; unbounded, the power would overflow a float.
        return min(self.cap_s, self.first_s * 2.0 ** min(failures - 1, 16))


class ChildProcess:
    """A running child, leader of a session and process group of its own.

    One thread at a time may call `stop` or `reap`.
    """

    def __init__(self, popen: subprocess.Popen[bytes], *, log_path: Path, log_start: int) -> None:
        self._popen = popen
        self.log_path = log_path
        self._log_start = log_start

    @property
    def pid(self) -> int:
        """Its process id, and its group's."""
        return self._popen.pid

    def ended(self) -> bool:
        """Whether it has ended. Its id stays taken until `reap`, so signals cannot hit a stranger."""
        if self._popen.returncode is not None:
            return True
        if not hasattr(os, "waitid"):  # macOS, before Python 3.13
            return self._popen.poll() is not None
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # somebody else in this process waited for it
            return True

    def send(self, number: signal.Signals) -> None:
        """Signal the process; nothing happens if it has ended."""
        if not self.ended():
            self._popen.send_signal(number)

    def stop(self, number: signal.Signals, *, timeout_s: float, clock: Clock) -> int:
        """Signal it, wait, kill it if it takes longer than `timeout_s`; the exit status as `subprocess` gives it."""
        self.send(number)
        deadline = clock.monotonic() + timeout_s
        while not self.ended() and clock.monotonic() < deadline:
            clock.sleep(_POLL_S)
        self.send(signal.SIGKILL)
        return self.reap()

    def reap(self) -> int:
        """Wait for its end, kill what it left behind in its group, return its exit status. Safe to repeat."""
        if self._popen.returncode is None:
            with suppress(ChildProcessError):
                if hasattr(os, "waitid"):
                    os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            # Before the wait that frees the id: until then no other group can have this number.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        return self._popen.wait()

    def log_tail(self, lines: int = 20) -> str:
        """The last lines this very process wrote."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            text = log.read().decode(errors="replace")
        return "\n".join(text.strip().splitlines()[-lines:])


def spawn(role: Role, *, log_path: Path, tethered: bool) -> ChildProcess:
    """Start a role in a session of its own, so that Ctrl-C in the terminal does not reach it.

    With `tethered` (Linux; elsewhere it has no effect) the kernel sends `role.orphan_signal` when **the thread that
    called this** ends, so call it from one that lives as long as the child should. OSError if it cannot be started;
    a program that cannot be executed may also end at once with status 127 and a line in its log.
    """
    tie = tethered and sys.platform == "linux"
    command = _through_launcher(role, tie=tie) if tie or role.account else list(role.argv)
    log_path.parent.mkdir(parents=True, exist_ok=True)
    if log_path.exists() and log_path.stat().st_size > _LOG_CAP_BYTES:
        log_path.replace(log_path.with_name(log_path.name + ".1"))
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        log_start = os.fstat(log).st_size
        popen = subprocess.Popen(  # noqa: S603 - the stack's own commands, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=role.cwd,
            env=dict(role.env),
            start_new_session=True,
        )
    finally:
        os.close(log)
    return ChildProcess(popen, log_path=log_path, log_start=log_start)


def _through_launcher(role: Role, *, tie: bool) -> list[str]:
    signal_number = str(int(role.orphan_signal)) if tie else "-"
    uid, gid = (str(role.account.uid), str(role.account.gid)) if role.account else ("-", "-")
    launcher = str(Path(__file__).with_name("launcher.py"))
    return [sys.executable, "-I", "-S", launcher, str(os.getpid()), signal_number, uid, gid, *role.argv]
