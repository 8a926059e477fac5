from __future__ import annotations

import io
import sys
import threading
from collections import deque
from typing import Any

import pytest

from reelqueue.cli.hooks.keyboard import keys


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Console:
    """A Windows console on which these keys are pressed."""

    def __init__(self, pressed: str) -> None:
        self._waiting = deque(pressed)

    def kbhit(self) -> bool:
        return bool(self._waiting)

    def getwch(self) -> str:
        return self._waiting.popleft()


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No termios, and a console that somebody sits at."""
    for name in ("termios", "tty"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(sys, "stdin", Terminal())
    return monkeypatch


def test_keys_of_a_console_are_handed_on_and_what_is_no_character_is_not(windows: pytest.MonkeyPatch):
    """An arrow gives two codes; the second may look like a letter that does something."""
    windows.setitem(sys.modules, "msvcrt", Console("\xe0q\0qr"))
    found: list[str] = []
    came = threading.Event()

    def pressed(key: str) -> None:
        found.append(key)
        came.set()

    with keys(pressed) as keyboard:
        assert keyboard
        assert came.wait(10)
    assert found == ["r"]


@pytest.mark.parametrize("stdin", [io.StringIO(), None], ids=["a pipe", "none"])
def test_without_a_console_there_is_no_keyboard(windows: pytest.MonkeyPatch, stdin: Any):
    windows.setitem(sys.modules, "msvcrt", Console("q"))
    windows.setattr(sys, "stdin", stdin)
    found: list[str] = []
    with keys(found.append) as keyboard:
        assert not keyboard
    assert found == []


def test_without_either_way_to_read_keys_there_is_no_keyboard(windows: pytest.MonkeyPatch):
    windows.setitem(sys.modules, "msvcrt", None)
    with keys(pytest.fail) as keyboard:
        assert not keyboard
