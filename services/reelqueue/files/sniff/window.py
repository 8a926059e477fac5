"""A file seen through bounded reads."""

from __future__ import annotations

from typing import BinaryIO, Final, Literal

PAGE: Final = 4_096
MAX_READ: Final = 65_536
"""The most that one read may ask for: the largest header anyone parses here is far smaller."""
BASE_STEPS: Final = 32_768
BYTES_PER_STEP: Final = 128


class Broken(Exception):
    """The bytes are not a whole file of the format they begin like. The text is ours and holds nothing of the file."""


class Window:
    """Random access to a file of known size, within a budget.

    A budget that grows with the file's size bounds the work: each read is a step, and a file whose headers need more
    steps than a real one would is `Broken`. A read that leaves the file is `Broken` too, so no parser checks for it.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.size = size
        self._file = file
        self._steps = BASE_STEPS + size // BYTES_PER_STEP
        self._page = b""
        self._page_start = 0

    def at(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes from `offset`."""
        self._steps -= 1
        if self._steps < 0:
            raise Broken("it has more parts than a real one")
        if offset < 0 or count > MAX_READ or offset + count > self.size:
            raise Broken("it is cut off")
        start = offset - self._page_start
        if start < 0 or start + count > len(self._page):
            self._load(offset, count)
            start = 0
        piece = self._page[start : start + count]
        if len(piece) != count:
            raise Broken("it is cut off")
        return piece

    def head(self, count: int) -> bytes:
        """Up to `count` bytes from the start: fewer if the file is shorter."""
        return self.at(0, min(count, self.size))

    def number(self, offset: int, count: int, order: Literal["big", "little"] = "big") -> int:
        """An unsigned integer of so many bytes."""
        return int.from_bytes(self.at(offset, count), order)

    def _load(self, offset: int, count: int) -> None:
        self._file.seek(offset)
        self._page = self._file.read(max(count, PAGE))
        self._page_start = offset
