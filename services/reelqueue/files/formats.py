"""The thirteen formats that are accepted, and what is known of a file once it was looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Kind = Literal["image", "video", "audio"]


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of media file, with the media type it is stored and served as."""

    kind: Kind
    media_type: str


# contract §4.4. `jpeg` is `jpg` by its other name.
FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "mp4": Format("video", "video/mp4"),
        "mov": Format("video", "video/quicktime"),
        "avi": Format("video", "video/x-msvideo"),
        "webm": Format("video", "video/webm"),
        "mkv": Format("video", "video/x-matroska"),
        "jpg": Format("image", "image/jpeg"),
        "jpeg": Format("image", "image/jpeg"),
        "png": Format("image", "image/png"),
        "gif": Format("image", "image/gif"),
        "webp": Format("image", "image/webp"),
        "mp3": Format("audio", "audio/mpeg"),
        "wav": Format("audio", "audio/wav"),
        "m4a": Format("audio", "audio/mp4"),
        "aac": Format("audio", "audio/aac"),
    }
)

# What servers call the same formats.
_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "image/jpg": "jpg",
        "image/pjpeg": "jpg",
        "image/apng": "png",
        "video/x-m4v": "mp4",
        "video/avi": "avi",
        "video/msvideo": "avi",
        "video/vnd.avi": "avi",
        "video/matroska": "mkv",
        "audio/mp3": "mp3",
        "audio/x-mp3": "mp3",
        "audio/x-wav": "wav",
        "audio/wave": "wav",
        "audio/vnd.wave": "wav",
        "audio/x-m4a": "m4a",
        "audio/m4a": "m4a",
        "audio/aacp": "aac",
        "audio/x-aac": "aac",
    }
)


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a look at a file's headers told.

    `extension` is one of `FORMATS`: the one in the file's name, or the content's own where the name had none. Width and
    height are in pixels, `frames` is set for pictures, `duration_ms` for what plays; each is `None` where the headers
    do not say.
    """

    kind: Kind
    media_type: str
    extension: str
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    duration_ms: int | None = None


def extension_of_media_type(media_type: str | None) -> str:
    """The extension for a Content-Type as servers write it, or "" if it names none of ours."""
    bare = (media_type or "").partition(";")[0].strip().lower()
    for extension, known in FORMATS.items():
        if known.media_type == bare:
            return extension
    return _ALIASES.get(bare, "")
