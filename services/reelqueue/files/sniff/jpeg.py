"""JPEG: markers and segments up to the first scan."""

from __future__ import annotations

from typing import Final

from reelqueue.files.limits import FileLimits
from reelqueue.files.sniff.facts import Facts, check_pixels
from reelqueue.files.sniff.window import Broken, Window

# SOF0..SOF15 without DHT (C4), JPG (C8) and DAC (CC).
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN: Final = 0xDA
# Segments that may stand before the scan: frames, tables, DRI and DNL and their like, APPn, JPGn, COM.
_SEGMENTS: Final = frozenset(range(0xC0, 0xD0)) | frozenset(range(0xDB, 0xFF))
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD8)})


def claims(head: bytes) -> bool:
    """Whether a file begins like this format."""
    return head.startswith(b"\xff\xd8\xff")


def read(window: Window, limits: FileLimits) -> Facts:
    """Walk the segments to the first scan; thumbnails and other metadata are passed over unread.

    The scan itself is not walked: decoders show a scan that was cut, and much software appends to one.
    """
    offset, size = 2, None
    while True:
        lead, marker = window.at(offset, 2)
        if lead != 0xFF:
            raise Broken("there is something else between its segments")
        if marker == 0xFF:
            offset += 1  # fill byte
            continue
        if marker in _BARE:
            offset += 2
            continue
        if marker != _START_OF_SCAN and marker not in _SEGMENTS:
            raise Broken("it ends before the picture")
        length = window.number(offset + 2, 2)
        if length < 2 or offset + 2 + length > window.size:
            raise Broken("it is cut off")
        if marker == _START_OF_SCAN:
            break
        if marker in _FRAMES:
            size = _frame(window.at(offset + 4, 6), limits)
        offset += 2 + length
    if size is None or offset + 2 + length >= window.size:
        raise Broken("it holds no picture")
    return Facts(("jpg", "jpeg"), *size, frames=1)


def _frame(frame: bytes, limits: FileLimits) -> tuple[int, int]:
    """Width and height from a frame header: precision, height, width, components."""
    height, width, components = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big"), frame[5]
    if not (width and height and components):
        raise Broken("the header names an impossible size")
    check_pixels(width, height, limits)
    return width, height
