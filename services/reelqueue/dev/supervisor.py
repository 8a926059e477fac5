"""Keep a set of processes up: start them together, start again what dies, stop them in reverse.

One thread does all of it, from the first start to the last kill. That is not only for order: a child is tied to the
thread that started it (`process.spawn`), so this one has to live as long as the children do.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import structlog

from reelqueue.dev.errors import DirectoryInUse, RoleFailed
from reelqueue.dev.leftovers import RUN_VARIABLE, end_marked
from reelqueue.dev.process import ChildProcess, RestartPolicy, Role, spawn
from reelqueue.kit.clock import Clock, SystemClock

_TICK_S = 0.05
_POLL_S = 0.01
_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Charge:
    """A role and how it fares. Touched by the supervisor's thread only, once that runs."""

    role: Role
    log_path: Path
    child: ChildProcess | None = None
    ready: bool = False
    was_ready: bool = False
    adopted: bool = False
    failures: int = 0
    started_at: float = 0.0
    due_at: float = 0.0


class Supervisor:
    """Keeps roles up until it is told to stop.

    Logs go to `log_dir/<role>.log` unless a role names another file. `log_dir` belongs to one live supervisor at a
    time; whatever a dead one left running is killed first. If this process is killed, the kernel ends the children
    (Linux), and the next supervisor on the same `log_dir` ends their descendants.
    """

    def __init__(
        self,
        roles: Sequence[Role],
        log_dir: Path,
        *,
        on_change: Callable[[Mapping[str, int]], None] | None = None,
        policy: RestartPolicy | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`on_change` gets all process ids by role whenever one changes, called in the supervisor's own thread."""
        self._roles = tuple(roles)
        self._log_dir = log_dir
        self._on_change = on_change
        self._policy = policy or RestartPolicy()
        self._clock = clock or SystemClock()
        self._charges: list[_Charge] = []
        self._adopted: list[_Charge] = []
        self._run = uuid.uuid4().hex
        self._state = threading.Condition()
        self._pids: dict[str, int] = {}
        self._all_ready = False
        self._crash: BaseException | None = None
        self._stopping = threading.Event()
        self._hurrying = threading.Event()
        self._gone = threading.Event()
        self._thread: threading.Thread | None = None

    def adopt(self, role: Role, child: ChildProcess) -> None:
        """Before `start`: take over a process that runs already and is ready. It is stopped after all others."""
        log_path = role.log_path or child.log_path
        self._adopted.append(_Charge(role, log_path, child=child, ready=True, was_ready=True, adopted=True))

    def start(self, *, timeout_s: float = 60.0, stop: threading.Event | None = None) -> None:
        """Start every role and wait until all are ready, or until `stop` is set. A supervisor starts once.

        RoleFailed, with everything stopped again, if a role is not ready by then or keeps dying; DirectoryInUse;
        ValueError if two roles share a name or `after` names a role that does not come before.
        """
        charges = [*self._adopted, *(_Charge(role, self._log_path(role)) for role in self._roles)]
        _check([charge.role for charge in charges])
        self._charges = charges
        self._thread = threading.Thread(target=self._live, name="supervisor", daemon=True)
        self._thread.start()
        try:
            in_time = self._wait_until_ready(timeout_s, stop or threading.Event())
        except BaseException:
            self.kill()
            raise
        if self._crash is not None:
            self.stop()
            raise self._crash
        if not in_time:
            late = [charge for charge in charges if not charge.ready]
            tails = "".join(_last_words(charge) for charge in late)
            self.kill()
            raise RoleFailed(f"not ready within {timeout_s:g} s: {', '.join(c.role.name for c in late)}{tails}")

    def pids(self) -> dict[str, int]:
        """The process ids of the roles that run now, adopted ones included."""
        with self._state:
            return dict(self._pids)

    def run_until(self, stop: threading.Event) -> None:
        """Keep everything up until `stop` is set, then stop it.

        A KeyboardInterrupt on the way kills everything at once and goes on to the caller, and so does an error of the
        supervisor's own.
        """
        try:
            while not stop.wait(_TICK_S) and self._crash is None:
                pass
            self.stop()
        except KeyboardInterrupt:
            self.kill()
            raise
        if self._crash is not None:
            raise self._crash

    def stop(self) -> None:
        """Stop every role, those that others come `after` last, and wait until all are gone. Safe to repeat."""
        self._stopping.set()
        if self._thread is not None:
            # Not by join alone: interrupted by a signal, it marks a running thread as ended (Python 3.11 and 3.12).
            self._gone.wait()
            self._thread.join()

    def kill(self) -> None:
        """Stop without waiting for anybody; hurries a `stop` that is under way in another thread."""
        self._hurrying.set()
        self.stop()

    # --- the supervisor's thread ---

    def _live(self) -> None:
        lock: int | None = None
        try:
            lock = self._take_log_dir()
            while not self._stopping.is_set():
                self._tick()
                self._stopping.wait(_TICK_S)
        except BaseException as crash:  # noqa: BLE001 - carried to the caller's thread
            self._crash = crash
        finally:
            try:
                self._shut_down()
            finally:
                if lock is not None:
                    (self._log_dir / "run").unlink(missing_ok=True)
                    os.close(lock)
                self._publish()
                self._gone.set()

    def _take_log_dir(self) -> int:
        self._log_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._log_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise DirectoryInUse(f"another live supervisor writes to {self._log_dir}; stop it first") from error
        file = self._log_dir / "run"
        with suppress(FileNotFoundError):
            killed = end_marked(file.read_text().strip())
            _log.warning("leftovers.killed", count=killed)
        file.write_text(self._run)
        return lock

    def _tick(self) -> None:
        now = self._clock.monotonic()
        for charge in self._charges:
            if charge.child is None:
                if now >= charge.due_at and self._may_start(charge.role):
                    self._start_one(charge, now)
            elif charge.child.ended():
                self._bury(charge, now)
            if charge.child is not None and not charge.ready and _is_ready(charge.role):
                charge.ready = charge.was_ready = True
                _log.info("role.became_ready", role=charge.role.name, pid=charge.child.pid)
        self._publish()

    def _may_start(self, role: Role) -> bool:
        return all(charge.ready for charge in self._charges if charge.role.name in role.after)

    def _start_one(self, charge: _Charge, now: float) -> None:
        charge.started_at = now
        marked = replace(charge.role, env={**charge.role.env, RUN_VARIABLE: self._run})
        try:
            charge.child = spawn(marked, log_path=charge.log_path, tethered=True)
        except OSError as error:  # no process, no file descriptor, no room for a log: may pass, if it ever worked
            if not charge.was_ready:
                raise
            charge.failures += 1
            charge.due_at = now + self._policy.delay_s(charge.failures)
            _log.warning("role.start_failed", role=charge.role.name, attempt=charge.failures, error=str(error))

    def _bury(self, charge: _Charge, now: float) -> None:
        assert charge.child is not None
        status = charge.child.reap()
        tail = charge.child.log_tail()
        charge.child, charge.ready = None, False
        charge.failures = 1 if now - charge.started_at >= self._policy.stable_after_s else charge.failures + 1
        delay_s = self._policy.delay_s(charge.failures)
        charge.due_at = now + delay_s
        _log.warning("role.died", role=charge.role.name, status=status, attempt=charge.failures, again_in_s=delay_s)
        if not charge.was_ready and charge.failures >= self._policy.give_up_after:
            raise RoleFailed(f"{charge.role.name} ended with status {status} at every start; its log ends:\n{tail}")

    def _publish(self) -> None:
        pids = {charge.role.name: charge.child.pid for charge in self._charges if charge.child is not None}
        with self._state:
            changed, self._pids = pids != self._pids, pids
            self._all_ready = all(charge.ready for charge in self._charges)
            self._state.notify_all()
        if changed and self._on_change is not None and not self._stopping.is_set() and self._crash is None:
            self._on_change(pids)

    def _shut_down(self) -> None:
        remaining = [charge for charge in self._charges if charge.child is not None]
        while remaining:
            wave = _last_wave(remaining)
            self._stop_together(wave)
            remaining = [charge for charge in remaining if charge not in wave]
        end_marked(self._run)

    def _stop_together(self, wave: Sequence[_Charge]) -> None:
        begun = self._clock.monotonic()
        for charge in wave:
            assert charge.child is not None
            charge.child.send(signal.SIGKILL if self._hurrying.is_set() else charge.role.stop_signal)
        waiting = list(wave)
        while waiting:
            for charge in list(waiting):
                child = charge.child
                assert child is not None
                if child.ended():
                    child.reap()
                    charge.child = None
                    waiting.remove(charge)
                elif self._hurrying.is_set() or self._clock.monotonic() - begun > charge.role.stop_timeout_s:
                    child.send(signal.SIGKILL)
            self._clock.sleep(_POLL_S)

    # --- around it ---

    def _log_path(self, role: Role) -> Path:
        return role.log_path or self._log_dir / f"{role.name}.log"

    def _wait_until_ready(self, timeout_s: float, stop: threading.Event) -> bool:
        deadline = self._clock.monotonic() + timeout_s
        with self._state:
            while not (self._all_ready or self._crash is not None or stop.is_set()):
                if self._clock.monotonic() > deadline:
                    return False
                self._state.wait(_TICK_S)
        return True


@contextmanager
def stop_on_signals(stop: threading.Event) -> Iterator[None]:
    """Within it, SIGINT, SIGTERM or SIGHUP sets `stop`; a second one raises KeyboardInterrupt. Main thread only."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` wants it
        numbers.append(signal.SIGHUP)
    before = [(number, signal.signal(number, handle)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _check(roles: Sequence[Role]) -> None:
    seen: set[str] = set()
    for role in roles:
        if role.name in seen:
            raise ValueError(f"two roles are called {role.name}")
        if missing := set(role.after) - seen:
            raise ValueError(f"{role.name} comes after {', '.join(sorted(missing))}, listed later or not at all")
        seen.add(role.name)


def _is_ready(role: Role) -> bool:
    if role.ready is None:
        return True
    with suppress(OSError):
        return role.ready()
    return False


def _last_wave(remaining: Sequence[_Charge]) -> list[_Charge]:
    """Those that nobody who remains comes after or has to go before; adopted ones when no others remain.

    The last listed first. If roles wait for each other in a circle, all of them.
    """
    own = [charge for charge in remaining if not charge.adopted] or remaining
    names = {charge.role.name for charge in own}
    needed = {name for charge in own for name in charge.role.after}
    wave = [charge for charge in own if charge.role.name not in needed and names.isdisjoint(charge.role.outlives)]
    return list(reversed(wave or own))


def _last_words(charge: _Charge) -> str:
    child = charge.child
    return f"\n--- {charge.role.name} ---\n{child.log_tail()}" if child is not None else ""
