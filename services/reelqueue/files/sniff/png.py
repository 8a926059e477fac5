"""PNG and APNG: a signature, then chunks of length, type, data, CRC."""

from __future__ import annotations

from typing import Final
from zlib import crc32

from reelqueue.files.limits import FileLimits
from reelqueue.files.sniff.facts import Facts, check_frames, check_pixels
from reelqueue.files.sniff.window import Broken, Window

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_MAX_SIDE: Final = 2**31 - 1
# Colour type -> the bit depths it may have (PNG §11.2.1).
_DEPTHS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


def claims(head: bytes) -> bool:
    """Whether a file begins like this format."""
    return head.startswith(_SIGNATURE)


def read(window: Window, limits: FileLimits) -> Facts:
    """Walk the chunks to IEND. What follows it is not looked at, as in every decoder."""
    width, height = _header(window, limits)
    offset, data_seen, declared, counted = 33, False, 1, 0
    while True:
        head = window.at(offset, 8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if offset + 12 + length > window.size:
            raise Broken("it is cut off")
        if not (kind.isalpha() and kind.isascii()):
            raise Broken("a chunk's type is not made of letters")
        if kind == b"IEND":
            break
        if kind == b"acTL":
            declared = window.number(offset + 8, 4)
            check_frames(declared, limits)
        elif kind == b"fcTL":
            counted += 1
            check_frames(counted, limits)
        data_seen = data_seen or (kind == b"IDAT" and length > 0)
        offset += 12 + length
    if not data_seen:
        raise Broken("it holds no picture")
    return Facts(("png",), width, height, frames=max(declared, counted, 1))


def _header(window: Window, limits: FileLimits) -> tuple[int, int]:
    chunk = window.at(8, 25)
    if chunk[:8] != b"\x00\x00\x00\x0dIHDR" or crc32(chunk[4:21]) != int.from_bytes(chunk[21:], "big"):
        raise Broken("the header is damaged")
    width, height = int.from_bytes(chunk[8:12], "big"), int.from_bytes(chunk[12:16], "big")
    depth, colour, compression, filtering, interlace = chunk[16:21]
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
        raise Broken("the header names an impossible size")
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise Broken("the header names an impossible pixel format")
    check_pixels(width, height, limits)
    return width, height
