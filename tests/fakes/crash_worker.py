"""Worker processes that die where they are told to.

`python -m fakes.crash_worker` reads one line of JSON a worker, forks it, and says how it ended. A fork, since a Python
that has to import everything first would take a second.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from io import RawIOBase
from pathlib import Path
from typing import Any, Final

from fakes import twin_time
from fakes.crash_points import Point
from fakes.twin_engine import TwinEngine, Wait, settings_for
from fakes.twin_time import PatientSocket, TwinClock, patient_upstream
from nemotwin.endpoints import name_of
from reelqueue.kit.logs import configure_logs

DIED: Final = 70
"""The exit code of a worker that was told to die, and did."""
BELL: Final = "bell"
_TAPPED: Final = ("claims", "projects", "uploads", "turns", "renders", "results")


class Fuse:
    """Ends the process at its point: no `finally`, no farewell to anybody."""

    def __init__(self, point: Point) -> None:
        self.place = point.place
        self._left = point.nth

    def passing(self, place: str) -> None:
        if place == self.place:
            self._left -= 1
            if self._left == 0:
                os._exit(DIED)


class Tapped:
    """An object whose calls pass the fuse, before and after."""

    def __init__(self, fuse: Fuse, name: str, target: Any) -> None:
        self._fuse, self._name, self._target = fuse, name, target

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._target, method)
        if not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self._fuse.passing(f"before {self._name}.{method}")
            given = found(*arguments, **named)
            self._fuse.passing(f"after {self._name}.{method}")
            return given

        return call


class TappedSocket(PatientSocket):
    """A patient connection that knows which call is on it."""

    fuse: Fuse
    endpoint = ""

    def send(self, data: Any, flags: int = 0) -> int:
        """Pass on what is to be sent; of a call that shall be cut in half, only some of its body, or of its head."""
        sent = bytes(data)
        method, _, rest = sent.partition(b" ")
        if method in {b"GET", b"POST"}:
            path = rest.partition(b" ")[0].decode().partition("?")[0]
            self.endpoint = name_of(method.decode(), path) or "cdn"
            if method == b"POST":
                return super().send(data, flags)
        if self.fuse.place == f"half of {self.endpoint}":
            super().send(sent[: len(sent) // 2], flags)
            self.fuse.passing(f"half of {self.endpoint}")
        return super().send(data, flags)

    def recv(self, size: int, flags: int = 0) -> bytes:
        self.fuse.passing(f"sent {self.endpoint}")
        got = super().recv(size, flags)
        self.fuse.passing(f"heard {self.endpoint}")
        return got


def work(order: dict[str, Any], bells: RawIOBase) -> None:
    """One worker: answer each bell, and say which wait was written, until there are no more."""
    fuse = Fuse(Point(order["place"], order["nth"]))
    twin_time.PatientSocket = type("Armed", (TappedSocket,), {"fuse": fuse})  # type: ignore[misc]
    clock = TwinClock(order["twin"])
    engine = TwinEngine(settings_for(order["database"], Path(order["folder"]), order["twin"]), clock)
    engine.job_id = order["job"]
    for name in _TAPPED:
        setattr(engine.services, name, Tapped(fuse, name, getattr(engine.services, name)))
    worker = engine.start()
    with patient_upstream(clock):
        while bells.readline().decode().strip() == BELL:
            engine.rejoin()
            worker.lease._beat(worker.live.cancel)
            worker.runner.work(order["job"])
            wait, engine.claims.wait = engine.claims.wait, None
            told = None if wait is None else [wait.status, wait.reason, wait.seconds]
            _tell(wait=told)


class Nursery:
    """The process that forks them, as the test sees it. One worker at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fakes.crash_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def close(self) -> None:
        self._process.communicate(timeout=10)

    def bear(self, order: dict[str, Any]) -> None:
        """A new worker."""
        self._say(json.dumps(order))

    def ring(self) -> tuple[bool, Wait | None]:
        """Ring the worker's bell: whether it died of it, and the wait that it wrote if it did not."""
        self._say(BELL)
        told = self._hear()
        if "exit" in told:
            assert told["exit"] == DIED, f"the worker ended with {told['exit']}"
            return True, None
        return False, None if told["wait"] is None else Wait(*told["wait"])

    def release(self) -> None:
        """Let a worker go that did not die."""
        self._say("")
        assert self._hear() == {"exit": 0}

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        print(line, file=self._process.stdin, flush=True)

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told


def main() -> None:
    configure_logs(process="crash", style="console", level="error")
    # Byte by byte: what is read ahead here would be kept from the child.
    with open(0, "rb", buffering=0, closefd=False) as orders:
        while order := orders.readline():
            child = os.fork()
            if child == 0:
                _end(json.loads(order), orders)
            _, status = os.waitpid(child, 0)
            _tell(exit=os.waitstatus_to_exitcode(status))


def _end(order: dict[str, Any], bells: RawIOBase) -> None:
    code = 1
    try:
        work(order, bells)
        code = 0
    except BaseException:  # noqa: BLE001 - shown, and the parent hears of it by the code
        traceback.print_exc()
    finally:
        os._exit(code)


def _tell(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
