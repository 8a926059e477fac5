"""Boxes of ISO 14496-12 and QuickTime: what MP4, MOV and M4A are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from reelqueue.files.sniff.window import Broken, Window

_TERMINATOR: Final = b"\0\0\0\0"
"""QuickTime ends some lists with it."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its type and where its data begin and end."""

    kind: bytes
    body: int
    end: int

    @property
    def length(self) -> int:
        """Of its data."""
        return self.end - self.body


def boxes(window: Window, start: int, end: int) -> Iterator[Box]:
    """The boxes that fill a stretch of the file. `Broken` unless they fill it exactly."""
    while start < end:
        if end - start == 4 and window.at(start, 4) == _TERMINATOR:
            return
        head = window.at(start, 8)
        size, body = int.from_bytes(head[:4], "big"), start + 8
        if size == 1:
            size, body = window.number(start + 8, 8), start + 16
        elif size == 0:
            size = end - start  # "to the end", which the last box may say
        if size < body - start:
            raise Broken("a box is smaller than its head")
        if start + size > end:
            raise Broken("it is cut off")
        yield Box(head[4:], body, start + size)
        start += size


def children(window: Window, parent: Box, *, skip: int = 0) -> Iterator[Box]:
    """The boxes inside one, after `skip` bytes of its own fields."""
    return boxes(window, parent.body + skip, parent.end)


def find(window: Window, parent: Box, *path: bytes) -> Box | None:
    """The first box by that path of types."""
    found: Box | None = parent
    for kind in path:
        if found is None:
            return None
        found = next((box for box in children(window, found) if box.kind == kind), None)
    return found


def brands(window: Window, box: Box) -> tuple[bytes, ...]:
    """What an `ftyp` says the file is: the major brand, then the first of the compatible ones."""
    length = min(box.length, 512)
    if length < 8:
        raise Broken("the header is damaged")
    data = window.at(box.body, length)
    return tuple(data[at : at + 4] for at in (0, *range(8, length - 3, 4)))


def field(window: Window, box: Box, *, at: int, count: int) -> bytes:
    """Bytes from within one box."""
    if at + count > box.length:
        raise Broken("a box is too short")
    return window.at(box.body + at, count)
