"""Repairs of real pictures, by the real child process."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageSequence

from fakes import media
from fakes.workshops import (
    corners,
    leftovers,
    noise,
    opened,
    photograph,
    received,
    saved,
    see_through,
)
from reelqueue.domain.repairs import Measure, Repair
from reelqueue.errors import FileRefused, FileTooLarge, ImageTooManyPixels, ImageUnreadable, ReelqueueError
from reelqueue.files.limits import FileLimits
from reelqueue.files.repair.picture import TooManyPixels, shown
from reelqueue.files.spool import Spool

REPAIRED = ("heic", "avif", "tiff", "bmp")
SMALL = FileLimits(max_file_bytes=20_000, max_picture_bytes=5_000_000)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path)


def kept(spool: Spool, content: bytes, name: str, limits: FileLimits = FileLimits()) -> tuple[Image.Image, str]:  # noqa: B008
    """The picture as it is stored, and its label."""
    file = received(spool, name, content, limits=limits)
    return opened(file.spooled.path.read_bytes()), file.label


def near(image: Image.Image, at: tuple[int, int], colour: tuple[int, ...]) -> bool:
    """JPEG and chroma subsampling move a colour a little."""
    found = image.convert("RGB").getpixel(at)
    assert isinstance(found, tuple)
    return all(abs(one - other) < 24 for one, other in zip(found, colour, strict=True))


@pytest.mark.parametrize("ending", REPAIRED)
def test_an_opaque_picture_becomes_a_jpeg(ending: str, spool: Spool):
    file = received(spool, f"photo.{ending}", photograph(ending))
    assert (file.label, file.extension, file.info.media_type) == ("photo.jpg", "jpg", "image/jpeg")
    assert (file.info.width, file.info.height, file.info.frames) == (64, 48, 1)
    assert file.repairs == (
        Repair("converted", ending, "jpg"),
        Repair("renamed", f"photo.{ending}", "photo.jpg"),
    )
    image = opened(file.spooled.path.read_bytes())
    assert (image.format, image.mode) == ("JPEG", "RGB")
    assert near(image, (5, 5), (255, 0, 0))
    assert near(image, (60, 40), (0, 0, 255))


@pytest.mark.parametrize("ending", ["heic", "avif", "tiff"])
def test_a_picture_that_can_be_seen_through_becomes_a_png(ending: str, spool: Spool):
    image, label = kept(spool, saved(see_through(), ending), "logo")
    assert (label, image.format, image.mode) == ("logo.png", "PNG", "RGBA")
    assert image.getpixel((60, 5))[3] == 0
    assert image.getpixel((2, 2))[3] == 255
    assert near(image, (5, 5), (255, 0, 0))


def test_alpha_that_hides_nothing_is_no_reason_for_a_png(spool: Spool):
    image, _ = kept(spool, saved(corners(mode="RGBA"), "tiff"), "a.tif")
    assert (image.format, image.mode) == ("JPEG", "RGB")


def test_a_name_that_says_the_result_is_left_alone(spool: Spool):
    file = received(spool, "photo.JPG", photograph("heic"))
    assert (file.label, file.repairs) == ("photo.JPG", (Repair("converted", "heic", "jpg"),))


def test_a_name_that_says_another_format(spool: Spool):
    file = received(spool, "a/photo.jpg", media.png())
    assert (file.label, file.repairs) == ("photo.png", (Repair("renamed", "photo.jpg", "photo.png"),))
    nameless = received(spool, "", media.png())
    assert (nameless.label, nameless.repairs) == ("file.png", ())


@pytest.mark.parametrize("ending", REPAIRED)
def test_a_file_that_is_called_something_else_is_known(ending: str, spool: Spool):
    assert received(spool, "photo.png", photograph(ending)).repairs[0] == Repair("converted", ending, "jpg")


# --- orientation, colours, metadata -------------------------------------------------------------------------------


def exif(orientation: int) -> Image.Exif:
    told = Image.Exif()
    told[0x0112] = orientation
    told[0x010F] = "Secret Camera"
    told.get_ifd(0x8825)[1] = "N"
    return told


@pytest.mark.parametrize("ending", ["heic", "avif", "tiff"])
def test_it_is_turned_as_the_camera_was_held_and_tells_nothing_else(ending: str, spool: Spool):
    told = exif(6)
    options = {"exif": told.tobytes()} if ending != "tiff" else {"tiffinfo": {274: 6, 271: "Secret Camera"}}
    content = saved(corners(), ending, **options)
    file = received(spool, f"a.{ending}", content)
    assert b"Secret Camera" in content
    data = file.spooled.path.read_bytes()
    image = opened(data)
    assert image.size == (48, 64) == (file.info.width, file.info.height)
    assert near(image, (43, 5), (255, 0, 0))
    assert b"Secret" not in data
    assert b"Exif" not in data
    assert dict(image.getexif()) == {}


def test_an_oversize_jpeg_loses_its_metadata_too(spool: Spool):
    content = saved(noise(300, 200), "jpg", quality=95, exif=exif(8), comment=b"Secret words")
    file = received(spool, "a.jpg", content, limits=SMALL)
    data = file.spooled.path.read_bytes()
    assert opened(data).size[0] < opened(data).size[1]
    assert b"Secret" not in data
    (scaled,) = file.repairs
    assert (scaled.kind, scaled.before) == ("scaled", Measure(len(content), 200, 300))


def test_colours_are_brought_into_srgb_by_the_pictures_own_profile(spool: Spool):
    # In this profile the first channel is blue.
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"tmp ").replace(b"bXYZ", b"rXYZ").replace(b"tmp ", b"bXYZ")
    assert swapped != srgb
    for ending in ("tiff", "heic", "avif"):
        image, _ = kept(spool, saved(corners(), ending, icc_profile=swapped), "a")
        assert "icc_profile" not in image.info
        assert near(image, (60, 40), (255, 0, 0)), ending


def test_a_profile_that_cannot_be_read_is_left_out(spool: Spool):
    for profile in (b"nonsense", ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()):
        image, _ = kept(spool, saved(corners(), "tiff", icc_profile=profile), "a")
        assert near(image, (60, 40), (0, 0, 255))


@pytest.mark.parametrize(
    ("mode", "expected", "colour"),
    [
        ("CMYK", "RGB", (255, 0, 0)),
        ("LAB", "RGB", (255, 0, 0)),
        ("YCbCr", "RGB", (255, 0, 0)),
        ("P", "RGB", (255, 0, 0)),
        ("L", "L", (76, 76, 76)),
        ("1", "L", (0, 0, 0)),
    ],
)
def test_other_kinds_of_colour(mode: str, expected: str, colour: tuple[int, ...], spool: Spool):
    picture = corners()
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(picture, srgb, lab, outputMode="LAB")
        assert converted is not None
        picture = converted
    elif mode == "1":
        picture = picture.convert("L").point(lambda value: 0 if value > 50 else 255).convert("1")
    else:
        picture = picture.convert(mode)
    image, _ = kept(spool, saved(picture, "tiff"), "a.tif")
    assert image.mode == expected
    assert near(image, (5, 5), colour)


def test_a_palette_with_a_hole(spool: Spool):
    picture = corners().convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    hole = picture.getpixel((60, 40))
    assert isinstance(hole, int)
    content = saved(picture, "png", transparency=hole) + bytes(21_000)
    image, _ = kept(spool, content, "a.png", SMALL)
    assert (image.format, image.mode) == ("PNG", "RGBA")
    assert image.getpixel((60, 40))[3] == 0
    assert image.getpixel((5, 5))[3] == 255


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_finer_brightness(mode: str, spool: Spool):
    """Sixteen bits become eight by leaving out the lower ones; what has no bounds is stretched between its own."""
    ramp = Image.linear_gradient("L").convert("F").point(lambda value: value * 257 + 0)
    picture = ramp if mode == "F" else ramp.convert("I") if mode == "I" else ramp.convert("I").convert("I;16")
    image, _ = kept(spool, saved(picture, "tiff"), "a.tiff")
    assert image.mode == "L"
    for row in (0, 64, 128, 255):
        assert abs(image.getpixel((9, row)) - row) <= 3


def test_sixteen_bits_a_channel(spool: Spool):
    image, _ = kept(spool, rgb_tiff(8, 8, bits=16, pixel=struct.pack("<HHH", 65_535, 32_896, 0)), "a.tiff")
    assert near(image, (4, 4), (255, 128, 0))


def rgb_tiff(width: int, height: int, *, bits: int = 8, pixel: bytes = b"abc", subfile: int = 0) -> bytes:
    """A TIFF by hand: what Pillow does not write."""
    data = pixel * (min(width, 8) * min(height, 8))
    tags = [
        (254, 4, 1, subfile),
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, bits) if bits == 8 else (258, 3, 3, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, 14),
        (277, 3, 1, 3),
        (278, 4, 1, height),
        (279, 4, 1, len(data)),
    ]
    tags = [(258, 3, 3, 8) if tag == 258 else (tag, kind, count, value) for tag, kind, count, value in tags]
    start = 14 + len(data)
    entries = b"".join(struct.pack("<HHII", *one) for one in tags)
    return (
        b"II*\0"
        + struct.pack("<I", start)
        + struct.pack("<HHH", bits, bits, bits)
        + data
        + struct.pack("<H", len(tags))
        + entries
        + bytes(4)
    )


def test_the_first_of_several_pages(spool: Spool):
    pages = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green", "blue")]
    content = saved(pages[0], "tiff", save_all=True, append_images=pages[1:])
    assert len(list(ImageSequence.Iterator(Image.open(io.BytesIO(content))))) == 3
    image, _ = kept(spool, content, "scan.tif")
    assert near(image, (5, 5), (255, 0, 0))


# --- size ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "mode", "becomes"),
    [
        ("png", "RGB", "jpg"),
        ("png", "RGBA", "png"),
        ("jpg", "RGB", "jpg"),
        ("webp", "RGB", "jpg"),
        ("heic", "RGB", "jpg"),
    ],
)
def test_a_picture_over_the_limit_is_made_smaller(ending: str, mode: str, becomes: str, spool: Spool):
    options = {"lossless": True} if ending == "webp" else {"quality": 99} if ending in ("jpg", "heic") else {}
    content = saved(noise(240, 180, mode), ending, **options)
    assert len(content) > SMALL.max_file_bytes
    file = received(spool, f"a.{ending}", content, limits=SMALL)
    assert 5_000 < file.bytes <= SMALL.max_file_bytes
    assert file.extension == becomes
    image = opened(file.spooled.path.read_bytes())
    assert abs(image.width / image.height - 240 / 180) < 0.03
    scaled = next(one for one in file.repairs if one.kind == "scaled")
    assert scaled.before == Measure(len(content), 240, 180)
    assert scaled.after == Measure(file.bytes, image.width, image.height)
    assert image.width < 240
    assert [one.kind for one in file.repairs if one.kind == "converted"] == (["converted"] * (ending != becomes))


def test_writing_it_anew_may_be_enough(spool: Spool):
    content = saved(corners(200, 200), "bmp")
    assert len(content) > SMALL.max_file_bytes
    file = received(spool, "a.bmp", content, limits=SMALL)
    assert file.repairs[:2] == (
        Repair("converted", "bmp", "jpg"),
        Repair("scaled", Measure(len(content), 200, 200), Measure(file.bytes, 200, 200)),
    )


def test_a_side_that_no_jpeg_can_have(spool: Spool):
    file = received(spool, "a.bmp", saved(Image.new("RGB", (70_000, 20)), "bmp"))
    assert (file.info.width, file.info.height) == (65_500, 19)
    assert file.repairs[1].before == Measure(4_200_054, 70_000, 20)


def test_nothing_small_enough(spool: Spool):
    with pytest.raises(FileTooLarge) as caught:
        received(spool, "a.png", media.png(), limits=FileLimits(max_file_bytes=30, max_picture_bytes=9_000))
    assert caught.value.detail == {"limit_bytes": 30}


@pytest.mark.parametrize("content", [media.gif(frames=3), media.apng(frames=3), media.webp_animated(frames=3)])
def test_an_animation_over_the_limit_is_not_brought_to_a_standstill(content: bytes, spool: Spool):
    limits = FileLimits(max_file_bytes=len(content) - 1, max_picture_bytes=9_000)
    with pytest.raises(FileTooLarge):
        received(spool, "a.gif", content, limits=limits)


def test_what_needs_no_repair_starts_no_process(spool: Spool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("subprocess.Popen", None)
    content = saved(corners(), "png")
    file = received(spool, "a.png", content, limits=FileLimits(max_file_bytes=len(content)))
    assert (file.spooled.path.read_bytes(), file.repairs) == (content, ())
    assert received(spool, "a.mp4", media.mp4()).repairs == ()


# --- what must be refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", REPAIRED)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_a_picture_that_was_cut(ending: str, share: float, spool: Spool):
    content = saved(noise(64, 64), ending)
    with pytest.raises(ReelqueueError) as caught:
        received(spool, f"a.{ending}", content[: int(len(content) * share)])
    assert (caught.value.status, caught.value.code) in {(422, "file_content_mismatch"), (422, "image_unreadable")}


def test_a_header_that_says_more_than_the_limit_is_refused_without_a_process(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("subprocess.Popen", None)
    said, huge = struct.pack(">II", 64, 64), struct.pack(">II", 60_000, 60_000)
    heic, avif = (saved(corners(64, 64), ending).replace(said, huge) for ending in ("heic", "avif"))
    bmp = saved(corners(), "bmp").replace(struct.pack("<II", 64, 48), struct.pack("<Ii", 60_000, -60_000))
    for content in (heic, avif, bmp, rgb_tiff(60_000, 60_000), rgb_tiff(2**32 - 1, 2**32 - 1)):
        with pytest.raises(ImageTooManyPixels) as caught:
            received(spool, "a", content)
        assert caught.value.detail == {"limit_pixels": 100_000_000}


def test_a_header_that_says_less_than_there_is(spool: Spool):
    """What the decoder makes of it counts, not what the container says."""
    said, less = struct.pack(">II", 640, 640), struct.pack(">II", 64, 64)
    lying = saved(corners(640, 640), "heic").replace(said, less)
    with pytest.raises(FileRefused):
        received(spool, "a.heic", lying, limits=FileLimits(max_pixels=64 * 64))
    for ending in ("heic", "avif"):
        content = saved(corners(640, 640), ending)
        assert said in content
        with pytest.raises(TooManyPixels):
            shown(io.BytesIO(content), form=ending, max_pixels=640 * 640 - 1)


def test_pixels_are_counted_before_and_after_decoding(monkeypatch: pytest.MonkeyPatch):
    cut = saved(noise(64, 64), "png")[:200]
    with pytest.raises(TooManyPixels):
        shown(io.BytesIO(cut), form="png", max_pixels=64 * 64 - 1)
    with pytest.raises(OSError, match="truncated"):
        shown(io.BytesIO(cut), form="png", max_pixels=64 * 64)

    class Growing(Image.Image):
        def load(self) -> None:
            self._size = (64, 65)

    monkeypatch.setattr(Image, "open", lambda *_, **__: Growing())
    with pytest.raises(TooManyPixels):
        shown(io.BytesIO(), form="png", max_pixels=64 * 64)


def test_a_bomb_of_a_few_bytes(spool: Spool):
    """A page of nothing, 9,900 pixels square, in a TIFF of some thousand bytes: allowed, and small enough."""
    content = saved(Image.new("1", (9_900, 9_900)), "tiff", compression="group4")
    assert len(content) < 20_000
    assert received(spool, "a.tiff", content).info.width == 9_900
    with pytest.raises(ImageUnreadable):
        received(spool, "a.tiff", content, memory_bytes=268_435_456)


def test_a_preview_is_not_the_picture(spool: Spool):
    with pytest.raises(ReelqueueError, match="preview of something else"):
        received(spool, "a.tiff", rgb_tiff(8, 8, subfile=1))


SEEDS = {ending: photograph(ending) for ending in (*REPAIRED, "jpg", "png")}
CHANGES = st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Spool:
    return Spool(tmp_path_factory.mktemp("damaged"))


def answer(spool: Spool, name: str, content: bytes) -> int:
    """The status; 201 if the file is taken."""
    try:
        # Small, so that pictures of kept formats are decoded too.
        file = received(spool, name, content, limits=FileLimits(max_file_bytes=600, max_picture_bytes=50_000))
    except ReelqueueError as error:
        return error.status or 500
    file.spooled.discard()
    return 201


@settings(max_examples=40, deadline=None)
@given(ending=st.sampled_from(sorted(SEEDS)), changes=CHANGES, cut=st.integers(0, 400))
@example(ending="heic", changes=[(40, 255)], cut=0)
def test_damage_is_the_senders_fault_or_none(damaged: Spool, ending: str, changes: list[tuple[int, int]], cut: int):
    content = bytearray(SEEDS[ending])
    for at, value in changes:
        content[at % len(content)] = value
    sent = bytes(content[: len(content) - cut % len(content)])
    assert answer(damaged, f"a.{ending}", sent) in (201, 413, 415, 422)
    assert leftovers(damaged) == set()
