"""RIFF, the container of WebP, WAV and AVI: chunks of type, little-endian length, data; a pad byte after odd ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reelqueue.files.sniff.window import Broken, Window


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk. `body` is the offset of its data. The length is as written: `end` may lie outside the file."""

    kind: bytes
    body: int
    length: int

    @property
    def end(self) -> int:
        """The offset after its data."""
        return self.body + self.length


def is_riff(head: bytes, form: bytes) -> bool:
    """Whether a file begins as RIFF of that form."""
    return head[:4] == b"RIFF" and head[8:12] == form


def chunks(window: Window, start: int, end: int) -> Iterator[Chunk]:
    """The chunks in a stretch of the file. One that reaches beyond it is the last, and the caller's to judge."""
    while start < end:
        head = window.at(start, 8)
        chunk = Chunk(head[:4], start + 8, int.from_bytes(head[4:], "little"))
        yield chunk
        start = chunk.end + (chunk.length & 1)


def within(chunk: Chunk, end: int) -> Chunk:
    """The chunk, if it ends where it should."""
    if chunk.end > end:
        raise Broken("it is cut off")
    return chunk


def form_end(window: Window) -> int:
    """Where the RIFF form ends by its own header."""
    end = 8 + window.number(4, 4, "little")
    if end < 12 or end > window.size:
        raise Broken("it is cut off")
    return end
