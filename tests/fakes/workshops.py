"""A real workshop over a directory, and pictures to repair."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pillow_heif
from PIL import Image

from reelqueue.files.limits import FileLimits
from reelqueue.files.multipart import MultipartReceiver
from reelqueue.files.names import extension_of
from reelqueue.files.received import ReceivedFile, arriving, take
from reelqueue.files.repair.workshop import Workshop, WorkshopLimits
from reelqueue.files.spool import Spool
from reelqueue.kit.clock import SystemClock

pillow_heif.register_heif_opener()

DEFAULT_LIMITS = FileLimits()
ENDINGS = {"heic": "HEIF", "avif": "AVIF", "tiff": "TIFF", "bmp": "BMP", "png": "PNG", "jpg": "JPEG", "webp": "WEBP"}
"""What is sent, and what Pillow calls it."""


def workshop(spool: Spool, **limits: Any) -> Workshop:
    return Workshop(spool, limits=WorkshopLimits(**limits), clock=SystemClock())


def receiver(content_type: str, spool: Spool, *, limits: FileLimits) -> MultipartReceiver:
    return MultipartReceiver(content_type, spool, limits=limits, workshop=workshop(spool))


def received(
    spool: Spool, name: str, content: bytes, *, limits: FileLimits = DEFAULT_LIMITS, **at_work: Any
) -> ReceivedFile:
    """What becomes of one file; nothing else may be left of it, whatever happens."""
    before = leftovers(spool)
    spooled = arriving(spool, limits)
    try:
        spooled.write(content)
        shop = workshop(spool, **at_work)
        file = take(spooled, name=name, extension=extension_of(name), limits=limits, workshop=shop)
    except BaseException:
        assert leftovers(spool) == before
        raise
    assert leftovers(spool) - before == {file.spooled.path}
    assert file.spooled.finished
    assert file.source_sha256 == hashlib.sha256(content).hexdigest()
    assert file.sha256 == hashlib.sha256(file.spooled.path.read_bytes()).hexdigest()
    return file


def leftovers(spool: Spool) -> set[Path]:
    return {path for path in spool.directory.rglob("*") if path.is_file()}


def saved(image: Image.Image, ending: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, ENDINGS[ending], **options)
    return file.getvalue()


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def corners(width: int = 64, height: int = 48, mode: str = "RGB") -> Image.Image:
    """Red at the top left, the rest blue: which way up it is can be seen."""
    image = Image.new("RGB", (width, height), "blue")
    image.paste("red", (0, 0, width // 2, height // 2))
    return image.convert(mode)


def see_through(width: int = 64, height: int = 48) -> Image.Image:
    """Opaque on the left, not there at all on the right."""
    image = corners(width, height, "RGBA")
    image.paste((0, 0, 0, 0), (width // 2, 0, width, height))
    return image


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """What no format makes small."""
    channels = [Image.effect_noise((width, height), 90) for _ in mode]
    return Image.merge(mode, channels)


def photograph(ending: str, **options: Any) -> bytes:
    """An ordinary picture in a format."""
    return saved(corners(), ending, **options)
