"""Single keys from a terminal, without Enter."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_LOOK_S: Final = 0.2


@contextmanager
def keys(pressed: Callable[[str], None]) -> Iterator[bool]:
    """Hand each key to `pressed`, on a thread of its own, for as long as the block lasts.

    Gives whether there is a keyboard: none where stdin is no terminal, or belongs to somebody else because this runs
    in the background. Ctrl-C stays what it is. The terminal is as before at the end, however that comes.
    """
    terminal = _terminal()
    if terminal is None:
        yield False
        return
    import termios  # noqa: PLC0415 - not there on Windows, where `_terminal` finds none
    import tty  # noqa: PLC0415

    before = termios.tcgetattr(terminal)
    done = threading.Event()
    reader = threading.Thread(target=_read, args=(terminal, pressed, done), name="keys", daemon=True)
    try:
        tty.setcbreak(terminal)
        reader.start()
        yield True
    finally:
        done.set()
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _terminal() -> int | None:
    try:
        terminal = sys.stdin.fileno()
        # To change the terminal from the background would stop this process.
        ours = os.isatty(terminal) and os.tcgetpgrp(terminal) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return None
    return terminal if ours else None


def _read(terminal: int, pressed: Callable[[str], None], done: threading.Event) -> None:
    while not done.is_set():
        ready, _, _ = select.select([terminal], [], [], _LOOK_S)
        if not ready:
            continue
        try:
            key = os.read(terminal, 1)
        except OSError:
            return
        if not key:
            return
        pressed(key.decode("ascii", "ignore"))
