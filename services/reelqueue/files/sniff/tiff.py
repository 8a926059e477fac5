"""TIFF and BigTIFF: a header, then lists of tags that may stand anywhere. Only the first page counts here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from reelqueue.files.limits import FileLimits
from reelqueue.files.sniff.facts import Facts, check_pixels
from reelqueue.files.sniff.window import Broken, Window

_STARTS: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SUBFILE, _WIDTH, _HEIGHT = 254, 256, 257
_STRIPS: Final = frozenset({273, 324})
"""Where the pixels are: strips or tiles."""
# Type -> its size: BYTE, SHORT, LONG, LONG8.
_WHOLE_NUMBERS: Final = {1: 1, 3: 2, 4: 4, 16: 8}
_MAX_TAGS: Final = 4_096
_REDUCED: Final = 1


@dataclass(frozen=True, slots=True)
class _Shape:
    """How this file writes numbers: byte order, and how wide a place in the file is."""

    order: Literal["big", "little"]
    big: bool

    @property
    def place(self) -> int:
        return 8 if self.big else 4

    @property
    def entry(self) -> int:
        return 20 if self.big else 12


def claims(head: bytes) -> bool:
    """Whether a file begins like this format."""
    return head.startswith(_STARTS)


def read(window: Window, limits: FileLimits) -> Facts:
    """The first page's size.

    A page that says it is a small stand-in for another picture is refused: raw files of cameras begin with one, and
    whoever sends them does not want the thumbnail in the video.
    """
    start = window.at(0, 4)
    shape = _Shape("little" if start[:1] == b"I" else "big", big=b"+" in start)
    tags = _first_page(window, shape)
    if tags.get(_SUBFILE, 0) & _REDUCED:
        raise Broken("its first page is a preview of something else")
    width, height = tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0)
    if not (width and height):
        raise Broken("the header names an impossible size")
    check_pixels(width, height, limits)
    if _STRIPS.isdisjoint(tags):
        raise Broken("it holds no picture")
    return Facts(("tiff", "tif"), width, height, frames=1)


def _first_page(window: Window, shape: _Shape) -> dict[int, int]:
    """Each tag of it, with its value where that is one whole number, else with 0."""
    at = window.number(8 if shape.big else 4, shape.place, shape.order)
    count_width = 8 if shape.big else 2
    count = window.number(at, count_width, shape.order)
    if not 0 < count <= _MAX_TAGS:
        raise Broken("it has more parts than a real one")
    first = at + count_width
    return dict(_tag(window, shape, first + place * shape.entry) for place in range(count))


def _tag(window: Window, shape: _Shape, at: int) -> tuple[int, int]:
    entry = window.at(at, shape.entry)
    tag, kind = (int.from_bytes(entry[start : start + 2], shape.order) for start in (0, 2))
    width = _WHOLE_NUMBERS.get(kind, 0)
    count = int.from_bytes(entry[4 : 4 + shape.place], shape.order)
    if count != 1 or width > shape.place:
        return tag, 0
    value = 4 + shape.place
    return tag, int.from_bytes(entry[value : value + width], shape.order)
