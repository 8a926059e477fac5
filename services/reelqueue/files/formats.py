"""The thirteen formats that are kept, four more that are made into one of them, and what is known of a file."""

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

REPAIRABLE: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "heic": Format("image", "image/heic"),
        "heif": Format("image", "image/heic"),
        "avif": Format("image", "image/avif"),
        "tiff": Format("image", "image/tiff"),
        "tif": Format("image", "image/tiff"),
        "bmp": Format("image", "image/bmp"),
    }
)
"""What NemoVideo does not take, and we make a PNG or a JPEG of."""

TAKEN: Final[Mapping[str, Format]] = MappingProxyType({**FORMATS, **REPAIRABLE})
"""All that is accepted."""

# Other names of the same formats, as extensions.
_OTHER_ENDINGS: Final = frozenset({"jfif", "jpe", "m4v", "apng", "hif", "dib"})

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
        "image/x-ms-bmp": "bmp",
        "image/x-bmp": "bmp",
        "image/heif": "heic",
    }
)


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a look at a file's headers told.

    `extension` is one of `TAKEN`: the one in the file's name if it fits the content, else the content's own. Width and
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


def is_ending(extension: str) -> bool:
    """Whether it says that a file is a picture, a clip or sound of a kind that is accepted."""
    return extension in TAKEN or extension in _OTHER_ENDINGS


def same_format(one: str, other: str) -> bool:
    """Whether two extensions stand for one format, as `jpg` and `jpeg` do."""
    return one in TAKEN and other in TAKEN and TAKEN[one] == TAKEN[other]


def usual(extension: str) -> str:
    """The extension that stands for a format where several do: `jpg` for `jpeg`."""
    return next(name for name, known in TAKEN.items() if known == TAKEN[extension])


def extension_of_media_type(media_type: str | None) -> str:
    """The extension for a Content-Type as servers write it, or "" if it names none of ours."""
    bare = (media_type or "").partition(";")[0].strip().lower()
    for extension, known in TAKEN.items():
        if known.media_type == bare:
            return extension
    return _ALIASES.get(bare, "")
