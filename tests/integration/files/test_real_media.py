"""Files as real encoders write them, in every accepted format."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image

from reelqueue.files.formats import MediaInfo
from reelqueue.files.limits import FileLimits
from reelqueue.files.mp4 import VideoInfo, inspect_mp4
from reelqueue.files.sniff import inspect

W, H, FPS, RATE = 96, 54, 10, 44_100


def look(content: bytes, extension: str) -> MediaInfo:
    return inspect(io.BytesIO(content), len(content), extension=extension, limits=FileLimits())


def picture(extension: str, *, frames: int = 1, **options: object) -> bytes:
    out = io.BytesIO()
    images = [Image.new("RGB", (W, H), (40 * number, 90, 200)) for number in range(frames)]
    more = {"save_all": True, "append_images": images[1:]} if frames > 1 else {}
    images[0].save(out, {"jpg": "jpeg"}.get(extension, extension), **more, **options)
    return out.getvalue()


def recorded(
    path: Path, container: str, *, video: str | None = None, audio: str | None = None, **options: str
) -> bytes:
    """One second of grey and silence."""
    rate = 48_000 if audio == "libopus" else RATE
    with av.open(str(path), "w", format=container, options=options) as file:
        pictures = file.add_stream(video, rate=FPS) if video else None
        sounds = file.add_stream(audio, rate=rate, layout="mono") if audio else None  # before anything is muxed
        if pictures:
            pictures.width, pictures.height, pictures.pix_fmt = W, H, "yuv420p"
            for frame in (*grey(), None):
                file.mux(pictures.encode(frame))
        if sounds:
            resampler = av.AudioResampler(sounds.format, "mono", rate, sounds.codec_context.frame_size or None)
            for sound in (*silence(rate), None):
                for fitted in resampler.resample(sound):
                    file.mux(sounds.encode(fitted))
            file.mux(sounds.encode(None))
    return path.read_bytes()


def grey() -> Iterator[av.VideoFrame]:
    for number in range(FPS):
        frame = av.VideoFrame(W, H, "yuv420p")
        for plane in frame.planes:
            plane.update(b"\x80" * plane.buffer_size)
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        yield frame


def silence(rate: int) -> Iterator[av.AudioFrame]:
    for start in range(0, rate, 1_000):
        sound = av.AudioFrame("s16", "mono", 1_000)
        sound.planes[0].update(bytes(sound.planes[0].buffer_size))
        sound.sample_rate, sound.pts, sound.time_base = rate, start, Fraction(1, rate)
        yield sound


@pytest.mark.parametrize(
    ("extension", "options"),
    [
        ("jpg", {}),
        ("jpeg", {"progressive": True, "exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}),
        ("png", {}),
        ("png", {"frames": 3}),
        ("gif", {}),
        ("gif", {"frames": 3}),
        ("webp", {}),
        ("webp", {"lossless": True}),
        ("webp", {"frames": 3}),
    ],
)
def test_pictures(extension: str, options: dict[str, object]):
    frames = options.get("frames", 1)
    content = picture("jpg" if extension == "jpeg" else extension, **options)
    info = look(content, extension)
    assert (info.kind, info.width, info.height, info.frames) == ("image", W, H, frames)
    assert look(content, "").media_type == info.media_type


@pytest.mark.parametrize(
    ("extension", "container", "options"),
    [
        ("mp4", "mp4", {"video": "libx264", "audio": "aac"}),
        ("mp4", "mp4", {"video": "libx264", "movflags": "+faststart"}),
        ("mp4", "mp4", {"video": "libx264", "movflags": "frag_keyframe+empty_moov"}),
        ("mov", "mov", {"video": "mpeg4", "audio": "aac"}),
        ("avi", "avi", {"video": "mpeg4", "audio": "libmp3lame"}),
        ("webm", "webm", {"video": "libvpx", "audio": "libopus"}),
        ("webm", "webm", {"video": "libvpx-vp9", "live": "1"}),
        ("mkv", "matroska", {"video": "libx264", "audio": "aac"}),
    ],
)
def test_videos(extension: str, container: str, options: dict[str, str], tmp_path: Path):
    content = recorded(tmp_path / "out", container, **options)
    info = look(content, extension)
    assert (info.kind, info.extension, info.width, info.height) == ("video", extension, W, H)
    if "movflags" not in options and "live" not in options:
        assert info.duration_ms == pytest.approx(1_000, abs=150)
    assert look(content, "").extension == extension


@pytest.mark.parametrize(
    ("extension", "container", "codec"),
    [("mp3", "mp3", "libmp3lame"), ("wav", "wav", "pcm_s16le"), ("m4a", "ipod", "aac"), ("aac", "adts", "aac")],
)
def test_sounds(extension: str, container: str, codec: str, tmp_path: Path):
    content = recorded(tmp_path / "out", container, audio=codec)
    info = look(content, extension)
    assert (info.kind, info.extension) == ("audio", extension)
    if extension != "aac":
        assert info.duration_ms == pytest.approx(1_000, abs=150)
    assert look(content, "").extension == extension


def test_a_finished_video(tmp_path: Path):
    content = recorded(tmp_path / "out", "mp4", video="libx264", audio="aac")
    info = inspect_mp4(io.BytesIO(content), len(content))
    assert (info.width, info.height, info.container) == (W, H, "mp4")
    assert info.duration_ms == pytest.approx(1_000, abs=150)


def test_a_finished_video_in_fragments(tmp_path: Path):
    content = recorded(tmp_path / "out", "mp4", video="libx264", movflags="frag_keyframe+empty_moov")
    assert inspect_mp4(io.BytesIO(content), len(content)) == VideoInfo(0, W, H)
