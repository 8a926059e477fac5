"""The check of a finished video."""

from __future__ import annotations

import io

import pytest

from fakes import media
from reelqueue.errors import ResultUnusable
from reelqueue.files.mp4 import VideoInfo, inspect_mp4


def look(content: bytes) -> VideoInfo:
    return inspect_mp4(io.BytesIO(content), len(content))


def test_a_complete_video():
    assert look(media.mp4(1080, 1920, ms=27_600)) == VideoInfo(27_600, 1080, 1920, "mp4")


def test_a_fragmented_video_may_leave_its_length_out():
    header = media.moov(media.trak(b"vide", w=8, h=8, ms=0), ms=0)
    assert look(media.ftyp() + header + media.box(b"moof", bytes(8)) + media.box(b"mdat", b"x")).duration_ms == 0


def test_a_download_that_broke_off_anywhere():
    whole = media.mp4(media=200)
    for length in range(len(whole)):
        with pytest.raises(ResultUnusable):
            look(whole[:length])


def test_bytes_after_the_end():
    with pytest.raises(ResultUnusable):
        look(media.mp4() + b"\0" * 7)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!doctype html><title>403</title>",
        b'{"code":4040}',
        media.png(),
        media.webm(),
        media.m4a(),
        media.mp4(0, 0),
        media.mp4(ms=0),
        media.mp4(media=0),
        media.mp4(head=b""),
        media.ftyp() + media.box(b"mdat", bytes(100)),
        media.ftyp() + media.moov(media.trak(b"vide", w=8, h=8)),
    ],
)
def test_what_is_no_video(content: bytes):
    with pytest.raises(ResultUnusable) as caught:
        look(content)
    assert caught.value.code == "upstream_result_unusable"
