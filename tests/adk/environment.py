"""The separate virtual environment that ADK's server runs in, built once for each lock and kept."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_PATIENCE_S = 240.0
_TAIL_LINES = 15


class AdkUnavailable(Exception):
    """The environment could not be built. The tests fail then; they are not passed over."""


def environment(cache: Path, lock: Path, *, python: str = sys.executable) -> Path:
    """The interpreter of the environment for `lock`, built under `cache` if there is none that is complete.

    Runs at the same time wait for each other. A build that breaks off is not marked complete, and the next begins
    anew. Raises `AdkUnavailable`.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(lock.read_bytes() + version.encode()).hexdigest()[:16]
    home = cache / f"adk-{digest}"
    interpreter, complete = home / "bin" / "python", home / "complete"
    cache.mkdir(parents=True, exist_ok=True)
    with _alone(cache / f"adk-{digest}.lock"):
        if not (complete.exists() and interpreter.exists()):
            shutil.rmtree(home, ignore_errors=True)
            # Our own pip installs, and only what is imported gets compiled: that halves the time. The lock is complete,
            # so nothing is resolved: an extra that some package asks for would otherwise let pip look at newer ones.
            _run([python, "-m", "venv", "--without-pip", str(home)])
            install = ["install", "--no-compile", "--no-deps", "--require-hashes", "--requirement", str(lock)]
            _run([python, "-m", "pip", "--python", str(interpreter), *install])
            complete.touch()
    return interpreter


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # ends with the handle, also when the process is killed
        yield


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise AdkUnavailable(f"the environment of the real ADK server could not be built: {exc}") from exc
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-_TAIL_LINES:])
        raise AdkUnavailable(
            "the environment of the real ADK server could not be built; it needs the package index once.\n"
            f"`{' '.join(command)}` ended with {done.returncode}:\n{tail}"
        )
