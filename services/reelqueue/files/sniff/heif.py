"""HEIC and AVIF: still pictures in the container of MP4 (ISO 23008-12)."""

from __future__ import annotations

from typing import Final

from reelqueue.files.limits import FileLimits
from reelqueue.files.sniff.facts import Facts, check_pixels
from reelqueue.files.sniff.isobmff import Box, boxes, brands, children, field, find
from reelqueue.files.sniff.window import Broken, Window

_AVIF: Final = frozenset({b"avif", b"avis"})
_BRANDS: Final = _AVIF | {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_FULL_BOX: Final = 4
_MAX_PROPERTIES: Final = 4_096


def claims(head: bytes) -> bool:
    """Whether a file begins like one of these formats. The major brand is what sets them apart from a movie."""
    return head[4:8] == b"ftyp" and head[8:12] in _BRANDS


def read(window: Window, limits: FileLimits) -> Facts:
    """The largest size that any picture in it says it has; the tiles that a picture is made of are smaller.

    What the decoder makes of it may be larger, and is checked again there.
    """
    named: tuple[bytes, ...] = ()
    header: Box | None = None
    for box in boxes(window, 0, window.size):
        if box.kind == b"ftyp" and not named:
            named = brands(window, box)
        elif box.kind == b"meta" and header is None:
            header = box
    properties = None if header is None else _properties(window, header)
    if properties is None:
        raise Broken("it holds no picture")
    width, height = _largest(window, properties)
    check_pixels(width, height, limits)
    return Facts(("avif",) if _AVIF & set(named) else ("heic", "heif"), width, height, frames=1)


def _properties(window: Window, header: Box) -> Box | None:
    for box in children(window, header, skip=_FULL_BOX):
        if box.kind == b"iprp":
            return find(window, box, b"ipco")
    return None


def _largest(window: Window, properties: Box) -> tuple[int, int]:
    size = (0, 0)
    for count, box in enumerate(children(window, properties)):
        if count >= _MAX_PROPERTIES:
            raise Broken("it has more parts than a real one")
        if box.kind == b"ispe":
            sides = field(window, box, at=_FULL_BOX, count=8)
            found = int.from_bytes(sides[:4], "big"), int.from_bytes(sides[4:], "big")
            size = max(size, found, key=lambda pair: pair[0] * pair[1])
    if not all(size):
        raise Broken("the header names an impossible size")
    return size
