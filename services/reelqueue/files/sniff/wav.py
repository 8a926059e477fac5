"""WAV: `fmt ` and `data` in RIFF."""

from __future__ import annotations

from typing import Final

from reelqueue.files.limits import FileLimits
from reelqueue.files.sniff.facts import Facts, milliseconds
from reelqueue.files.sniff.riff import Chunk, chunks, is_riff, within
from reelqueue.files.sniff.window import Broken, Window

# Writers that cannot seek back leave the length of the samples at 0 or at some number near the top.
_UNKNOWN_LENGTH: Final = 0x7FFF_0000
_MAX_CHANNELS: Final = 256
_MAX_RATE: Final = 1_536_000


def claims(head: bytes) -> bool:
    """Whether a file begins like this format."""
    return is_riff(head, b"WAVE")


def read(window: Window, limits: FileLimits) -> Facts:  # noqa: ARG001 - one shape for all readers
    """The sample format, then where the samples are. The outer length is not trusted: it is often wrong."""
    bytes_per_second = 0
    for chunk in chunks(window, 12, window.size):
        if chunk.kind == b"fmt ":
            bytes_per_second = _sample_format(window, within(chunk, window.size))
        elif chunk.kind == b"data":
            if not bytes_per_second:
                raise Broken("the samples come before their format")
            return Facts(("wav",), duration_ms=milliseconds(_sample_bytes(window, chunk), bytes_per_second))
        else:
            within(chunk, window.size)
    raise Broken("it holds no sound")


def _sample_format(window: Window, chunk: Chunk) -> int:
    """Bytes per second, if the rest makes sense."""
    head = window.at(chunk.body, min(16, chunk.length))
    if len(head) < 16:
        raise Broken("the header is damaged")
    channels, rate = int.from_bytes(head[2:4], "little"), int.from_bytes(head[4:8], "little")
    bytes_per_second, frame = int.from_bytes(head[8:12], "little"), int.from_bytes(head[12:14], "little")
    if not (0 < channels <= _MAX_CHANNELS and 0 < rate <= _MAX_RATE and bytes_per_second and frame):
        raise Broken("the header names an impossible sample format")
    return bytes_per_second


def _sample_bytes(window: Window, chunk: Chunk) -> int:
    present = window.size - chunk.body
    if chunk.length in range(1, _UNKNOWN_LENGTH) and chunk.length > present:
        raise Broken("it is cut off")
    count = chunk.length if 0 < chunk.length <= present else present
    if count <= 0:
        raise Broken("it holds no sound")
    return count
