"""Media files that claim, nest or inflate to more than they should. Small to make, expensive to believe."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from fakes import media

_MIB = 1_048_576


def _zeros_deflated(count: int) -> bytes:
    """A zlib stream of `count` zero bytes (a multiple of 1 MiB), made without compressing them all."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(bytes(_MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(_MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = (count % 65521) << 16 | 1
    return b"\x78\xda" + first + block * (count // _MIB - 1) + packer.flush() + struct.pack(">I", checksum)


def png_header(w: int, h: int) -> bytes:
    return media.png_head(w, h) + media.png_chunk(b"IDAT", b"x") + media.png_chunk(b"IEND")


def png_iccp(inflated: int) -> bytes:
    return media.png(between=media.png_chunk(b"iCCP", b"x\0\0" + _zeros_deflated(inflated)))


def png_idat_bomb(inflated: int) -> bytes:
    data = media.png_chunk(b"IDAT", _zeros_deflated(inflated))
    return media.png_head(8, 8) + data + media.png_chunk(b"IEND")


def png_chunks(n: int) -> bytes:
    return media.png(between=media.png_chunk(b"prVt") * n)


def gif_header(w: int, h: int) -> bytes:
    return media.gif(w, h)


def jpeg_exif(thumb_offset: int) -> bytes:
    ifd = struct.pack("<HHHIII", 1, 0x0201, 4, 1, thumb_offset, 0)
    return media.jpeg(before=media.jpeg_segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0" + bytes(4) + ifd))


def mp4_box64(size: int) -> bytes:
    return media.ftyp() + media.moov(media.trak(b"vide", w=8, h=8)) + struct.pack(">I4sQ", 1, b"mdat", size) + bytes(64)


def mp4_box(size: int) -> bytes:
    return media.ftyp() + media.moov(media.trak(b"vide", w=8, h=8)) + struct.pack(">I4s", size, b"mdat") + bytes(64)


def mp4_nest(depth: int) -> bytes:
    inner = b"".join(struct.pack(">I4s", 8 * (depth - level), b"moov") for level in range(depth))
    return media.ftyp() + inner + media.box(b"mdat", bytes(8))


def mp4_stsz(n: int) -> bytes:
    stsz = media.box(b"stsz", struct.pack(">III", 0, 0, n))
    return media.ftyp() + media.moov(media.trak(b"vide", w=8, h=8, tables=stsz)) + media.box(b"mdat", bytes(8))


def mp4_mvhd(duration: int) -> bytes:
    mvhd = media.box(b"mvhd", struct.pack(">IQQIQ", 1 << 24, 0, 0, 1_000, duration), bytes(80))
    moov = media.box(b"moov", mvhd, media.trak(b"vide", w=8, h=8))
    return media.ftyp() + moov + media.box(b"mdat", bytes(8))


def ebml_unknown(depth: int) -> bytes:
    return media.ebml_head(b"matroska") + (b"\x18\x53\x80\x67\x01" + b"\xff" * 7) * depth


def avi_idx1(n: int) -> bytes:
    """Entries of 16 bytes each: more than a chunk's length can say, so it says as much as it can."""
    return media.avi(after=b"idx1" + struct.pack("<I", min(16 * n, 0xFFFFFFF0)))


def wav_header(rate: int, channels: int) -> bytes:
    return media.wav(rate=8_000).replace(struct.pack("<HI", 1, 8_000), struct.pack("<HI", channels, rate), 1)


def id3(size: int) -> bytes:
    return media.id3(size) + media.mp3()


def id3_apic(mime: str) -> bytes:
    picture = b"\0" + mime.encode() + b"\0\x03\0<script>alert(1)</script>"
    return media.mp3(tag=media.id3(content=b"APIC" + struct.pack(">IH", len(picture), 0) + picture))


def concat(parts: list[str]) -> bytes:
    pieces = {
        "jpeg": media.jpeg(),
        "png": media.png(),
        "zip": b"PK\x05\x06" + bytes(18),
        "html": b"<!doctype html><script>alert(1)</script>",
    }
    return b"".join(pieces[part] for part in parts)


BUILDERS: dict[str, tuple[str, Callable[..., bytes]]] = {
    "png": ("png", media.png),
    "png_header": ("png", png_header),
    "png_iccp": ("png", png_iccp),
    "png_idat_bomb": ("png", png_idat_bomb),
    "png_chunks": ("png", png_chunks),
    "apng": ("png", media.apng),
    "gif_header": ("gif", gif_header),
    "jpeg_exif": ("jpg", jpeg_exif),
    "mp4_box64": ("mp4", mp4_box64),
    "mp4_box": ("mp4", mp4_box),
    "mp4_nest": ("mp4", mp4_nest),
    "mp4_stsz": ("mp4", mp4_stsz),
    "mp4_mvhd": ("mp4", mp4_mvhd),
    "ebml_unknown": ("mkv", ebml_unknown),
    "avi_idx1": ("avi", avi_idx1),
    "wav_header": ("wav", wav_header),
    "id3": ("mp3", id3),
    "id3_apic": ("mp3", id3_apic),
}
"""By the name a case uses: the extension that the bytes pretend to, and their maker."""
