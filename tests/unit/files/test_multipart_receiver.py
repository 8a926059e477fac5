"""The form receiver."""

from __future__ import annotations

import hashlib
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fakes import media
from fakes.uploads import BOUNDARY, Upload, disposition, field_part, file_part, form, part
from fakes.workshops import receiver as open_receiver
from reelqueue.errors import (
    BodyTooLarge,
    FileContentMismatch,
    FileTooLarge,
    FileTypeNotAllowed,
    MediaTypeNotSupported,
    MultipartInvalid,
    ReelqueueError,
    ValidationFailed,
)
from reelqueue.files.limits import FileLimits
from reelqueue.files.received import ReceivedForm
from reelqueue.files.spool import Spool

LIMITS = FileLimits()
PNG = media.png()


def receive(upload: Upload, root: Path, *, limits: FileLimits = LIMITS, cuts: list[int] | None = None) -> ReceivedForm:
    edges = [0, *sorted({cut % (len(upload.body) + 1) for cut in cuts or []}), len(upload.body)]
    with open_receiver(upload.content_type, Spool(root), limits=limits) as receiver:
        for start, end in pairwise(edges):
            receiver.feed(upload.body[start:end])
        return receiver.finish()


def temporary(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_fields_and_files(tmp_path: Path):
    clip = media.mp4()
    upload = form(
        field_part("instruction", "animate this photo\r\nslowly — 慢慢地"),
        file_part("C:\\me\\photo.PNG", PNG),
        field_part("metadata", '{"a": 1}'),
        file_part("clip.mp4", clip, media_type="text/plain"),
        field_part("empty", ""),
    )
    with receive(upload, tmp_path) as received:
        assert received.fields == {
            "instruction": "animate this photo\r\nslowly — 慢慢地",
            "metadata": '{"a": 1}',
            "empty": "",
        }
        photo, video = received.files
        assert (photo.label, photo.extension, photo.bytes) == ("photo.PNG", "png", len(PNG))
        assert photo.sha256 == hashlib.sha256(PNG).hexdigest()
        assert photo.spooled.finished
        assert photo.spooled.path.read_bytes() == PNG
        assert (video.label, video.info.media_type) == ("clip.mp4", "video/mp4")
        assert video.spooled.path.read_bytes() == clip
        assert len(temporary(tmp_path)) == 2
    assert temporary(tmp_path) == []


def test_a_form_without_files(tmp_path: Path):
    assert receive(form(field_part("a", "1")), tmp_path) == ReceivedForm({"a": "1"}, ())
    assert receive(form(), tmp_path) == ReceivedForm({}, ())


def test_a_file_without_a_name_is_known_by_its_content(tmp_path: Path):
    nameless = part(PNG, f"Content-Disposition: {disposition('files')}")
    with receive(form(nameless, file_part("blob", media.webp())), tmp_path) as received:
        assert [file.label for file in received.files] == ["file.png", "blob.webp"]
    with pytest.raises(FileTypeNotAllowed):
        receive(form(part(b"some text", f"Content-Disposition: {disposition('files')}")), tmp_path)


# --- chunks -------------------------------------------------------------------------------------------------------

FRAGMENTS = [b"\r\n", b"--", b"\r", b"\r\n--" + BOUNDARY.encode()[:-1], b"-", b"\r\n--", b"x", PNG, b"\0" * 50]
CONTENT = st.lists(st.sampled_from(FRAGMENTS), max_size=6).map(b"".join)
NAMES = st.sampled_from(["a.png", "b.png", "é中.png", 'q"q.png', ".png", "", "x.gif", "a\r\nb.png"])
PARTS = st.one_of(
    st.builds(lambda name, rest: file_part(name, PNG + rest), NAMES, CONTENT),
    st.builds(
        lambda name, text: part(text, f"Content-Disposition: {disposition(name)}"), st.sampled_from("abcd"), CONTENT
    ),
)
CUTS = st.lists(st.integers(0, 4_000), max_size=12)


def outcome(upload: Upload, root: Path, cuts: list[int]) -> object:
    try:
        with receive(upload, root, cuts=cuts) as received:
            files = [(file.label, file.sha256, file.bytes, file.info) for file in received.files]
            return dict(received.fields), files
    except ReelqueueError as error:
        return error.code, error.pointer


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spool")


@settings(max_examples=200, deadline=None)
@given(st.lists(PARTS, max_size=4), CUTS)
@example([file_part("a.png", PNG + b"\r\n--" + BOUNDARY.encode() + b"x")], list(range(4_000)))
def test_any_chunking_parses_alike(root: Path, parts: list[bytes], cuts: list[int]):
    upload = form(*parts)
    assert outcome(upload, root, cuts) == outcome(upload, root, [])
    assert temporary(root) == []


@settings(max_examples=200, deadline=None)
@given(
    st.lists(PARTS, min_size=1, max_size=3),
    CUTS,
    st.lists(st.tuples(st.integers(0, 4_000), st.sampled_from(b'\0\r\n-":;= xX\xff')), min_size=1, max_size=4),
)
def test_a_damaged_form_is_one_answer_whatever_the_chunks(
    root: Path, parts: list[bytes], cuts: list[int], damage: list[tuple[int, int]]
):
    whole = form(*parts)
    body = bytearray(whole.body)
    for at, byte in damage:
        body[at % len(body)] = byte
    upload = Upload(whole.content_type, bytes(body))
    assert outcome(upload, root, cuts) == outcome(upload, root, [])
    assert temporary(root) == []


def test_one_byte_at_a_time(tmp_path: Path):
    upload = form(field_part("a", "1"), file_part("x.png", PNG))
    with receive(upload, tmp_path, cuts=list(range(len(upload.body)))) as received:
        assert received.fields == {"a": "1"}
        assert received.files[0].bytes == len(PNG)


def test_a_large_file_is_never_in_memory(tmp_path: Path):
    content = PNG + bytes(19_000_000)
    upload = form(file_part("x.png", content))
    tracemalloc.start()
    try:
        with open_receiver(upload.content_type, Spool(tmp_path), limits=LIMITS) as receiver:
            for chunk in upload.chunks():
                receiver.feed(chunk)
            received = receiver.finish()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    with received:
        assert received.files[0].sha256 == hashlib.sha256(content).hexdigest()
    assert peak < 1_500_000


# --- refusals -----------------------------------------------------------------------------------------------------


def refused(upload: Upload, root: Path, *, limits: FileLimits = LIMITS) -> ReelqueueError:
    with pytest.raises(ReelqueueError) as caught:
        receive(upload, root, limits=limits)
    assert temporary(root) == []
    return caught.value


@pytest.mark.parametrize(
    "content_type", ["application/json", "", "multipart/mixed; boundary=x", "text/plain; boundary=x"]
)
def test_another_media_type(content_type: str, tmp_path: Path):
    with pytest.raises(MediaTypeNotSupported):
        open_receiver(content_type, Spool(tmp_path), limits=LIMITS)


@pytest.mark.parametrize(
    "parameters",
    [
        "",
        ";",
        "; boundary=",
        '; boundary=""',
        "; boundary=" + "b" * 71,
        "; boundary=a; boundary=b",
        '; boundary="a',
        "; boundary=é",
        '; boundary="a "',
        "; boundary=a b",
    ],
)
def test_no_proper_boundary(parameters: str, tmp_path: Path):
    with pytest.raises(MultipartInvalid):
        open_receiver("multipart/form-data" + parameters, Spool(tmp_path), limits=LIMITS)


@pytest.mark.parametrize("parameters", ["; charset=utf-8; boundary=abc", ';boundary="abc";', "; BOUNDARY=abc"])
def test_boundaries_as_clients_write_them(parameters: str, tmp_path: Path):
    upload = Upload("Multipart/Form-Data" + parameters, form(field_part("a", "1"), boundary="abc").body)
    assert receive(upload, tmp_path).fields == {"a": "1"}


@pytest.mark.parametrize(
    "header",
    [
        "Content-Type: text/plain",
        "Content-Disposition: attachment; name=a",
        "Content-Disposition: form-data",
        'Content-Disposition: form-data; name=""',
        'Content-Disposition: form-data; name="a\0b"',
        f'Content-Disposition: form-data; name="{"a" * 101}"',
        'Content-Disposition: form-data; name="a"; name="a"',
        'Content-Disposition: form-data; name="files"; filename="a.png"; filename="b.exe"',
        "Content-Disposition: form-data; name=files; filename*=UTF-8''a.png; filename=a.png",
        "Content-Disposition: form-data; name*=UTF-8''a",
        'Content-Disposition: form-data; name="a',
        "Content-Disposition: form-data; name=a b",
        "Content-Disposition: form-data name=a",
        "Content-Disposition: ",
        "Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=a",
        "Content-Disposition: form-data; name=a\r\nContent-Type: nonsense",
        "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64",
        "Content-Disposition: form-data; name=a\r\n folded",
        "Content-Disposition: form-data; name=a\r\nX: " + "y" * 4_097,
        "Content-Disposition: form-data; name=a" + "\r\nX: y" * 8,
    ],
)
def test_part_headers_that_are_refused(header: str, tmp_path: Path):
    content = PNG if "files" in header else b"text"
    assert refused(form(part(content, header)), tmp_path).code == "multipart_invalid"


@pytest.mark.parametrize(
    "header",
    [
        "content-disposition:form-data;name=files;filename=a.png",
        'Content-Disposition: form-data; name="files"; filename="a.png"; ',
        'CONTENT-DISPOSITION: FORM-DATA; NAME="files"; FILENAME="a.png"',
        'Content-Disposition: form-data; filename="\\"a\\\\b.png"; name="files"',
        'Content-Disposition: form-data; name="files"; filename="a.png"\r\nContent-Transfer-Encoding: BINARY',
        'Content-Disposition: form-data; name="files"; filename="a.png"\r\nContent-Length: 3\r\nX-Other: y',
        'Content-Disposition: form-data; name="files"; filename="a.png"\r\nContent-Type: a/b; c="d;e"',
    ],
)
def test_part_headers_as_clients_write_them(header: str, tmp_path: Path):
    with receive(form(part(PNG, header)), tmp_path) as received:
        assert received.files[0].label in {"a.png", "b.png"}


def test_a_field_twice(tmp_path: Path):
    error = refused(form(field_part("a", "1"), file_part("x.png", PNG), field_part("a", "2")), tmp_path)
    assert (error.code, error.pointer) == ("multipart_invalid", "/a")


def test_a_file_in_another_field(tmp_path: Path):
    error = refused(form(file_part("x.png", PNG), file_part("y.png", PNG, name="a/b~c")), tmp_path)
    assert isinstance(error, ValidationFailed)
    assert error.pointer == "/a~1b~0c"


def test_too_many_files(tmp_path: Path):
    error = refused(form(*[file_part("x.png", PNG)] * 21), tmp_path)
    assert isinstance(error, ValidationFailed)
    assert (error.pointer, error.detail) == ("/files/20", {"limit_files": 20})
    with receive(form(*[file_part("x.png", PNG)] * 20), tmp_path) as received:
        assert len(received.files) == 20


def test_too_many_fields(tmp_path: Path):
    assert refused(form(*[field_part(f"f{n}", "") for n in range(65)]), tmp_path).code == "multipart_invalid"
    assert len(receive(form(*[field_part(f"f{n}", "") for n in range(64)]), tmp_path).fields) == 64


def test_too_much_text(tmp_path: Path):
    error = refused(form(field_part("a", "x" * 262_145)), tmp_path)
    assert isinstance(error, BodyTooLarge)
    assert (error.pointer, error.detail) == ("/a", {"limit_bytes": 262_144})
    many = refused(form(*[field_part(f"f{n}", "x" * 262_144) for n in range(5)]), tmp_path)
    assert (many.code, many.pointer) == ("body_too_large", "/f4")


def test_text_that_is_not_utf8(tmp_path: Path):
    error = refused(form(part(b"\xff", "Content-Disposition: form-data; name=a")), tmp_path)
    assert (error.code, error.pointer) == ("multipart_invalid", "/a")


@pytest.mark.parametrize(("content", "limit"), [(media.mp4(), 50_000), (PNG, 70_000)])
def test_a_file_over_the_limit_is_refused_while_it_comes(content: bytes, limit: int, tmp_path: Path):
    upload = form(file_part("x.png", content + bytes(100_000)))
    limits = FileLimits(max_file_bytes=50_000, max_picture_bytes=70_000)
    with open_receiver(upload.content_type, Spool(tmp_path), limits=limits) as receiver:
        receiver.feed(upload.body[: limit - 1_000])
        assert len(temporary(tmp_path)) == 1
        with pytest.raises(FileTooLarge) as caught:
            receiver.feed(upload.body[limit - 1_000 : limit + 2_000])
        assert temporary(tmp_path) == []
    assert (caught.value.pointer, caught.value.detail) == ("/files/0", {"limit_bytes": limit})


def test_a_body_over_the_limit(tmp_path: Path):
    limits = FileLimits(max_file_bytes=1_000, max_picture_bytes=1_500, max_files=2, form_bytes=500)
    upload = form(file_part("x.png", PNG), field_part("a", ""))
    with open_receiver(upload.content_type, Spool(tmp_path), limits=limits) as receiver:
        receiver.feed(upload.body)
        with pytest.raises(BodyTooLarge) as caught:
            receiver.feed(b"epilogue" * 400)
    assert caught.value.detail == {"limit_bytes": 2_500}
    assert temporary(tmp_path) == []


def test_room_for_one_large_picture():
    assert FileLimits(max_file_bytes=10, max_picture_bytes=1_000, max_files=2, form_bytes=5).max_body_bytes == 1_005


@pytest.mark.parametrize(("name", "error"), [("x.exe", FileTypeNotAllowed), ("x.png", FileContentMismatch)])
def test_content_of_no_format_is_refused_by_its_first_bytes(name: str, error: type[ReelqueueError], tmp_path: Path):
    upload = form(file_part(name, b"MZ" * 500))
    start = upload.body.index(b"\r\n\r\n") + 4
    with open_receiver(upload.content_type, Spool(tmp_path), limits=LIMITS) as receiver:
        receiver.feed(upload.body[: start + 15])
        with pytest.raises(error) as caught:
            receiver.feed(upload.body[start + 15 : start + 200])
        assert temporary(tmp_path) == []
    assert caught.value.pointer == "/files/0"


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ([file_part("b.jpg", bytes(50))], FileContentMismatch),
        ([file_part("b.exe", bytes(50))], FileTypeNotAllowed),
        ([part(PNG, "no header")], MultipartInvalid),
        ([part(PNG, "X: y")], MultipartInvalid),
        ([file_part("b.mp4", media.mp4() + bytes(60_000))], FileTooLarge),
    ],
)
def test_a_refusal_cleans_up_by_itself(parts: list[bytes], error: type[ReelqueueError], tmp_path: Path):
    upload = form(file_part("a.png", PNG), *parts)
    receiver = open_receiver(upload.content_type, Spool(tmp_path), limits=FileLimits(max_file_bytes=50_000))
    with pytest.raises(error):
        receiver.feed(upload.body)
    assert temporary(tmp_path) == []


def test_one_bad_file_takes_the_good_ones_with_it(tmp_path: Path):
    error = refused(form(file_part("a.png", PNG), file_part("b.jpg", PNG[:-1]), file_part("c.png", PNG)), tmp_path)
    assert isinstance(error, FileContentMismatch)
    assert error.pointer == "/files/1"


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.99])
def test_a_client_that_leaves(share: float, tmp_path: Path):
    upload = form(file_part("a.png", PNG), file_part("b.png", PNG + bytes(10_000)))
    with open_receiver(upload.content_type, Spool(tmp_path), limits=LIMITS) as receiver:
        receiver.feed(upload.body[: int(len(upload.body) * share)])
        receiver.abort()
        receiver.abort()
        assert temporary(tmp_path) == []


def test_an_unfinished_form_cleans_up_by_itself(tmp_path: Path):
    upload = form(file_part("a.png", PNG), file_part("b.png", PNG))
    receiver = open_receiver(upload.content_type, Spool(tmp_path), limits=LIMITS)
    receiver.feed(upload.body[:-40])
    assert len(temporary(tmp_path)) == 2
    with pytest.raises(MultipartInvalid):
        receiver.finish()
    assert temporary(tmp_path) == []


def test_an_unfinished_form(tmp_path: Path):
    upload = form(file_part("a.png", PNG))
    for length in range(0, len(upload.body) - 1, 7):
        assert refused(Upload(upload.content_type, upload.body[:length]), tmp_path).code == "multipart_invalid"


def test_a_receiver_is_for_one_form(tmp_path: Path):
    upload = form(field_part("a", "1"))
    receiver = open_receiver(upload.content_type, Spool(tmp_path), limits=LIMITS)
    receiver.feed(upload.body)
    receiver.finish()
    for again in (receiver.finish, lambda: receiver.feed(b"x")):
        with pytest.raises(ValueError, match="closed"):
            again()


def test_what_was_handed_over_is_not_aborted(tmp_path: Path):
    upload = form(file_part("a.png", PNG))
    with open_receiver(upload.content_type, Spool(tmp_path), limits=LIMITS) as receiver:
        receiver.feed(upload.body)
        received = receiver.finish()
        receiver.abort()
    assert len(temporary(tmp_path)) == 1
    received.discard()
    received.discard()
    assert temporary(tmp_path) == []


@pytest.mark.parametrize("start", [b"x", b"\n", b"\r\nx", b" --", b"preamble\r\n", b"-x"])
def test_a_preamble(start: bytes, tmp_path: Path):
    whole = form(field_part("a", "1"))
    assert refused(Upload(whole.content_type, start + whole.body), tmp_path).code == "multipart_invalid"


def test_one_line_end_before_the_first_boundary(tmp_path: Path):
    whole = form(field_part("a", "1"))
    assert receive(Upload(whole.content_type, b"\r\n" + whole.body), tmp_path).fields == {"a": "1"}
