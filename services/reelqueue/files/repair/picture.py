"""From a file to a picture as it is shown: the first page, upright, in sRGB, eight bits a channel, no metadata."""

from __future__ import annotations

import io
import math
from contextlib import suppress
from types import MappingProxyType
from typing import BinaryIO, Final

from PIL import Image, ImageCms, ImageOps

_DECODERS: Final = MappingProxyType(
    {
        "heic": "HEIF",
        "avif": "AVIF",
        "tiff": "TIFF",
        "bmp": "BMP",
        "jpg": "JPEG",
        "png": "PNG",
        "gif": "GIF",
        "webp": "WEBP",
    }
)


class TooManyPixels(Exception):
    """The picture is larger than allowed once decoded, whatever its header said."""


def shown(source: BinaryIO, *, form: str, max_pixels: int) -> Image.Image:
    """The picture in one of the modes `L`, `RGB` and, if some of it can be seen through, `RGBA`.

    Raises TooManyPixels, and whatever Pillow raises for a file that it cannot read.
    """
    image: Image.Image = Image.open(source, formats=[_DECODERS[form]])
    _check(image, max_pixels)
    image.load()
    _check(image, max_pixels)
    image = _in_srgb(_in_eight_bits(_upright(image)))
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
    image.info = {}
    return image


def _check(image: Image.Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise TooManyPixels


def _upright(image: Image.Image) -> Image.Image:
    """As EXIF says that the camera was held. Nonsense there is no reason to refuse the picture."""
    with suppress(Exception):
        return ImageOps.exif_transpose(image)
    return image


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """Brightness in `L` where it was told in finer steps; other modes as they are."""
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    fine = image.convert("F")
    low, high = (float(bound) for bound in fine.getextrema())  # type: ignore[arg-type]
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("brightness without bounds")
    if image.mode.startswith("I") and low >= 0 and high <= 65_535:
        low, high = 0.0, 65_535.0
    scale = 255 / ((high - low) or 1.0)
    return fine.point(lambda value: value * scale + (0.5 - low * scale)).convert("L")


def _in_srgb(image: Image.Image) -> Image.Image:
    """Colours as a screen shows them, by the picture's own profile if it has one that can be used."""
    target = "RGBA" if image.has_transparency_data else "RGB"
    profile = image.info.get("icc_profile")
    if image.mode in ("1", "P", "LA", "PA", "La", "RGBa", "RGBX", "YCbCr", "HSV") or target == "RGBA":
        image = image.convert(target if image.mode != "1" else "L")
    if profile and (converted := _by_profile(image, profile, target)) is not None:
        return converted
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return _transformed(image, lab, srgb, "RGB")
    return image if image.mode in ("L", target) else image.convert(target)


def _by_profile(image: Image.Image, profile: bytes, target: str) -> Image.Image | None:
    """`None` if the profile is broken, or made for another kind of picture."""
    with suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return _transformed(image, source, ImageCms.createProfile("sRGB"), target)
    return None


def _transformed(
    image: Image.Image, source: ImageCms._CmsProfileCompatible, target: ImageCms._CmsProfileCompatible, mode: str
) -> Image.Image:
    done = ImageCms.profileToProfile(image, source, target, outputMode=mode)
    assert done is not None
    return done
