"""BMP: a file header, then one of several bitmap headers that are told apart by their length."""

from __future__ import annotations

from typing import Final

from reelqueue.files.limits import FileLimits
from reelqueue.files.sniff.facts import Facts, check_pixels
from reelqueue.files.sniff.window import Broken, Window

_OLD_HEADER: Final = 12
_HEADERS: Final = frozenset({_OLD_HEADER, 40, 52, 56, 64, 108, 124})
_FILE_HEADER: Final = 14


def claims(head: bytes) -> bool:
    """Whether a file begins like this format. Two letters alone begin many a text."""
    return head.startswith(b"BM") and int.from_bytes(head[14:16], "little") in _HEADERS


def read(window: Window, limits: FileLimits) -> Facts:
    """The size, and that the pixels begin within the file. A negative height is a picture told from the top."""
    start, length = window.number(10, 4, "little"), window.number(14, 4, "little")
    if length not in _HEADERS:
        raise Broken("the header is damaged")
    wide = 2 if length == _OLD_HEADER else 4
    sides = window.at(_FILE_HEADER + 4, 2 * wide)
    signed = length != _OLD_HEADER
    width = int.from_bytes(sides[:wide], "little", signed=signed)
    height = abs(int.from_bytes(sides[wide:], "little", signed=signed))
    if width <= 0 or height <= 0:
        raise Broken("the header names an impossible size")
    check_pixels(width, height, limits)
    if start < _FILE_HEADER + length or start >= window.size:
        raise Broken("it holds no picture")
    return Facts(("bmp",), width, height, frames=1)
