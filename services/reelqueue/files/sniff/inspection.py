"""Decide what a file is by its content; its name only says what to expect."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, Final

from reelqueue.errors import FileContentMismatch, FileEmpty, FileTypeNotAllowed
from reelqueue.files.formats import TAKEN, MediaInfo
from reelqueue.files.limits import FileLimits
from reelqueue.files.sniff import avi, bmp, ebml, gif, heif, jpeg, movie, mpeg_audio, png, tiff, wav, webp
from reelqueue.files.sniff.facts import Facts
from reelqueue.files.sniff.window import Broken, Window

HEAD: Final = 16
"""So many first bytes tell which parser to ask."""
_PICTURES: Final = (png, gif, jpeg, webp, heif, tiff, bmp)
_READERS: Final[tuple[tuple[Callable[[bytes], bool], Callable[[Window, FileLimits], Facts]], ...]] = tuple(
    # Pictures first: HEIC begins like a movie, with another brand.
    (module.claims, module.read)
    for module in (*_PICTURES, wav, avi, ebml, movie, mpeg_audio)
)


def begins_like_a_picture(head: bytes) -> bool:
    """Whether the first `HEAD` bytes are those of a picture that is accepted."""
    return any(module.claims(head) for module in _PICTURES)


def check_head(head: bytes, extension: str) -> None:
    """Refuse, by the first `HEAD` bytes, what is of no listed format. The error is the one that `inspect` would raise.

    It needs no more, so it can come while the rest of the file is still on its way.
    """
    if not any(claims(head) for claims, _ in _READERS):
        raise _unknown(extension)


def inspect(file: BinaryIO, size: int, *, extension: str, limits: FileLimits) -> MediaInfo:
    """What a seekable file of `size` bytes is, without decoding any of it.

    `extension`, in lower case without a dot, is what its name says, or "". It is believed where the content fits
    several formats, and it picks the error for content that is none of `TAKEN`. Work and memory are bounded by the
    file's size (`Window`), whatever its headers claim.

    Raises FileTypeNotAllowed (content of no listed format, under a name that says none), FileEmpty, FileContentMismatch
    (of no listed format though the name says one, or broken), ImageTooManyPixels, ImageTooManyFrames.
    """
    listed = extension in TAKEN
    if size == 0:
        raise FileEmpty if listed or not extension else FileTypeNotAllowed
    facts = _facts(Window(file, size), extension if listed else "", limits)
    if facts is None:
        raise _unknown(extension)
    decided = extension if extension in facts.formats else facts.formats[0]
    known = TAKEN[decided]
    return MediaInfo(
        kind=known.kind,
        media_type=known.media_type,
        extension=decided,
        width=facts.width,
        height=facts.height,
        frames=facts.frames,
        duration_ms=facts.duration_ms,
    )


def _unknown(extension: str) -> FileTypeNotAllowed | FileContentMismatch:
    if extension not in TAKEN:
        return FileTypeNotAllowed()
    return FileContentMismatch(f"This is no {extension} file.", detail={"extension": extension})


def _facts(window: Window, extension: str, limits: FileLimits) -> Facts | None:
    """By the parser that knows the first bytes; `None` if none does."""
    head = window.head(HEAD)
    reader = next((read for claims, read in _READERS if claims(head)), None)
    if reader is None:
        return None
    try:
        return reader(window, limits)
    except Broken as broken:
        named = f"{extension} file" if extension else "file"
        detail = {"extension": extension} if extension else None
        raise FileContentMismatch(f"This is no usable {named}: {broken}.", detail=detail) from broken
