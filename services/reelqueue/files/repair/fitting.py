"""From a picture to a file that is no larger than allowed."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Final, Literal

from PIL import Image

_LONGEST_JPEG_SIDE: Final = 65_500
_ROUNDS: Final = 12
_MARGIN: Final = 0.97
"""A file shrinks a little less than its pixels do."""
_PNG_LEVEL: Final = 4
"""Higher ones take twice as long and save two in a hundred bytes of a photograph."""
_STEP: Final = 0.9
"""The least that a round takes off a side."""


class CannotFit(Exception):
    """No rendition of the picture is small enough."""


@dataclass(frozen=True, slots=True)
class Rendition:
    """A picture as a file."""

    format: Literal["jpg", "png"]
    data: bytes


def fitted(image: Image.Image, *, max_bytes: int, quality: int) -> Rendition:
    """A PNG if some of the picture can be seen through, else a JPEG: the largest that fits, by a few tries.

    Raises CannotFit.
    """
    form: Literal["jpg", "png"] = "png" if image.mode == "RGBA" else "jpg"
    share = min(1.0, _LONGEST_JPEG_SIDE / max(image.size)) if form == "jpg" else 1.0
    for _ in range(_ROUNDS):
        data = _encoded(_scaled(image, share), form, quality)
        if len(data) <= max_bytes:
            return Rendition(form, data)
        share *= min(_STEP, math.sqrt(max_bytes / len(data)) * _MARGIN)
    raise CannotFit


def _scaled(image: Image.Image, share: float) -> Image.Image:
    if share == 1.0:
        return image
    width, height = (max(1, round(side * share)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)


def _encoded(image: Image.Image, form: Literal["jpg", "png"], quality: int) -> bytes:
    file = io.BytesIO()
    if form == "png":
        image.save(file, "PNG", compress_level=_PNG_LEVEL)
    else:
        image.save(file, "JPEG", quality=quality)
    return file.getvalue()
