"""Single keys from a terminal, without Enter: by termios, or by msvcrt where there is none."""

from __future__ import annotations

import importlib
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Final, TypeAlias

_LOOK_S: Final = 0.2
_SPECIAL: Final = "\0\xe0"
"""What a Windows console gives before the code of a key that is no character, such as an arrow."""

Read: TypeAlias = Callable[[], str | None]
"""The next key, "" if none came for a moment, `None` when none will come any more."""


@contextmanager
def keys(pressed: Callable[[str], None]) -> Iterator[bool]:
    """Hand each key to `pressed`, on a thread of its own, for as long as the block lasts.

    Gives whether there is a keyboard: none where stdin is no terminal, or belongs to somebody else because this runs
    in the background. Ctrl-C stays what it is. The terminal is as before at the end, however that comes.
    """
    with _keyboard() as read:
        if read is None:
            yield False
            return
        done = threading.Event()
        threading.Thread(target=_hand_on, args=(read, pressed, done), name="keys", daemon=True).start()
        try:
            yield True
        finally:
            done.set()


def _hand_on(read: Read, pressed: Callable[[str], None], done: threading.Event) -> None:
    while not done.is_set():
        key = read()
        if key is None:
            return
        if key:
            pressed(key)


@contextmanager
def _keyboard() -> Iterator[Read | None]:
    try:
        import termios  # noqa: PLC0415 - not there on Windows
        import tty  # noqa: PLC0415
    except ImportError:
        yield _console()
        return
    terminal = _terminal()
    if terminal is None:
        yield None
        return
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        yield partial(_from_terminal, terminal)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _terminal() -> int | None:
    try:
        terminal = sys.stdin.fileno()
        # To change the terminal from the background would stop this process.
        ours = os.isatty(terminal) and os.tcgetpgrp(terminal) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return None
    return terminal if ours else None


def _from_terminal(terminal: int) -> str | None:
    ready, _, _ = select.select([terminal], [], [], _LOOK_S)
    if not ready:
        return ""
    try:
        key = os.read(terminal, 1)
    except OSError:
        return None
    return key.decode("ascii", "ignore") if key else None


def _console() -> Read | None:
    """A Windows console, if this is one."""
    try:
        # By name, since elsewhere a type checker finds the module empty.
        msvcrt = importlib.import_module("msvcrt")
        return partial(_from_console, msvcrt) if sys.stdin.isatty() else None
    except (ImportError, ValueError, AttributeError):  # the latter two: there is no stdin
        return None


def _from_console(msvcrt: ModuleType) -> str:
    if not msvcrt.kbhit():
        time.sleep(_LOOK_S)  # `select` takes nothing but sockets there
        return ""
    key: str = msvcrt.getwch()
    if key in _SPECIAL:
        msvcrt.getwch()
        return ""
    return key
