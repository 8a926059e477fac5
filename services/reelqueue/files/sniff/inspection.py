"""Decide what a file is by its content, and whether that is what its name says."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, Final

from reelqueue.errors import FileContentMismatch, FileEmpty, FileTypeNotAllowed
from reelqueue.files.formats import FORMATS, MediaInfo
from reelqueue.files.limits import FileLimits
from reelqueue.files.sniff import avi, ebml, gif, jpeg, movie, mpeg_audio, png, wav, webp
from reelqueue.files.sniff.facts import Facts
from reelqueue.files.sniff.window import Broken, Window

_HEAD: Final = 16
_READERS: Final[tuple[tuple[Callable[[bytes], bool], Callable[[Window, FileLimits], Facts]], ...]] = tuple(
    (module.claims, module.read) for module in (png, gif, jpeg, webp, wav, avi, ebml, movie, mpeg_audio)
)


def check_extension(extension: str) -> None:
    """Refuse an extension that is not listed. Needs no content, so it can come before the first byte."""
    if extension not in FORMATS:
        raise FileTypeNotAllowed


def inspect(file: BinaryIO, size: int, *, extension: str, limits: FileLimits) -> MediaInfo:
    """What a seekable file of `size` bytes is, without decoding any of it.

    `extension` is in lower case without a dot; "" lets the content decide alone. Work and memory are bounded by the
    file's size (`Window`), whatever its headers claim.

    Raises FileTypeNotAllowed (an extension that is not listed, or none and content of no listed format), FileEmpty,
    FileContentMismatch (not what the extension says, or broken), ImageTooManyPixels, ImageTooManyFrames.
    """
    if extension:
        check_extension(extension)
    if size == 0:
        raise FileEmpty
    facts = _facts(Window(file, size), extension, limits)
    if facts is None and not extension:
        raise FileTypeNotAllowed
    if facts is None or (extension and extension not in facts.formats):
        found = f"; its content is {facts.formats[0]}" if facts else ""
        raise FileContentMismatch(f"This is no {extension} file{found}.", detail={"extension": extension})
    decided = extension or facts.formats[0]
    known = FORMATS[decided]
    return MediaInfo(
        kind=known.kind,
        media_type=known.media_type,
        extension=decided,
        width=facts.width,
        height=facts.height,
        frames=facts.frames,
        duration_ms=facts.duration_ms,
    )


def _facts(window: Window, extension: str, limits: FileLimits) -> Facts | None:
    """By the parser that knows the first bytes; `None` if none does."""
    head = window.head(_HEAD)
    reader = next((read for claims, read in _READERS if claims(head)), None)
    if reader is None:
        return None
    try:
        return reader(window, limits)
    except Broken as broken:
        named = f"{extension} file" if extension else "file"
        detail = {"extension": extension} if extension else None
        raise FileContentMismatch(f"This is no usable {named}: {broken}.", detail=detail) from broken
