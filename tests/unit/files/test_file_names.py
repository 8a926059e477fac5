"""Names become labels."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fakes import uploads
from reelqueue.files.names import MAX_BYTES, clean_name, extension_of, with_extension

LABELS = {
    case["id"]: (case["input"]["filename"], case["expect"]["display_name"])
    for case in uploads.cases()
    if case["input"].get("filename") and "display_name" in case["expect"]
}
HOSTILE = st.text(
    st.one_of(
        st.sampled_from("/\\.. :*?\"<>|&;$`'=+-@\0\r\n\t\x7f\u202e\u2066\u200d\ufeff\u2028\u00a0\u3000\U000e0041"),
        st.sampled_from("aAé中🎬\u0301\u037e\u1fef\u0344conCON1¹png"),
        st.characters(),
    ),
    max_size=300,
)


@pytest.mark.parametrize(("name", "label"), LABELS.values(), ids=LABELS)
def test_the_label_of_the_corpus(name: str, label: str):
    assert with_extension(clean_name(name), "png") == label


@given(HOSTILE)
@example("...")
@example("con")
@example("a" * 500 + ".png")
@example("x." + "é" * 500)
@example("=.png")
def test_a_label_is_clean_and_stays_so(name: str):
    label = clean_name(name)
    assert label
    assert clean_name(label) == label
    assert not set(label) & set("/\\:*?\"<>|&;$`'")
    assert not {unicodedata.category(character) for character in label} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert unicodedata.is_normalized("NFC", label)
    assert label[0] not in ".=+-@ "
    assert label[-1] not in ". "
    assert len(label.encode()) <= MAX_BYTES


@pytest.mark.parametrize("extension", ["mp4", "jpeg", "m4a"])
def test_a_long_name_keeps_its_extension(extension: str):
    label = clean_name("中" * 500 + "." + extension)
    assert label.endswith("中." + extension)
    assert len(label.encode()) <= MAX_BYTES


@pytest.mark.parametrize(
    ("name", "extension"),
    [("a.PNG", "png"), ("a.png.", "png"), ("a", ""), ("", ""), (".png", "png"), ("x.png/..", ""), ("a.tar.gz", "gz")],
)
def test_extension(name: str, extension: str):
    assert extension_of(name) == extension


@pytest.mark.parametrize(
    ("label", "extension", "named"),
    [
        ("file", "png", "file.png"),
        ("v1.2", "png", "v1.2.png"),
        ("image.php", "png", "image.php.png"),
        ("a.PNG", "png", "a.PNG"),
        ("a.JPG", "png", "a.png"),
        ("a.jpeg", "jpg", "a.jpeg"),
        ("a.JPG", "jpeg", "a.JPG"),
        ("a.HEIC", "jpg", "a.jpg"),
        ("a.jfif", "jpg", "a.jpg"),
        ("a.b.tiff", "png", "a.b.png"),
        ("clip.mov", "mp4", "clip.mp4"),
        (".png", "jpg", "file.jpg"),
    ],
)
def test_a_label_ends_as_its_content_does(label: str, extension: str, named: str):
    assert with_extension(clean_name(label), extension) == named


def test_a_long_label_that_gets_an_extension_stays_short():
    label = with_extension(clean_name("中" * 500 + ".heic"), "jpg")
    assert label.endswith("中.jpg")
    assert len(label.encode()) <= MAX_BYTES
