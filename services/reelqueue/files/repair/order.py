"""What the two processes tell each other. Nothing here is imported that takes time to load."""

from __future__ import annotations

import enum
import json
from dataclasses import asdict, dataclass
from typing import Final, Literal, Self

MAX_HEAD: Final = 256
"""Of a `Head`, with its line break."""


class Exit(enum.IntEnum):
    """How the child ended. Everything else, a signal too, is `UNREADABLE` to whoever sent the picture."""

    DONE = 0
    NOT_READY = 1
    """It failed before it looked at the picture, as the interpreter says it: the fault is ours."""
    UNREADABLE = 65
    TOO_MANY_PIXELS = 66
    CANNOT_FIT = 67


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to make of the picture on standard input. The result goes to standard output, after its `Head`.

    `format` is the extension of the only decoder that may be tried. Sizes are in bytes.
    """

    format: str
    max_bytes: int
    max_pixels: int
    quality: int
    memory_bytes: int
    cpu_s: int

    def text(self) -> str:
        """As an argument of the child."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Self:
        """Out of the argument."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the result is: its format, and the sides of the picture before it was scaled, in pixels, as it is shown."""

    format: Literal["jpg", "png"]
    width: int
    height: int

    def line(self) -> bytes:
        """As the first line of the output."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes, *, max_pixels: int) -> Self:
        """Out of that line. Raises ValueError for anything that the child would not say of its own accord."""
        said = json.loads(line)
        if not isinstance(said, dict) or set(said) != {"format", "width", "height"}:
            raise ValueError("no head")
        sides = (said["width"], said["height"])
        if said["format"] not in ("jpg", "png") or not all(type(side) is int and side > 0 for side in sides):
            raise ValueError("no head")
        if sides[0] * sides[1] > max_pixels:
            raise ValueError("no such picture was accepted")
        return cls(**said)
