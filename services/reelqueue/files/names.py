"""File names, as labels. No path is ever made of one."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from reelqueue.files.formats import is_ending, same_format

UNNAMED: Final = "file"
MAX_BYTES: Final = 240
"""Of a label in UTF-8. File systems allow 255 to a name, and a download may add an extension."""

# Separators of the systems that a label may be saved on, and what shells, Windows, headers and spreadsheets act on.
_UNSAFE: Final = re.compile(r"[\x22$&'*:;<>?`|/\\]")
_SEPARATORS: Final = re.compile(r"[/\\]")
# A leading one of these makes a spreadsheet compute the cell, or a command take the name for an option.
_LEADS: Final = "=+-@"
# Names of devices on Windows, whatever follows the first dot.
_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=\s*(?:\.|$))", re.IGNORECASE)
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def clean_name(name: str) -> str:
    """A label for a file: the last path component, without characters that hide, reorder or act.

    Controls, formats (bidi marks, joiners, tags) and surrogates go; what a shell, Windows or a spreadsheet would act on
    becomes `_`. The text is in NFC and at most `MAX_BYTES` long, with its extension kept. Cleaning twice changes
    nothing. A name without a stem is called `file`.
    """
    stem, extension = _split(_visible(_SEPARATORS.split(name)[-1]))
    stem = _guard(stem.strip(" .") or UNNAMED)
    suffix = _shorten(f".{extension}", MAX_BYTES // 2).rstrip(" .") if extension else ""
    return _shorten(stem, MAX_BYTES - len(suffix.encode())).rstrip(" .") + suffix


def extension_of(name: str) -> str:
    """What follows the last dot of the cleaned name, in lower case; "" if there is none."""
    return _split(clean_name(name))[1].lower()


def with_extension(label: str, extension: str) -> str:
    """The label, so that it ends as its content does.

    An ending of the same format stays (`.JPEG` for `jpg`), one of another is replaced, and what is no ending of ours is
    part of the name: `v1.2` becomes `v1.2.png`.
    """
    stem, named = _split(label)
    if same_format(named.lower(), extension):
        return label
    return clean_name(f"{stem if is_ending(named.lower()) else label}.{extension}")


def _visible(text: str) -> str:
    """Normalised, with nothing invisible left and everything that acts replaced."""
    shown = "".join(
        " " if unicodedata.category(character) == "Zs" else character
        for character in text
        if unicodedata.category(character) not in _INVISIBLE
    )
    return _UNSAFE.sub("_", unicodedata.normalize("NFC", shown))


def _split(name: str) -> tuple[str, str]:
    """Stem and extension. Trailing dots and spaces, which Windows drops, do not hide the extension."""
    trimmed = name.rstrip(" .")
    stem, dot, extension = trimmed.rpartition(".")
    return (stem, extension) if dot else (trimmed, "")


def _guard(stem: str) -> str:
    """The stem, unless it would be an option, a formula or a device: then with `_` in front."""
    return f"_{stem}" if stem[0] in _LEADS or _DEVICE.match(stem) else stem


def _shorten(text: str, limit: int) -> str:
    """At most so many bytes of UTF-8, cut between characters."""
    return text.encode()[:limit].decode(errors="ignore")
