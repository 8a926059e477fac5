"""AVI: `LIST hdrl` with the headers and `LIST movi` with the pictures, in RIFF."""

from __future__ import annotations

from typing import Final

from reelqueue.files.limits import FileLimits
from reelqueue.files.sniff.facts import Facts, milliseconds
from reelqueue.files.sniff.riff import Chunk, chunks, form_end, is_riff, within
from reelqueue.files.sniff.window import Broken, Window

_MAX_STREAMS: Final = 32


def claims(head: bytes) -> bool:
    """Whether a file begins like this format."""
    return is_riff(head, b"AVI ")


def read(window: Window, limits: FileLimits) -> Facts:  # noqa: ARG001 - one shape for all readers
    """The main header and the streams' kinds. The index is passed over unread, whatever it claims."""
    end = form_end(window)
    facts: Facts | None = None
    pictures = False
    for chunk in chunks(window, 12, end):
        within(chunk, end)
        if _list_kind(window, chunk) == b"hdrl":
            facts = _headers(window, chunk)
        elif _list_kind(window, chunk) == b"movi":
            pictures = chunk.length > 4
    if facts is None or not pictures:
        raise Broken("it holds no video")
    return facts


def _list_kind(window: Window, chunk: Chunk) -> bytes:
    return window.at(chunk.body, 4) if chunk.kind == b"LIST" and chunk.length >= 4 else b""


def _headers(window: Window, header: Chunk) -> Facts:
    facts: Facts | None = None
    streams: list[bytes] = []
    for chunk in chunks(window, header.body + 4, header.end):
        within(chunk, header.end)
        if chunk.kind == b"avih":
            facts = _main_header(window, chunk)
        elif _list_kind(window, chunk) == b"strl":
            streams.append(_stream_kind(window, chunk))
            if len(streams) > _MAX_STREAMS:
                raise Broken("it has more parts than a real one")
    if b"txts" in streams:
        # A text stream may hold a playlist that names other files, and some players open those.
        raise Broken("it holds a text stream")
    if facts is None or b"vids" not in streams:
        raise Broken("it holds no video")
    return facts


def _main_header(window: Window, chunk: Chunk) -> Facts:
    if chunk.length < 40:
        raise Broken("the header is damaged")
    head = window.at(chunk.body, 40)
    frame_us, frames, width, height = (int.from_bytes(head[at : at + 4], "little") for at in (0, 16, 32, 36))
    if not (width and height):
        raise Broken("the header names an impossible size")
    return Facts(("avi",), width, height, duration_ms=milliseconds(frame_us * frames, 1_000_000))


def _stream_kind(window: Window, stream: Chunk) -> bytes:
    for chunk in chunks(window, stream.body + 4, stream.end):
        if chunk.kind == b"strh":
            return window.at(within(chunk, stream.end).body, 4)
    raise Broken("a stream has no header")
