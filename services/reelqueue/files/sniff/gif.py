"""GIF: a screen descriptor, then blocks made of sub-blocks of at most 255 bytes."""

from __future__ import annotations

from typing import Final

from reelqueue.files.limits import FileLimits
from reelqueue.files.sniff.facts import Facts, check_frames, check_pixels
from reelqueue.files.sniff.window import Broken, Window

_SCREEN_END: Final = 13


def claims(head: bytes) -> bool:
    """Whether a file begins like this format."""
    return head.startswith((b"GIF87a", b"GIF89a"))


def read(window: Window, limits: FileLimits) -> Facts:
    """Walk the blocks to the trailer, or to the end: many writers leave the trailer out.

    A screen of 0 by 0 means that the first frame's size counts, so that is allowed while a screen with one side is not.
    """
    screen = window.at(6, 7)
    width, height = int.from_bytes(screen[0:2], "little"), int.from_bytes(screen[2:4], "little")
    if (width == 0) != (height == 0):
        raise Broken("the header names an impossible size")
    check_pixels(width, height, limits)
    offset, frames = _SCREEN_END + _table_bytes(screen[4]), 0
    if offset > window.size:
        raise Broken("it is cut off")
    while offset < window.size:
        introducer = window.at(offset, 1)[0]
        if introducer == 0x3B:
            break
        if introducer == 0x2C:
            frame = window.at(offset + 1, 9)
            frame_width, frame_height = int.from_bytes(frame[4:6], "little"), int.from_bytes(frame[6:8], "little")
            if not (frame_width and frame_height):
                raise Broken("a frame has no size")
            check_pixels(frame_width, frame_height, limits)
            width, height = width or frame_width, height or frame_height
            frames += 1
            check_frames(frames, limits)
            offset = _after_sub_blocks(window, offset + 11 + _table_bytes(frame[8]))
        elif introducer == 0x21:
            offset = _after_sub_blocks(window, offset + 2)
        elif introducer == 0x00:
            offset += 1  # stray terminators stand between the blocks of real files; viewers pass over them
        else:
            raise Broken("there is something else between its blocks")
    return Facts(("gif",), width or None, height or None, frames=frames or None)


def _table_bytes(flags: int) -> int:
    """The size of the colour table that the flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_sub_blocks(window: Window, offset: int) -> int:
    while length := window.at(offset, 1)[0]:
        offset += 1 + length
    return offset + 1
