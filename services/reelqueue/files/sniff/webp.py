"""WebP: VP8, VP8L or VP8X in RIFF (RFC 9649)."""

from __future__ import annotations

from reelqueue.files.limits import FileLimits
from reelqueue.files.sniff.facts import Facts, check_frames, check_pixels
from reelqueue.files.sniff.riff import Chunk, chunks, form_end, is_riff, within
from reelqueue.files.sniff.window import Broken, Window


def claims(head: bytes) -> bool:
    """Whether a file begins like this format."""
    return is_riff(head, b"WEBP")


def read(window: Window, limits: FileLimits) -> Facts:
    """The canvas from the first chunk, the frames by counting."""
    end = form_end(window)
    size: tuple[int, int] | None = None
    still = frames = 0
    for chunk in chunks(window, 12, end):
        within(chunk, end)
        if size is None:
            size = _canvas(window, chunk)
            check_pixels(*size, limits)
        if chunk.kind in {b"VP8 ", b"VP8L"}:
            still = 1
        elif chunk.kind == b"ANMF":
            frames += 1
            check_frames(frames, limits)
    if size is None or not (still or frames):
        raise Broken("it holds no picture")
    return Facts(("webp",), *size, frames=frames or 1)


def _canvas(window: Window, chunk: Chunk) -> tuple[int, int]:
    """Width and height by the first chunk, whichever of the three it is."""
    head = window.at(chunk.body, min(10, chunk.length))
    if chunk.kind == b"VP8X" and len(head) == 10:
        size = 1 + int.from_bytes(head[4:7], "little"), 1 + int.from_bytes(head[7:10], "little")
    elif chunk.kind == b"VP8 " and head[3:6] == b"\x9d\x01\x2a" and len(head) == 10:
        size = int.from_bytes(head[6:8], "little") & 0x3FFF, int.from_bytes(head[8:10], "little") & 0x3FFF
    elif chunk.kind == b"VP8L" and head[:1] == b"\x2f" and len(head) >= 5:
        bits = int.from_bytes(head[1:5], "little")
        size = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        raise Broken("the header is damaged")
    if not all(size):
        raise Broken("the header names an impossible size")
    return size
