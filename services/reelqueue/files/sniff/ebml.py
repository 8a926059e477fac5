"""EBML, the container of WebM and Matroska (RFC 8794, RFC 9559)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from reelqueue.files.limits import FileLimits
from reelqueue.files.sniff.facts import Facts, milliseconds
from reelqueue.files.sniff.window import Broken, Window

_EBML, _DOC_TYPE = 0x1A45DFA3, 0x4282
_SEGMENT, _INFO, _TRACKS, _CLUSTER = 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675
_TIMESTAMP_SCALE, _DURATION = 0x2AD7B1, 0x4489
_TRACK_ENTRY, _TRACK_TYPE, _VIDEO, _WIDTH, _HEIGHT = 0xAE, 0x83, 0xE0, 0xB0, 0xBA
_VIDEO_TRACK: Final = 1
_FORMATS: Final = {b"webm": "webm", b"matroska": "mkv"}
_MAX_TRACKS: Final = 64


@dataclass(frozen=True, slots=True)
class Element:
    """One element. `end` is `None` where the writer, who could not seek back, left the length open."""

    kind: int
    body: int
    end: int | None

    @property
    def length(self) -> int:
        """Of its data; refuses an open one, which only a segment or a cluster may be."""
        if self.end is None:
            raise Broken("an element has no length")
        return self.end - self.body


def claims(head: bytes) -> bool:
    """Whether a file begins like this format."""
    return head.startswith(b"\x1a\x45\xdf\xa3")


def read(window: Window, limits: FileLimits) -> Facts:  # noqa: ARG001 - one shape for all readers
    """The document type, then the segment's headers up to its first cluster after the tracks."""
    header = next(elements(window, 0, window.size))
    form = _FORMATS.get(_document_type(window, header))
    if form is None:
        raise Broken("it is of an unknown document type")
    segment = next(
        (one for one in elements(window, header.body + header.length, window.size) if one.kind == _SEGMENT), None
    )
    if segment is None:
        raise Broken("it holds no video")
    size, duration, clusters = None, None, 0
    for element in elements(window, segment.body, segment.end or window.size):
        if element.kind == _CLUSTER:
            clusters += 1
            if size is not None or element.end is None:
                break
        elif element.kind == _INFO:
            duration = _duration(window, element)
        elif element.kind == _TRACKS:
            size = _video_size(window, element)
    if size is None or not clusters:
        raise Broken("it holds no video")
    return Facts((form,), *size, duration_ms=duration)


def elements(window: Window, start: int, end: int) -> Iterator[Element]:
    """The elements in a stretch of the file. One of open length is the last."""
    while start < end:
        id_width = _width(window, start, longest=4)
        kind = window.number(start, id_width)
        start += id_width
        width = _width(window, start, longest=8)
        open_length = (1 << 7 * width) - 1
        length = window.number(start, width) & open_length
        body = start + width
        if length == open_length:
            yield Element(kind, body, None)
            return
        if body + length > end:
            raise Broken("it is cut off")
        yield Element(kind, body, body + length)
        start = body + length


def _width(window: Window, offset: int, *, longest: int) -> int:
    """How many bytes a variable-size integer has: the zeros before the first bit that is set, and one."""
    width = 9 - window.at(offset, 1)[0].bit_length()
    if width > longest:
        raise Broken("an element's head is damaged")
    return width


def _document_type(window: Window, header: Element) -> bytes:
    for element in elements(window, header.body, header.body + header.length):
        if element.kind == _DOC_TYPE and element.length <= 16:
            return window.at(element.body, element.length).rstrip(b"\0")
    return b""


def _duration(window: Window, info: Element) -> int | None:
    scale, ticks = 1_000_000, 0.0
    for element in elements(window, info.body, info.body + info.length):
        if element.kind == _TIMESTAMP_SCALE and element.length <= 8:
            scale = window.number(element.body, element.length)
        elif element.kind == _DURATION and element.length in {4, 8}:
            (ticks,) = struct.unpack(">f" if element.length == 4 else ">d", window.at(element.body, element.length))
    return milliseconds(ticks * scale, 1_000_000_000)


def _video_size(window: Window, tracks: Element) -> tuple[int, int] | None:
    """Of the first video track that says it."""
    for count, entry in enumerate(elements(window, tracks.body, tracks.body + tracks.length)):
        if count >= _MAX_TRACKS:
            raise Broken("it has more parts than a real one")
        size = _track_size(window, entry) if entry.kind == _TRACK_ENTRY else None
        if size is not None:
            return size
    return None


def _track_size(window: Window, entry: Element) -> tuple[int, int] | None:
    kind, found = 0, {_WIDTH: 0, _HEIGHT: 0}
    for element in elements(window, entry.body, entry.body + entry.length):
        if element.kind == _TRACK_TYPE and element.length <= 8:
            kind = window.number(element.body, element.length)
        elif element.kind == _VIDEO:
            for setting in elements(window, element.body, element.body + element.length):
                if setting.kind in found and setting.length <= 8:
                    found[setting.kind] = window.number(setting.body, setting.length)
    if kind != _VIDEO_TRACK:
        return None
    if not all(found.values()):
        raise Broken("the header names an impossible size")
    return found[_WIDTH], found[_HEIGHT]
