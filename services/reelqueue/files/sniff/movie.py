"""MP4, MOV and M4A: one container; brand and tracks tell them apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reelqueue.files.limits import FileLimits
from reelqueue.files.sniff.facts import Facts, milliseconds
from reelqueue.files.sniff.isobmff import Box, boxes, brands, children, field, find
from reelqueue.files.sniff.window import Broken, Window

_QUICKTIME: Final = b"qt  "
_AUDIO_BRANDS: Final = frozenset({b"M4A ", b"M4B ", b"M4P "})
# What a QuickTime file older than `ftyp` may begin with.
_OLD_STARTS: Final = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip"})
_MAX_TRACKS: Final = 64
_MAX_REFERENCES: Final = 64
_UNKNOWN: Final = {4: 2**32 - 1, 8: 2**64 - 1}


@dataclass(frozen=True, slots=True)
class Track:
    """One track: its handler (`vide`, `soun`, …), its picture's size as shown, its length."""

    handler: bytes
    width: int
    height: int
    duration_ms: int | None


@dataclass(frozen=True, slots=True)
class Movie:
    """A whole container. `brands` begins with the major brand and is empty where there is no `ftyp`."""

    brands: tuple[bytes, ...]
    tracks: tuple[Track, ...]
    duration_ms: int | None
    fragmented: bool

    def track(self, handler: bytes) -> Track | None:
        """The first track of a kind."""
        return next((track for track in self.tracks if track.handler == handler), None)


def claims(head: bytes) -> bool:
    """Whether a file begins like this format."""
    return head[4:8] == b"ftyp" or head[4:8] in _OLD_STARTS


def read(window: Window, limits: FileLimits) -> Facts:  # noqa: ARG001 - one shape for all readers
    """Which of the three it is, from its tracks first and its brands second."""
    movie = read_movie(window)
    picture, sound = movie.track(b"vide"), movie.track(b"soun")
    if sound and (picture is None or not _AUDIO_BRANDS.isdisjoint(movie.brands[:1])):
        return Facts(("m4a",), duration_ms=movie.duration_ms)  # a podcast's chapter pictures are a video track
    if picture is None:
        raise Broken("it holds neither video nor sound")
    if not (picture.width and picture.height):
        raise Broken("the header names an impossible size")
    formats = _formats(movie.brands)
    if not formats:
        raise Broken("it names no brand")
    return Facts(formats, picture.width, picture.height, duration_ms=movie.duration_ms)


def _formats(brands: tuple[bytes, ...]) -> tuple[str, ...]:
    """The video formats that the brands allow, the major brand's first."""
    quicktime = not brands or _QUICKTIME in brands
    other = bool(set(brands) - {_QUICKTIME, b"\0\0\0\0"})
    names = [name for name, fits in (("mp4", other), ("mov", quicktime)) if fits]
    return tuple(reversed(names) if brands[:1] == (_QUICKTIME,) else names)


def read_movie(window: Window) -> Movie:
    """Walk the outer boxes, which must fill the file exactly, and the headers inside `moov`."""
    named: tuple[bytes, ...] = ()
    header: Box | None = None
    media = fragmented = False
    for box in boxes(window, 0, window.size):
        if box.kind == b"ftyp" and not named:
            named = brands(window, box)
        elif box.kind == b"moov" and header is None:
            header = box
        elif box.kind == b"mdat":
            media = media or box.length > 0
        fragmented = fragmented or box.kind == b"moof"
    if header is None or not media:
        raise Broken("it holds no complete movie")
    if find(window, header, b"rmra"):
        raise Broken("it refers to other files")
    tracks = tuple(_tracks(window, header))
    lengths = [track.duration_ms for track in tracks if track.duration_ms]
    return Movie(named, tracks, _movie_duration(window, header) or max(lengths, default=None), fragmented)


def _tracks(window: Window, header: Box) -> list[Track]:
    found: list[Track] = []
    for box in children(window, header):
        if box.kind == b"trak":
            if len(found) >= _MAX_TRACKS:
                raise Broken("it has more parts than a real one")
            found.append(_track(window, box))
    return found


def _track(window: Window, box: Box) -> Track:
    media = find(window, box, b"mdia")
    handler = find(window, media, b"hdlr") if media else None
    head = find(window, box, b"tkhd")
    if media is None or handler is None or head is None:
        raise Broken("a track has no header")
    references = find(window, media, b"minf", b"dinf", b"dref")
    if references:
        _check_references(window, references)
    timing = find(window, media, b"mdhd")
    width, height = _shown_size(window, head)
    kind = field(window, handler, at=8, count=4)
    return Track(kind, width, height, _duration(window, timing, at=12) if timing else None)


def _shown_size(window: Window, head: Box) -> tuple[int, int]:
    """Width and height of `tkhd`, the other way round if its matrix turns the picture by a quarter."""
    start = 52 if field(window, head, at=0, count=1) == b"\x01" else 40
    matrix = field(window, head, at=start, count=36)
    size = field(window, head, at=start + 36, count=8)
    width, height = int.from_bytes(size[:2], "big"), int.from_bytes(size[4:6], "big")
    turned = not any(matrix[0:4]) and any(matrix[4:8])
    return (height, width) if turned else (width, height)


def _movie_duration(window: Window, header: Box) -> int | None:
    box = find(window, header, b"mvhd")
    if box is None:
        raise Broken("it has no movie header")
    return _duration(window, box, at=12)


def _duration(window: Window, box: Box, *, at: int) -> int | None:
    """Of `mvhd` or `mdhd`: version 0 has 32-bit times, version 1 has 64-bit ones before the time scale."""
    long = field(window, box, at=0, count=1) == b"\x01"
    start, width = (at + 8, 8) if long else (at, 4)
    scale = int.from_bytes(field(window, box, at=start, count=4), "big")
    ticks = int.from_bytes(field(window, box, at=start + 4, count=width), "big")
    return None if ticks == _UNKNOWN[width] else milliseconds(ticks, scale)


def _check_references(window: Window, box: Box) -> None:
    """Refuse samples that lie in another file: some players open whatever is named there."""
    for count, entry in enumerate(children(window, box, skip=8)):
        if count >= _MAX_REFERENCES:
            raise Broken("it has more parts than a real one")
        own_file = field(window, entry, at=3, count=1)[0] & 1
        if not own_file and entry.length > 4:
            raise Broken("it refers to other files")
