"""The process that decodes one picture: `python -m reelqueue.files.repair.child ORDER <picture >result`.

It loads what it needs, gives up what it does not need, and only then looks at the picture. It says nothing on standard
error; the exit code alone tells why there is no result.
"""

from __future__ import annotations

import encodings.ascii
import encodings.latin_1
import encodings.utf_16  # noqa: F401 - looked up by name later, when no file can be opened any more
import resource
import sys
import warnings
from typing import Final

import pillow_heif
from PIL import Image

from reelqueue.files.repair.fitting import CannotFit, fitted
from reelqueue.files.repair.order import Exit, Head, Order
from reelqueue.files.repair.picture import TooManyPixels, shown

_STANDARD_STREAMS: Final = 3


def main() -> int:
    """Carry out one order."""
    order = Order.read(sys.argv[1])
    Image.init()
    pillow_heif.register_heif_opener(thumbnails=False)
    _confine(order)
    try:
        return _repair(order)
    except BaseException:  # noqa: BLE001 - whatever it is, the picture made it happen
        return Exit.UNREADABLE


def _confine(order: Order) -> None:
    """From here on: no file or socket can be opened, no file can grow, memory and time are counted."""
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: _STANDARD_STREAMS,
        resource.RLIMIT_CPU: order.cpu_s,
    }
    if sys.platform != "darwin":  # which does not limit address space
        limits[resource.RLIMIT_AS] = order.memory_bytes
    for limit, most in limits.items():
        resource.setrlimit(limit, (most, most))


def _repair(order: Order) -> int:
    Image.MAX_IMAGE_PIXELS = order.max_pixels
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        image = shown(sys.stdin.buffer, form=order.format, max_pixels=order.max_pixels)
        made = fitted(image, max_bytes=order.max_bytes, quality=order.quality)
    except (TooManyPixels, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return Exit.TOO_MANY_PIXELS
    except CannotFit:
        return Exit.CANNOT_FIT
    sys.stdout.buffer.write(Head(format=made.format, width=image.width, height=image.height).line())
    sys.stdout.buffer.write(made.data)
    sys.stdout.buffer.flush()
    return Exit.DONE


if __name__ == "__main__":
    sys.exit(main())
