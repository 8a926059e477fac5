"""What a parser hands back, and the checks that all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reelqueue.errors import ImageTooManyFrames, ImageTooManyPixels
from reelqueue.files.limits import FileLimits

MAX_DURATION_MS: Final = 2**31 - 1
"""24 days. A header that claims more is not believed."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file's headers say.

    `formats` are the extensions the content fits, the best one first.
    """

    formats: tuple[str, ...]
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    duration_ms: int | None = None


def check_pixels(width: int, height: int, limits: FileLimits) -> None:
    """Refuse a picture that would be too large once decoded."""
    if width * height > limits.max_pixels:
        raise ImageTooManyPixels(detail={"limit_pixels": limits.max_pixels})


def check_frames(frames: int, limits: FileLimits) -> None:
    """Refuse an animation that is too long."""
    if frames > limits.max_frames:
        raise ImageTooManyFrames(detail={"limit_frames": limits.max_frames})


def milliseconds(ticks: float, per_second: float) -> int | None:
    """A length of time in a file's own ticks; `None` if it is nonsense, or the mark for "unknown"."""
    if not (ticks > 0 and per_second > 0):
        return None
    seconds = ticks / per_second
    return round(seconds * 1000) if seconds * 1000 <= MAX_DURATION_MS else None
