"""Small valid media files of every accepted format, made from nothing: headers are real, pictures and sound are not."""

from __future__ import annotations

import struct
import zlib

# --- PNG ----------------------------------------------------------------------------------------------------------

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_head(w: int, h: int, *, bits: int = 8, colour: int = 0) -> bytes:
    return PNG_SIGNATURE + png_chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, bits, colour, 0, 0, 0))


def png(w: int = 8, h: int = 8, *, bits: int = 8, between: bytes = b"") -> bytes:
    """A grey picture, all black. `between` goes before the picture data."""
    row = 1 + (w * bits + 7) // 8
    data = zlib.compressobj(1)
    packed = b"".join(data.compress(b"\0" * row * rows) for rows in [1000] * (h // 1000) + [h % 1000]) + data.flush()
    return png_head(w, h, bits=bits) + between + png_chunk(b"IDAT", packed) + png_chunk(b"IEND")


def apng(w: int = 8, h: int = 8, *, frames: int = 3, declared: int | None = None) -> bytes:
    picture = zlib.compress(b"\0" * (1 + w) * h)
    parts = [png_head(w, h), png_chunk(b"acTL", struct.pack(">II", frames if declared is None else declared, 0))]
    control = struct.pack(">IIIIHHBB", w, h, 0, 0, 1, 10, 0, 0)
    for number in range(frames):
        parts.append(png_chunk(b"fcTL", struct.pack(">I", 2 * number) + control))
        if number == 0:
            parts.append(png_chunk(b"IDAT", picture))
        else:
            parts.append(png_chunk(b"fdAT", struct.pack(">I", 2 * number + 1) + picture))
    return b"".join([*parts, png_chunk(b"IEND")])


# --- GIF, JPEG ----------------------------------------------------------------------------------------------------


def gif(w: int = 8, h: int = 8, *, frames: int = 1, trailer: bytes = b";", magic: bytes = b"GIF89a") -> bytes:
    table = bytes(6)
    frame = b"!\xf9\x04" + bytes(4) + b"\0" + b"," + struct.pack("<HHHHB", 0, 0, w, h, 0) + b"\x02\x02\x4c\x01\0"
    return magic + struct.pack("<HHBBB", w, h, 0x80, 0, 0) + table + frame * frames + trailer


def jpeg_segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", 2 + len(data)) + data


def jpeg(w: int = 8, h: int = 8, *, before: bytes = b"", scan: bytes = b"\x2a\x7f") -> bytes:
    """`before` goes between the JFIF header and the frame header."""
    app0 = jpeg_segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0")
    frame = jpeg_segment(0xC0, struct.pack(">BHHB", 8, h, w, 1) + b"\x01\x11\0")
    tables = jpeg_segment(0xDB, bytes(65)) + jpeg_segment(0xC4, bytes(29))
    return b"\xff\xd8" + app0 + before + tables + frame + jpeg_segment(0xDA, b"\x01\x01\0\0\x3f\0") + scan + b"\xff\xd9"


# --- RIFF: WebP, WAV, AVI -----------------------------------------------------------------------------------------


def riff_chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1)


def riff(form: bytes, *chunks: bytes) -> bytes:
    return riff_chunk(b"RIFF", form + b"".join(chunks))


def riff_list(kind: bytes, *chunks: bytes) -> bytes:
    return riff_chunk(b"LIST", kind + b"".join(chunks))


def webp(w: int = 8, h: int = 8) -> bytes:
    return riff(b"WEBP", riff_chunk(b"VP8 ", b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", w, h) + bytes(6)))


def webp_lossless(w: int = 8, h: int = 8) -> bytes:
    return riff(b"WEBP", riff_chunk(b"VP8L", b"\x2f" + struct.pack("<I", (w - 1) | (h - 1) << 14) + bytes(5)))


def webp_animated(w: int = 8, h: int = 8, *, frames: int = 3) -> bytes:
    canvas = b"\x02\0\0\0" + (w - 1).to_bytes(3, "little") + (h - 1).to_bytes(3, "little")
    frame = riff_chunk(b"ANMF", bytes(16) + riff_chunk(b"VP8L", b"\x2f" + bytes(9)))
    return riff(b"WEBP", riff_chunk(b"VP8X", canvas), riff_chunk(b"ANIM", bytes(6)), *[frame] * frames)


def wav(*, rate: int = 8_000, channels: int = 1, seconds: float = 0.5) -> bytes:
    samples = bytes(int(rate * seconds) * channels * 2)
    head = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    return riff(b"WAVE", riff_chunk(b"fmt ", head), riff_chunk(b"data", samples))


def avi_stream(kind: bytes = b"vids") -> bytes:
    return riff_list(b"strl", riff_chunk(b"strh", kind + b"H264" + bytes(48)), riff_chunk(b"strf", bytes(40)))


def avi(w: int = 64, h: int = 36, *, streams: tuple[bytes, ...] = (b"vids",), after: bytes = b"") -> bytes:
    """One second at 25 frames. `after` goes behind the picture data."""
    main = struct.pack("<14I", 40_000, 0, 0, 0x10, 25, 0, len(streams), 0, w, h, 0, 0, 0, 0)
    headers = riff_list(b"hdrl", riff_chunk(b"avih", main), *[avi_stream(kind) for kind in streams])
    return riff(b"AVI ", headers, riff_list(b"movi", riff_chunk(b"00dc", bytes(40))), after)


# --- ISO base media: MP4, MOV, M4A --------------------------------------------------------------------------------


def box(kind: bytes, *data: bytes) -> bytes:
    body = b"".join(data)
    return struct.pack(">I", 8 + len(body)) + kind + body


def ftyp(major: bytes = b"isom", *compatible: bytes) -> bytes:
    return box(b"ftyp", major, b"\0\0\x02\0", *compatible)


_IDENTITY = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
QUARTER_TURN = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
OWN_FILE = box(b"url ", b"\0\0\0\x01")


def trak(
    handler: bytes,
    *,
    w: int = 0,
    h: int = 0,
    ms: int = 1_000,
    matrix: bytes = _IDENTITY,
    reference: bytes = OWN_FILE,
    tables: bytes = b"",
) -> bytes:
    size = struct.pack(">II", w << 16, h << 16)
    tkhd = box(b"tkhd", struct.pack(">IIIIII", 7, 0, 0, 1, 0, ms), bytes(16), matrix, size)
    mdhd = box(b"mdhd", struct.pack(">IIIII", 0, 0, 0, 1_000, ms), bytes(4))
    hdlr = box(b"hdlr", bytes(8), handler, bytes(13))
    dinf = box(b"dinf", box(b"dref", struct.pack(">II", 0, 1), reference))
    stbl = box(b"stbl", box(b"stsd", bytes(8)), tables)
    return box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, box(b"minf", dinf, stbl)))


def mvhd(ms: int = 1_000) -> bytes:
    return box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1_000, ms), bytes(80))


def moov(*traks: bytes, ms: int = 1_000) -> bytes:
    return box(b"moov", mvhd(ms), *traks)


def mp4(
    w: int = 64, h: int = 36, *, ms: int = 1_000, head: bytes | None = None, matrix: bytes = _IDENTITY, media: int = 64
) -> bytes:
    traks = trak(b"vide", w=w, h=h, ms=ms, matrix=matrix), trak(b"soun", ms=ms)
    return (ftyp(b"isom", b"mp42") if head is None else head) + moov(*traks, ms=ms) + box(b"mdat", bytes(media))


def mov(w: int = 64, h: int = 36, *, ms: int = 1_000) -> bytes:
    return mp4(w, h, ms=ms, head=ftyp(b"qt  ", b"qt  ") + box(b"wide"))


def m4a(*, ms: int = 1_000, brand: bytes = b"M4A ") -> bytes:
    return ftyp(brand, b"isom") + moov(trak(b"soun", ms=ms), ms=ms) + box(b"mdat", bytes(64))


# --- EBML: WebM, Matroska -----------------------------------------------------------------------------------------


def ebml(kind: int, *data: bytes, open_length: bool = False) -> bytes:
    body = b"".join(data)
    length = b"\x01" + b"\xff" * 7 if open_length else (len(body) | 1 << 56).to_bytes(8, "big")
    return kind.to_bytes((kind.bit_length() + 7) // 8, "big") + length + body


def ebml_head(doc_type: bytes) -> bytes:
    return ebml(0x1A45DFA3, ebml(0x4286, b"\x01"), ebml(0x4282, doc_type))


def ebml_track(kind: int = 1, *, w: int = 64, h: int = 36) -> bytes:
    video = ebml(0xE0, ebml(0xB0, w.to_bytes(2, "big")), ebml(0xBA, h.to_bytes(2, "big"))) if kind == 1 else b""
    return ebml(0xAE, ebml(0xD7, b"\x01"), ebml(0x83, bytes((kind,))), video)


def matroska(doc_type: bytes = b"matroska", *, w: int = 64, h: int = 36, live: bool = False, kind: int = 1) -> bytes:
    """One second. `live` leaves lengths open, as a recorder in a browser does."""
    info = ebml(0x1549A966, ebml(0x2AD7B1, b"\x0f\x42\x40"), ebml(0x4489, struct.pack(">d", 1_000.0)))
    tracks = ebml(0x1654AE6B, ebml_track(2), ebml_track(kind, w=w, h=h))
    cluster = ebml(0x1F43B675, ebml(0xE7, b"\0"), ebml(0xA3, bytes(40)), open_length=live)
    return ebml_head(doc_type) + ebml(0x18538067, info, tracks, cluster, open_length=live)


def webm(w: int = 64, h: int = 36, *, live: bool = False) -> bytes:
    return matroska(b"webm", w=w, h=h, live=live)


# --- MPEG audio ---------------------------------------------------------------------------------------------------


def id3(size: int | None = None, content: bytes = b"") -> bytes:
    """An ID3v2.3 tag; `size` is what its header claims."""
    claimed = len(content) if size is None else size
    return b"ID3\x03\0\0" + bytes(claimed >> shift & 0x7F for shift in (21, 14, 7, 0)) + content


def mp3(*, frames: int = 10, tag: bytes = b"") -> bytes:
    """128 kbit/s at 44,100 Hz: 417 bytes a frame."""
    return tag + (b"\xff\xfb\x90\xc0" + bytes(413)) * frames


def aac(*, frames: int = 10, payload: int = 100) -> bytes:
    length = 7 + payload
    head = bytes((0xFF, 0xF1, 0x50, 0x80 | length >> 11, length >> 3 & 0xFF, (length & 7) << 5 | 0x1F, 0xFC))
    return (head + bytes(payload)) * frames


SAMPLES = {
    "mp4": mp4,
    "mov": mov,
    "avi": avi,
    "webm": webm,
    "mkv": matroska,
    "jpg": jpeg,
    "jpeg": jpeg,
    "png": png,
    "gif": gif,
    "webp": webp,
    "mp3": mp3,
    "wav": wav,
    "m4a": m4a,
    "aac": aac,
}
"""A maker of the smallest useful file, by extension."""
