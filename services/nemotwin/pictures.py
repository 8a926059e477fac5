"""Still pictures for the film: uploads brought to size, and captions drawn as text."""

from collections.abc import Iterator
from pathlib import Path

import av
import av.error
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

_CROP_TOLERANCE = 1.7
"""A picture whose shape differs more than this from the frame's is shown whole before a blurred copy of itself."""

_FONTS = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc",
    "/usr/share/fonts/truetype/noto/NotoSansCJK-Bold.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/System/Library/Fonts/PingFang.ttc",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf",
)
"""Tried in turn; without any of them Pillow's own font is used, which has no Chinese."""


def fitted(path: str | None, size: tuple[int, int]) -> Image.Image:
    """Return the picture at `path` (of a film: its first frame) filling `size`; a plain card where there is none."""
    picture = _opened(path) if path else None
    if picture is None:
        return _card(size)
    ratio = (picture.width / picture.height) / (size[0] / size[1])
    if max(ratio, 1 / ratio) <= _CROP_TOLERANCE:
        return ImageOps.fit(picture, size, Image.Resampling.BICUBIC)
    small = ImageOps.fit(picture, (size[0] // 8 + 1, size[1] // 8 + 1), Image.Resampling.BOX)
    ground = small.filter(ImageFilter.GaussianBlur(6)).resize(size, Image.Resampling.BILINEAR)
    whole = ImageOps.contain(picture, size, Image.Resampling.BICUBIC)
    ground.paste(whole, ((size[0] - whole.width) // 2, (size[1] - whole.height) // 2))
    return ground


def caption_image(text: str, width: int) -> Image.Image:
    """Draw `text` white with a dark edge, in as many lines as a frame of this width needs; even in size."""
    font = _font(max(width // 11, 10))
    probe = ImageDraw.Draw(Image.new("L", (1, 1)))
    lines = list(_wrapped(text, probe, font, width * 0.86))
    edge = max(width // 240, 1)
    block = "\n".join(lines)
    left, top, right, bottom = probe.multiline_textbbox((0, 0), block, font=font, stroke_width=edge, align="center")
    size = (_even(min(right - left, width)), _even(bottom - top))
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    ImageDraw.Draw(image).multiline_text(
        (-left, -top), block, font=font, fill="white", stroke_width=edge, stroke_fill=(20, 20, 20, 255), align="center"
    )
    return image


def _wrapped(
    text: str, probe: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float
) -> Iterator[str]:
    line = ""
    # Chinese has no spaces to break at, so its characters count as words.
    words = text.split() if " " in text else list(text)
    gap = " " if " " in text else ""
    for word in words:
        longer = f"{line}{gap}{word}" if line else word
        if line and probe.textlength(longer, font=font) > width:
            yield line
            line = word
        else:
            line = longer
    yield line


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for path in _FONTS:
        if Path(path).exists():
            return ImageFont.truetype(path, size)
    return ImageFont.load_default(size)


def _opened(path: str) -> Image.Image | None:
    try:
        with Image.open(path) as picture:
            return ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return _first_frame(path)


def _first_frame(path: str) -> Image.Image | None:
    try:
        with av.open(path) as container:
            first: Image.Image = next(container.decode(video=0)).to_image()  # type: ignore[no-untyped-call]
            return first
    except (av.error.FFmpegError, StopIteration, IndexError, ValueError):
        return None


def _card(size: tuple[int, int]) -> Image.Image:
    shade = Image.linear_gradient("L").resize(size)
    return ImageOps.colorize(shade, (24, 32, 72), (232, 150, 92))


def _even(value: float) -> int:
    return max(round(value / 2 + 0.5) * 2, 2)
