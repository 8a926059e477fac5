"""`reelqueue` as on Windows, as far as that can be had without it: `python -m fakes.windows listen …`.

What Python has not got there is gone, and there is a console that is read as one is there. Every name was looked up in
Python's manual. The standard library and what others wrote are loaded before that, since they ask for the platform.
"""

from __future__ import annotations

import asyncio  # noqa: F401 - see above
import os
import select
import signal
import subprocess  # noqa: F401
import sys
from types import SimpleNamespace
from typing import Final

import httpx  # noqa: F401
import rich.console  # noqa: F401
import typer  # noqa: F401

CLOSED: Final = signal.SIGUSR1
"""What a closed console is sent here."""

_MODULES: Final = ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty", "uvloop")
_SIGNALS: Final = ("SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGQUIT", "SIGUSR1", "SIGUSR2")
_CALLS: Final = ("fork", "getpgid", "getpgrp", "getuid", "killpg", "setsid", "tcgetpgrp")


def main() -> None:
    for name in _MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    sys.modules["msvcrt"] = SimpleNamespace(  # type: ignore[assignment]
        kbhit=lambda: bool(select.select([0], [], [], 0)[0]), getwch=lambda: os.read(0, 1).decode("latin-1")
    )
    for name in _CALLS:
        delattr(os, name)
    for name in _SIGNALS:
        delattr(signal, name)
    signal.SIGBREAK = CLOSED  # type: ignore[attr-defined]

    from reelqueue.cli import main as reelqueue

    reelqueue()


if __name__ == "__main__":
    main()
