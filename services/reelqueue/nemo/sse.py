"""Server-sent events from bytes, in any pieces (contract §5.7). Pure: no socket, no clock.

Lines are split on bytes, and only at CR, LF and CRLF: JSON in `data:` may hold U+2028, which `str.splitlines` would cut
at. No UTF-8 sequence contains those bytes, so each line can be decoded by itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MAX_EVENT_BYTES: Final = 32 * 1024 * 1024

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event. `data` is its data lines joined by newlines; an event whose data lines are missing has ''.

    `oversized` means that it was larger than the decoder holds; its data were dropped.
    """

    name: str = ""
    data: str = ""
    oversized: bool = False


@dataclass(frozen=True, slots=True)
class Comment:
    """A line that begins with a colon: a sign of life, no more."""


class SseDecoder:
    """Feed it chunks; it returns what became complete. Any chunking of the same bytes gives the same events.

    An event larger than `max_event_bytes` is dropped while it arrives and reported as `oversized`: ending the stream
    for it could cancel the paid turn behind it.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._limit = max_event_bytes
        self._line: list[bytes] = []
        self._line_size = 0
        self._after_cr = False
        self._first = True
        self._size = 0
        self._name = ""
        self._data: list[str] = []
        self._seen = False
        self._oversized = False

    @property
    def inside_line(self) -> bool:
        """Whether the bytes so far end in the middle of a line."""
        return self._line_size > 0

    def feed(self, chunk: bytes) -> list[ServerEvent | Comment]:
        """What these bytes complete."""
        if self._after_cr and chunk[:1] == b"\n":
            chunk = chunk[1:]
            self._after_cr = False
        if not chunk:
            return []
        self._after_cr = chunk.endswith(b"\r")
        *ended, rest = _LINE_END.split(chunk)
        found: list[ServerEvent | Comment] = []
        for piece in ended:
            self._extend(piece)
            found += self._end_line()
        self._extend(rest)
        return found

    def close(self) -> list[ServerEvent | Comment]:
        """What the end of the stream completes: a last event may lack its blank line (contract §5.7)."""
        found = self._end_line() if self._line_size else []
        return found + self._end_event()

    def _extend(self, piece: bytes) -> None:
        self._line_size += len(piece)
        self._size += len(piece)
        if self._size > self._limit:
            self._oversized = True
            self._line.clear()
            self._data.clear()
        elif piece:
            self._line.append(piece)

    def _end_line(self) -> list[ServerEvent | Comment]:
        empty, line = self._line_size == 0, b"".join(self._line)
        self._line.clear()
        self._line_size = 0
        if self._first:
            self._first = False
            empty, line = empty or line == _BOM, line.removeprefix(_BOM)
        if empty:
            return self._end_event()
        if line.startswith(b":"):
            self._size -= len(line)
            return [Comment()]
        self._take(line)
        return []

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode("utf-8", "replace")
        if name == b"data" and not self._oversized:
            self._data.append(text)
            self._seen = True
        elif name == b"event":
            self._name = text
            self._seen = True

    def _end_event(self) -> list[ServerEvent | Comment]:
        found: list[ServerEvent | Comment] = []
        if self._seen or self._oversized:
            found.append(ServerEvent(self._name, "\n".join(self._data), oversized=self._oversized))
        self._begin_event()
        return found

    def _begin_event(self) -> None:
        self._size = 0
        self._name = ""
        self._data = []
        self._seen = False
        self._oversized = False
