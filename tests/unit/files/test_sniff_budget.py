"""Whatever the bytes, looking at them ends in an answer, and soon."""

from __future__ import annotations

import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fakes import hostile_media, media
from reelqueue.errors import ReelqueueError
from reelqueue.files.formats import FORMATS
from reelqueue.files.limits import FileLimits
from reelqueue.files.mp4 import inspect_mp4
from reelqueue.files.sniff import inspect
from reelqueue.files.sniff.window import BASE_STEPS, BYTES_PER_STEP, MAX_READ, PAGE, Broken, Window

LIMITS = FileLimits()
EXTENSIONS = st.sampled_from(["", *FORMATS])
WHOLE = [make() for make in media.SAMPLES.values()] + [
    media.apng(),
    media.webp_animated(),
    media.webp_lossless(),
    media.webm(live=True),
    media.mp3(tag=media.id3(content=bytes(100))),
]


class Metered(io.BytesIO):
    """A file that counts what is read from it."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.reads = 0
        self.largest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size >= 0, "the rest of a file is never asked for"
        self.reads += 1
        self.largest = max(self.largest, size)
        return super().read(size)


def look(content: bytes, extension: str) -> Metered:
    file = Metered(content)
    try:
        inspect(file, len(content), extension=extension, limits=LIMITS)
    except ReelqueueError as error:
        assert error.blame == "caller"  # noqa: PT017 - both outcomes are fine, other errors are not
    return file


def mutated(draw: st.DrawFn) -> bytes:
    content = bytearray(draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, len(content) - 1))
        # Headers lie at the front, and lengths are where it hurts.
        at = at if draw(st.booleans()) else at % 64 % len(content)
        content[at] = draw(st.sampled_from([0, 1, 7, 8, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    tail = draw(st.binary(max_size=32))
    return bytes(content[: draw(st.integers(1, len(content)))]) + tail if draw(st.booleans()) else bytes(content) + tail


@settings(max_examples=500, deadline=None)
@given(st.composite(mutated)(), EXTENSIONS)
def test_mutated_files(content: bytes, extension: str):
    file = look(content, extension)
    assert file.reads <= BASE_STEPS + len(content) // BYTES_PER_STEP
    assert file.largest <= MAX_READ


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(
        [b"", b"\xff\xd8\xff", b"GIF89a", b"RIFF\x40\0\0\0WEBP", b"\x1a\x45\xdf\xa3", b"\0\0\0\x10ftyp", b"ID3"]
    ),
    st.binary(max_size=400),
    EXTENSIONS,
)
@example(b"", b"\0\0\0\x14ftyp\0\0\0\0\0\0\0\0\0\0\0\0" + media.mp4(head=b""), "")
def test_random_files(start: bytes, rest: bytes, extension: str):
    look(start + rest, extension)


@settings(max_examples=200, deadline=None)
@given(st.composite(mutated)())
def test_a_result_is_judged_as_calmly(content: bytes):
    file = Metered(content)
    try:
        inspect_mp4(file, len(content))
    except ReelqueueError as error:
        assert error.code == "upstream_result_unusable"  # noqa: PT017 - as above
    assert file.reads <= BASE_STEPS + len(content) // BYTES_PER_STEP


@pytest.mark.parametrize(
    ("content", "extension"),
    [
        (hostile_media.png_chunks(300_000), "png"),
        (b"\xff\xd8\xff" + b"\xff\x01" * 1_000_000, "jpg"),
        (b"\xff\xd8" + b"\xff" * 2_000_000, "jpg"),
        (media.gif(trailer=bytes(2_000_000)), "gif"),
        (media.gif(trailer=b"!\xff" + b"\x01\x00" * 1_000_000), "gif"),
        (media.riff(b"AVI ", media.riff_chunk(b"JUNK", b"") * 250_000), "avi"),
        (media.riff(b"WAVE", media.riff_chunk(b"JUNK", b"") * 250_000), "wav"),
        (media.ftyp() + media.box(b"free") * 250_000, "mp4"),
        (
            media.ftyp() + media.moov(media.trak(b"vide"), media.box(b"free") * 250_000) + media.box(b"mdat", b"x"),
            "mp4",
        ),
        (media.ebml_head(b"webm") + b"\x18\x53\x80\x67\x01" + b"\xff" * 7 + b"\xec\x80" * 1_000_000, "webm"),
    ],
)
def test_a_file_of_a_million_parts_is_given_up_on(content: bytes, extension: str, monkeypatch: pytest.MonkeyPatch):
    steps = 0
    real = Window.at

    def at(window: Window, offset: int, count: int) -> bytes:
        nonlocal steps
        steps += 1
        return real(window, offset, count)

    monkeypatch.setattr(Window, "at", at)
    with pytest.raises(ReelqueueError):
        inspect(io.BytesIO(content), len(content), extension=extension, limits=LIMITS)
    assert steps <= BASE_STEPS + len(content) // BYTES_PER_STEP + 1


class TestWindow:
    def test_it_gives_exactly_what_was_asked_for(self):
        content = bytes(range(256)) * 64
        window = Window(io.BytesIO(content), len(content))
        for offset, count in [(0, 4), (5_000, 10), (4_990, 30), (100, 1), (0, PAGE + 1), (len(content) - 1, 1), (7, 0)]:
            assert window.at(offset, count) == content[offset : offset + count]

    @pytest.mark.parametrize(("offset", "count"), [(-1, 1), (0, 101), (100, 1), (99, 2), (0, MAX_READ + 1), (2**70, 1)])
    def test_it_ends_where_the_file_ends(self, offset: int, count: int):
        with pytest.raises(Broken, match="cut off"):
            Window(io.BytesIO(bytes(100)), 100).at(offset, count)

    def test_a_file_shorter_than_it_was_said_to_be(self):
        with pytest.raises(Broken, match="cut off"):
            Window(io.BytesIO(bytes(10)), 100).at(8, 4)

    def test_neighbours_cost_one_read(self):
        file = Metered(bytes(PAGE))
        window = Window(file, PAGE)
        for offset in range(0, PAGE, 8):
            window.at(offset, 8)
        assert file.reads == 1

    def test_the_budget(self):
        window = Window(io.BytesIO(bytes(BYTES_PER_STEP)), BYTES_PER_STEP)
        for _ in range(BASE_STEPS + 1):
            window.at(0, 1)
        with pytest.raises(Broken, match="more parts"):
            window.at(0, 1)
