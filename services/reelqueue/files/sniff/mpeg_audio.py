"""MP3 and ADTS AAC: ID3 tags, then frames one after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reelqueue.files.limits import FileLimits
from reelqueue.files.sniff.facts import Facts, milliseconds
from reelqueue.files.sniff.window import Broken, Window

_MAX_TAGS: Final = 8
_MAX_PADDING: Final = 65_536
_FRAMES_LOOKED_AT: Final = 4
_CLOSING_TAG: Final = 128
_RATES: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_KBITS_1: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame's header. Frames of one stream have equal `stream`."""

    form: str
    stream: tuple[int, ...]
    length: int
    samples: int = 0
    rate: int = 0
    bits_per_second: int = 0


def claims(head: bytes) -> bool:
    """Whether a file begins like this format."""
    return head.startswith(b"ID3") or parse(head[:7]) is not None


def read(window: Window, limits: FileLimits) -> Facts:  # noqa: ARG001 - one shape for all readers
    """Pass over the tags, then follow the first frames: each must end where the next begins."""
    start = _after_tags(window)
    first = _frame_at(window, start)
    if first is None:
        raise Broken("no sound follows its tags")
    offset, seen = start, 0
    while seen < _FRAMES_LOOKED_AT and not _at_end(window, offset):
        frame = _frame_at(window, offset)
        if frame is None or (frame.form, frame.stream) != (first.form, first.stream):
            raise Broken("its frames do not follow each other")
        if offset + frame.length > window.size and seen < 2:
            raise Broken("it is cut off")
        offset, seen = offset + frame.length, seen + 1
    return Facts((first.form,), duration_ms=_duration(window, start, first))


def parse(head: bytes) -> Frame | None:
    """A frame header, if these bytes are one."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    return _adts(head) if head[1] & 0xF6 == 0xF0 else _layer_three(head)


def _adts(head: bytes) -> Frame | None:
    if len(head) < 7:
        return None
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    rate, channels = head[2] >> 2 & 15, (head[2] & 1) << 2 | head[3] >> 6
    if rate > 12 or length <= (7 if head[1] & 1 else 9):
        return None
    return Frame("aac", (head[1], head[2] >> 6, rate, channels), length)


def _layer_three(head: bytes) -> Frame | None:
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    kbits, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer != 1 or kbits in {0, 15} or rate == 3:
        return None
    samples = 1152 if version == 3 else 576
    bits_per_second = 1000 * (_KBITS_1 if version == 3 else _KBITS_2)[kbits]
    hertz = _RATES[version][rate]
    length = samples // 8 * bits_per_second // hertz + padding
    return Frame("mp3", (version, rate), length, samples, hertz, bits_per_second)


def _frame_at(window: Window, offset: int) -> Frame | None:
    return parse(window.at(offset, min(7, max(4, window.size - offset))))


def _after_tags(window: Window) -> int:
    """Where the frames begin: after ID3v2 tags and the zero bytes that some writers put behind them."""
    offset = 0
    for _ in range(_MAX_TAGS):
        if offset + 10 > window.size or window.at(offset, 3) != b"ID3":
            break
        head = window.at(offset, 10)
        if not 2 <= head[3] <= 4 or any(byte & 0x80 for byte in head[6:]):
            raise Broken("its tag is damaged")
        length = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        offset += 10 + length + (10 if head[5] & 0x10 else 0)
        if offset > window.size:
            raise Broken("it is cut off")
    if offset:
        offset = _after_zeros(window, offset)
    return offset


def _after_zeros(window: Window, offset: int) -> int:
    last = min(window.size, offset + _MAX_PADDING)
    while offset < last:
        piece = window.at(offset, min(512, last - offset))
        content = piece.lstrip(b"\0")
        if content:
            return offset + len(piece) - len(content)
        offset += len(piece)
    return offset


def _at_end(window: Window, offset: int) -> bool:
    """Whether the frames end here: at the end of the file, or at the tag that may close it."""
    return offset >= window.size or (offset == window.size - _CLOSING_TAG and window.at(offset, 3) == b"TAG")


def _duration(window: Window, start: int, first: Frame) -> int | None:
    """By the frame count that encoders leave in the first frame, else as if the bit rate were constant (MP3 only)."""
    if not first.bits_per_second:
        return None
    mono = window.at(start + 3, 1)[0] >> 6 == 3
    side = {(True, True): 17, (True, False): 32, (False, True): 9, (False, False): 17}[first.samples == 1152, mono]
    mark = start + 4 + side
    if mark + 12 <= window.size and window.at(mark, 4) in {b"Xing", b"Info"} and window.number(mark + 4, 4) & 1:
        return milliseconds(window.number(mark + 8, 4) * first.samples, first.rate)
    return milliseconds((window.size - start) * 8, first.bits_per_second)
