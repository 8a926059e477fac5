"""Parts of a file, and its name: RFC 9110 §13, §14 and RFC 6266, as far as one range of one video needs them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from reelqueue.errors import RangeNotSatisfiable

_RANGE: Final = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})")
_PLAIN: Final = re.compile(r"[^A-Za-z0-9._ -]")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes from `start` up to but without `end`."""

    start: int
    end: int

    def content_range(self, size: int) -> str:
        """The header's value."""
        return f"bytes {self.start}-{self.end - 1}/{size}"


def requested_range(header: str | None, if_range: str | None, *, size: int, etag: str) -> ByteRange | None:
    """The part that is asked for, or `None` for the whole.

    Several ranges, other units and malformed ones are ignored, as a server may: answering many overlapping ranges is
    how a small request gets a huge answer. So is a range of another version (`If-Range`). Raises
    `RangeNotSatisfiable` for a range that begins behind the end.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or (if_range is not None and if_range.strip() != etag):
        return None
    first, last = match.groups()
    if first:
        start = int(first)
        end = min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    elif last:
        start, end = max(0, size - int(last)), size
    else:
        return None
    if start >= size or start >= end:
        raise RangeNotSatisfiable(detail={"bytes": size})
    return ByteRange(start, end)


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Whether the client already has this version."""
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or "*" in tags


def attachment(name: str) -> str:
    """A `Content-Disposition` that saves the file under a name and never shows it in place."""
    plain = _PLAIN.sub("_", name)
    if plain == name:
        return f'attachment; filename="{name}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
