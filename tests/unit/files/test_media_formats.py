"""The thirteen formats, by content."""

from __future__ import annotations

import io
import struct
from dataclasses import replace

import pytest

from fakes import hostile_media, media
from reelqueue.errors import (
    FileContentMismatch,
    FileEmpty,
    FileTypeNotAllowed,
    ImageTooManyFrames,
    ImageTooManyPixels,
    ReelqueueError,
)
from reelqueue.files.formats import FORMATS, TAKEN, MediaInfo, extension_of_media_type, same_format
from reelqueue.files.limits import FileLimits
from reelqueue.files.sniff import HEAD, check_head, inspect

LIMITS = FileLimits()
EXPECTED = {
    "mp4": MediaInfo("video", "video/mp4", "mp4", 64, 36, None, 1_000),
    "mov": MediaInfo("video", "video/quicktime", "mov", 64, 36, None, 1_000),
    "avi": MediaInfo("video", "video/x-msvideo", "avi", 64, 36, None, 1_000),
    "webm": MediaInfo("video", "video/webm", "webm", 64, 36, None, 1_000),
    "mkv": MediaInfo("video", "video/x-matroska", "mkv", 64, 36, None, 1_000),
    "jpg": MediaInfo("image", "image/jpeg", "jpg", 8, 8, 1),
    "jpeg": MediaInfo("image", "image/jpeg", "jpeg", 8, 8, 1),
    "png": MediaInfo("image", "image/png", "png", 8, 8, 1),
    "gif": MediaInfo("image", "image/gif", "gif", 8, 8, 1),
    "webp": MediaInfo("image", "image/webp", "webp", 8, 8, 1),
    "mp3": MediaInfo("audio", "audio/mpeg", "mp3", duration_ms=261),
    "wav": MediaInfo("audio", "audio/wav", "wav", duration_ms=500),
    "m4a": MediaInfo("audio", "audio/mp4", "m4a", duration_ms=1_000),
    "aac": MediaInfo("audio", "audio/aac", "aac"),
}


def look(content: bytes, extension: str = "", limits: FileLimits = LIMITS) -> MediaInfo:
    return inspect(io.BytesIO(content), len(content), extension=extension, limits=limits)


def refusal(content: bytes, extension: str = "") -> str:
    with pytest.raises(FileContentMismatch) as caught:
        look(content, extension)
    return caught.value.message


@pytest.mark.parametrize("extension", FORMATS)
def test_each_format_is_known(extension: str):
    assert look(media.SAMPLES[extension](), extension) == EXPECTED[extension]


@pytest.mark.parametrize("extension", [extension for extension in FORMATS if extension != "jpeg"])
def test_each_format_is_found_without_an_extension(extension: str):
    assert look(media.SAMPLES[extension]()) == EXPECTED[extension]


@pytest.mark.parametrize("extension", [*TAKEN, "pdf"])
def test_content_decides_whatever_the_name_says(extension: str):
    for own in FORMATS:
        expected = EXPECTED[own]
        if same_format(own, extension):
            expected = replace(expected, extension=extension)
        elif own == "jpeg":
            expected = EXPECTED["jpg"]
        assert look(media.SAMPLES[own](), extension) == expected


@pytest.mark.parametrize("extension", FORMATS)
def test_an_empty_file(extension: str):
    with pytest.raises(FileEmpty):
        look(b"", extension)


def test_an_extension_that_is_not_listed_is_named_if_the_content_is_not_either():
    for content in (b"", b"%PDF-1.7"):
        with pytest.raises(FileTypeNotAllowed):
            look(content, "pdf")
    assert "usable file: it is cut off" in refusal(media.png()[:-1], "pdf")


@pytest.mark.parametrize("extension", ["", "pdf", "png", "heic"])
@pytest.mark.parametrize("content", [bytes(40), b"%PDF-1.7" + bytes(40), b"MZ" * 20])
def test_the_first_bytes_are_refused_as_the_whole_is(content: bytes, extension: str):
    with pytest.raises(ReelqueueError) as early:
        check_head(content[:HEAD], extension)
    with pytest.raises(type(early.value)) as late:
        look(content, extension)
    assert (late.value.message, late.value.detail) == (early.value.message, early.value.detail)


@pytest.mark.parametrize("extension", FORMATS)
def test_the_first_bytes_of_each_format_pass(extension: str):
    check_head(media.SAMPLES[extension]()[:HEAD], "pdf")


def test_unknown_content_without_an_extension():
    with pytest.raises(FileTypeNotAllowed):
        look(b"plain text, of no format at all")


@pytest.mark.parametrize("extension", sorted(set(FORMATS) - {"gif", "jpg", "jpeg", "mp3", "aac"}))
def test_a_file_cut_anywhere_is_refused(extension: str):
    whole = media.SAMPLES[extension]()
    for length in range(1, len(whole)):
        with pytest.raises(ReelqueueError):
            look(whole[:length], extension)


@pytest.mark.parametrize(("extension", "least"), [("gif", 19), ("jpg", 146), ("mp3", 417), ("aac", 107)])
def test_what_players_take_although_it_was_cut(extension: str, least: int):
    """A GIF that ends between two blocks, a JPEG's scan cut short, a stream of frames that ends anywhere."""
    whole = media.SAMPLES[extension]()
    accepted = [length for length in range(1, len(whole)) if _accepted(whole[:length], extension)]
    assert accepted[0] == least
    assert accepted[-1] == len(whole) - 1


def _accepted(content: bytes, extension: str) -> bool:
    try:
        look(content, extension)
    except ReelqueueError:
        return False
    return True


class TestPictures:
    def test_frames(self):
        assert look(media.apng(frames=5), "png").frames == 5
        assert look(media.gif(frames=7), "gif").frames == 7
        assert look(media.webp_animated(9, 5, frames=4), "webp") == MediaInfo("image", "image/webp", "webp", 9, 5, 4)

    def test_lossless_webp(self):
        assert look(media.webp_lossless(700, 300), "webp") == MediaInfo("image", "image/webp", "webp", 700, 300, 1)

    @pytest.mark.parametrize(
        ("content", "extension"),
        [
            (media.png_head(10_001, 10_000), "png"),
            (media.gif(10_001, 10_000), "gif"),
            (media.jpeg(10_001, 10_000), "jpg"),
            (media.webp(10_001, 10_000), "webp"),
            (media.webp_lossless(10_001, 10_000), "webp"),
            (media.webp_animated(10_001, 10_000), "webp"),
        ],
    )
    def test_too_many_pixels(self, content: bytes, extension: str):
        with pytest.raises(ImageTooManyPixels) as caught:
            look(content, extension)
        assert caught.value.detail == {"limit_pixels": 100_000_000}

    def test_a_gif_frame_larger_than_its_screen(self):
        screenless = media.gif(65_535, 65_535).replace(struct.pack("<HH", 65_535, 65_535), bytes(4), 1)
        with pytest.raises(ImageTooManyPixels):
            look(screenless, "gif")

    @pytest.mark.parametrize(
        ("content", "extension"),
        [
            (media.apng(frames=2_001), "png"),
            (media.apng(frames=2_001, declared=1), "png"),
            (media.apng(frames=1, declared=2_001), "png"),
            (media.gif(frames=2_001), "gif"),
            (media.webp_animated(frames=2_001), "webp"),
        ],
    )
    def test_too_many_frames(self, content: bytes, extension: str):
        with pytest.raises(ImageTooManyFrames) as caught:
            look(content, extension)
        assert caught.value.detail == {"limit_frames": 2_000}

    def test_at_the_limits(self):
        assert look(media.gif(frames=2_000), "gif").frames == 2_000
        assert look(media.webp(10_000, 10_000), "webp").width == 10_000

    def test_a_damaged_png_header(self):
        whole = bytearray(media.png())
        whole[20] ^= 1
        assert "header is damaged" in refusal(bytes(whole), "png")

    @pytest.mark.parametrize(("bits", "colour"), [(3, 0), (16, 3), (1, 2), (8, 1), (8, 7)])
    def test_an_impossible_png(self, bits: int, colour: int):
        head = media.png_head(8, 8, bits=bits, colour=colour)
        assert "pixel format" in refusal(head + media.png_chunk(b"IDAT", b"x") + media.png_chunk(b"IEND"), "png")

    def test_a_picture_without_a_picture(self):
        refusal(media.png_head(8, 8) + media.png_chunk(b"IEND"), "png")
        refusal(media.riff(b"WEBP", media.riff_chunk(b"VP8X", bytes(10))), "webp")
        refusal(media.jpeg()[:20] + b"\xff\xd9", "jpg")

    def test_metadata_is_passed_over(self):
        exif = media.jpeg_segment(0xE1, b"Exif\0\0" + bytes(60_000)) * 3
        assert look(media.jpeg(before=exif), "jpg").width == 8
        assert look(media.png(between=media.png_chunk(b"tEXt", b"a\0b")), "png").width == 8

    def test_between_the_blocks_of_a_gif(self):
        assert look(media.gif(trailer=b"\0\0;"), "gif").frames == 1
        assert "between its blocks" in refusal(media.gif(trailer=b"<script>"), "gif")


@pytest.mark.parametrize(
    ("content", "extension"),
    [
        (media.riff(b"WEBP", media.webp()[12:], b"EXIF\x09\0\0\0x"), "webp"),
        (hostile_media.avi_idx1(2**28), "avi"),
        (media.riff(b"WAVE", b"LIST\xff\xff\0\0"), "wav"),
    ],
)
def test_a_chunk_that_reaches_out_of_its_file(content: bytes, extension: str):
    assert "cut off" in refusal(content, extension)


class TestMovies:
    def test_a_quarter_turn_swaps_the_sides(self):
        info = look(media.mp4(1920, 1080, matrix=media.QUARTER_TURN), "mp4")
        assert (info.width, info.height) == (1080, 1920)

    def test_old_quicktime_has_no_brand(self):
        assert look(media.mp4(head=media.box(b"wide")), "mp4").extension == "mov"

    def test_a_brand_for_both(self):
        both = media.mp4(head=media.ftyp(b"mp42", b"qt  "))
        assert {look(both, extension).extension for extension in ("mp4", "mov")} == {"mp4", "mov"}
        assert look(both).extension == "mp4"

    def test_sound_alone_is_m4a_whatever_its_brand(self):
        assert look(media.m4a(brand=b"mp42"), "m4a").kind == "audio"
        assert look(media.m4a(brand=b"mp42"), "mp4").extension == "m4a"

    def test_a_picture_in_an_m4a(self):
        assert look(media.mp4(head=media.ftyp(b"M4A ")), "m4a").kind == "audio"
        assert look(media.mp4(), "m4a").extension == "mp4"

    def test_a_still_picture_without_one_in_the_same_container(self):
        heic = media.ftyp(b"heic", b"mif1") + media.box(b"meta", bytes(4)) + media.box(b"mdat", bytes(40))
        assert "holds no picture" in refusal(heic, "mp4")

    def test_the_movie_header_may_come_last(self):
        header = media.moov(media.trak(b"vide", w=8, h=8))
        assert look(media.ftyp() + media.box(b"mdat", bytes(9)) + header, "mp4").duration_ms == 1_000

    def test_a_fragmented_file_without_a_length(self):
        header = media.moov(media.trak(b"vide", w=8, h=8, ms=0), ms=0)
        whole = media.ftyp() + header + media.box(b"moof", bytes(8)) + media.box(b"mdat", bytes(8))
        assert look(whole, "mp4").duration_ms is None

    @pytest.mark.parametrize("kind", [b"url ", b"alis", b"urn "])
    def test_samples_in_another_file(self, kind: bytes):
        reference = media.box(kind, b"\0\0\0\0", b"file:///etc/passwd\0")
        traks = media.trak(b"vide", w=8, h=8, reference=reference)
        assert "other files" in refusal(media.ftyp() + media.moov(traks) + media.box(b"mdat", b"x"), "mp4")

    def test_a_reference_movie(self):
        header = media.moov(media.trak(b"vide", w=8, h=8), media.box(b"rmra", bytes(8)))
        assert "other files" in refusal(media.ftyp(b"qt  ") + header + media.box(b"mdat", b"x"), "mov")

    def test_a_list_that_quicktime_ends_with_zeros(self):
        header = media.moov(media.trak(b"vide", w=8, h=8), media.box(b"udta", bytes(4)))
        assert look(media.ftyp(b"qt  ") + header + media.box(b"mdat", b"x"), "mov").width == 8

    def test_many_tracks(self):
        header = media.moov(*[media.trak(b"vide", w=8, h=8)] * 65)
        assert "more parts" in refusal(media.ftyp() + header + media.box(b"mdat", b"x"), "mp4")

    @pytest.mark.parametrize(
        "overlapping",
        [struct.pack(">I4s4s", 4, b"\0\0\0\x08", b"free"), struct.pack(">I4sQ4s", 1, b"free", 12, b"free")],
    )
    def test_a_box_that_ends_inside_its_own_head(self, overlapping: bytes):
        assert "smaller than its head" in refusal(media.mp4() + overlapping, "mp4")

    def test_no_pictures_in_it(self):
        refusal(media.ftyp() + media.moov(media.trak(b"text")) + media.box(b"mdat", b"x"), "mp4")
        refusal(media.mp4(0, 0), "mp4")
        refusal(media.mp4(media=0), "mp4")


class TestOtherVideo:
    def test_live_recordings_leave_lengths_open(self):
        assert look(media.webm(live=True), "webm").width == 64

    def test_matroska_without_video(self):
        refusal(media.matroska(kind=17), "mkv")
        refusal(media.matroska(w=0), "mkv")

    def test_another_document_type(self):
        assert "document type" in refusal(media.matroska(b"evil"), "mkv")

    def test_an_avi_with_a_text_stream(self):
        assert "text stream" in refusal(media.avi(streams=(b"vids", b"txts")), "avi")

    def test_an_avi_with_sound(self):
        assert look(media.avi(streams=(b"vids", b"auds")), "avi").width == 64
        refusal(media.avi(streams=(b"auds",)), "avi")


class TestSound:
    def test_a_wav_written_to_a_pipe(self):
        whole = bytearray(media.wav(seconds=1))
        for length in (0xFFFFFFFF, 0x7FFFF000, 0):
            whole[40:44] = struct.pack("<I", length)
            assert look(bytes(whole), "wav").duration_ms == 1_000

    def test_tags_before_an_mp3(self):
        tags = media.id3(content=bytes(5_000)) + media.id3(content=b"x" * 100) + bytes(3_000)
        assert look(media.mp3(tag=tags), "mp3").kind == "audio"

    @pytest.mark.parametrize(
        "payload", [b"\x7fELF" + bytes(600), b"<html>", media.png(), b"\xff\xfb\x90\xc0" + b"x" * 600]
    )
    def test_a_tag_before_something_else(self, payload: bytes):
        refusal(media.id3(content=bytes(50)) + payload, "mp3")

    def test_a_tag_before_aac(self):
        assert look(media.id3(content=b"x") + media.aac(), "aac").kind == "audio"

    def test_the_frame_count_an_encoder_left(self):
        first = bytearray(417)
        first[:4] = b"\xff\xfb\x90\xc0"
        first[21:33] = b"Xing\0\0\0\x01" + struct.pack(">I", 1_000)
        assert look(bytes(first) + media.mp3(), "mp3").duration_ms == round(1_000 * 1_152 / 44.1)

    def test_a_closing_tag(self):
        assert look(media.mp3(frames=2) + b"TAG" + bytes(125), "mp3").kind == "audio"

    @pytest.mark.parametrize("rest", [bytes(5_000), b"\x7fELF" * 1_000, media.aac(), media.mp3()[1:]])
    def test_one_frame_before_something_else(self, rest: bytes):
        assert "follow each other" in refusal(media.mp3(frames=1) + rest, "mp3")

    def test_layers_one_and_two(self):
        refusal(media.mp3().replace(b"\xff\xfb", b"\xff\xfd"), "mp3")


def test_wrong_claims_of_length_are_not_believed():
    assert look(hostile_media.mp4_mvhd(2**64 - 1), "mp4").duration_ms == 1_000
    assert look(hostile_media.mp4_mvhd(2**60), "mp4").duration_ms == 1_000


@pytest.mark.parametrize(
    ("media_type", "extension"),
    [("image/png", "png"), ("IMAGE/JPEG; q=1", "jpg"), ("audio/x-wav", "wav"), ("text/html", ""), (None, ""), ("", "")],
)
def test_media_types_of_servers(media_type: str | None, extension: str):
    assert extension_of_media_type(media_type) == extension
