"""`reelqueue listen` as a process, on a terminal or in a pipe."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

ENDS_S = 60
TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Listening:
    """The command, what it has written so far, and a keyboard if it has one."""

    def __init__(
        self, words: Sequence[str], environment: dict[str, str], *, terminal: bool, module: str = "reelqueue"
    ) -> None:
        argv = [sys.executable, "-m", module, "listen", *words]
        path = os.pathsep.join(sys.path)
        environment = {**environment, "TERM": "xterm", "COLUMNS": "200", "PYTHONPATH": path}
        if terminal:
            self._ours, theirs = pty.openpty()
            # In a session of its own, so that the terminal is its terminal.
            self.process = subprocess.Popen(
                [sys.executable, "-c", TAKE_TERMINAL, *argv], env=environment, start_new_session=True,
                stdin=theirs, stdout=theirs, stderr=theirs,
            )  # fmt: skip
            os.close(theirs)
        else:
            self.process = subprocess.Popen(
                argv, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            assert self.process.stdout is not None
            self._ours = self.process.stdout.fileno()
        self._written = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        """Without colours."""
        return re.sub(r"\x1b\[[0-9;]*m", "", self._written.decode()).replace("\r\n", "\n")

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What a program reads."""
        return [json.loads(line) for line in self.text.splitlines() if line.startswith("{")]

    def press(self, key: str) -> None:
        os.write(self._ours, key.encode())

    def echoes(self) -> bool:
        """Whether the terminal shows what is typed, as a shell would have it."""
        return bool(termios.tcgetattr(self._ours)[3] & termios.ECHO)

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        code = self.process.wait(ENDS_S)
        self._reader.join(ENDS_S)
        return code

    def close(self) -> None:
        self.process.kill()
        self.process.wait(ENDS_S)
        self._reader.join(ENDS_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
        else:
            os.close(self._ours)

    def _read(self) -> None:
        with suppress(OSError):  # Linux ends a terminal that nobody holds any more with EIO
            while chunk := os.read(self._ours, 4096):
                self._written += chunk
