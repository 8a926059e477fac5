"""Draw the demo's pictures, three landscapes at dusk, from arithmetic alone: `python examples/make_pictures.py`."""

from __future__ import annotations

import math
import random
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

SIZE = (720, 960)
SCENES = {
    "dusk_hills.png": ((255, 170, 94), (92, 62, 132), (38, 28, 64), 1),
    "harbor_night.png": ((96, 140, 200), (20, 30, 74), (10, 14, 34), 2),
    "desert_dawn.png": ((255, 214, 150), (230, 120, 100), (120, 54, 60), 3),
}


def blend(one: tuple[int, ...], other: tuple[int, ...], share: float) -> tuple[int, ...]:
    return tuple(round(a + (b - a) * share) for a, b in zip(one, other, strict=True))


def scene(low: tuple[int, ...], high: tuple[int, ...], ground: tuple[int, ...], seed: int) -> Image.Image:
    width, height = SIZE
    chance = random.Random(seed)
    picture = Image.new("RGB", SIZE)
    draw = ImageDraw.Draw(picture)
    for y in range(height):
        draw.line([(0, y), (width, y)], fill=blend(high, low, min(1.0, y / (height * 0.62))))
    x, y, radius = round(width * chance.uniform(0.25, 0.75)), round(height * 0.5), round(width * 0.11)
    glow = Image.new("L", SIZE)
    ImageDraw.Draw(glow).ellipse([x - radius * 3, y - radius * 3, x + radius * 3, y + radius * 3], fill=90)
    picture.paste((255, 236, 200), mask=glow.filter(ImageFilter.GaussianBlur(60)))
    draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=(255, 240, 214))
    for layer in range(4):
        share = layer / 3
        base = height * (0.58 + 0.11 * layer)
        waves = [(chance.uniform(0.4, 2.4), chance.uniform(0, 6.3), chance.uniform(10, 34)) for _ in range(3)]
        ridge = [
            (column, base + sum(math.sin(column / width * f * 6.3 + p) * a for f, p, a in waves))
            for column in range(0, width + 8, 8)
        ]
        draw.polygon([*ridge, (width, height), (0, height)], fill=blend(blend(low, ground, 0.55), ground, share))
    return picture


if __name__ == "__main__":
    folder = Path(__file__).parent / "pictures"
    folder.mkdir(exist_ok=True)
    for name, (low, high, ground, seed) in SCENES.items():
        scene(low, high, ground, seed).save(folder / name, optimize=True)
