"""The check of a finished video before it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from reelqueue.errors import ResultUnusable
from reelqueue.files.sniff.movie import read_movie
from reelqueue.files.sniff.window import Broken, Window


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """A complete video. `duration_ms` is 0 only where a fragmented file leaves it out."""

    duration_ms: int
    width: int
    height: int
    container: str = "mp4"


def inspect_mp4(file: BinaryIO, size: int) -> VideoInfo:
    """What a finished MP4 of `size` bytes holds, by its boxes.

    They must fill the file exactly, so that a download that broke off is noticed without a length to compare with.
    Raises ResultUnusable for anything but a complete MP4 with a picture and a length.
    """
    try:
        movie = read_movie(Window(file, size))
    except Broken as broken:
        raise ResultUnusable(f"The finished file is no complete MP4: {broken}.") from broken
    if not movie.brands:
        raise ResultUnusable("The finished file does not begin like an MP4.")
    picture = movie.track(b"vide")
    if picture is None or not (picture.width and picture.height):
        raise ResultUnusable("The finished file holds no video.")
    if movie.duration_ms is None and not movie.fragmented:
        raise ResultUnusable("The finished video has no length.")
    return VideoInfo(movie.duration_ms or 0, picture.width, picture.height)
