from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelqueue.errors import RangeNotSatisfiable
from reelqueue.gateway.ranges import ByteRange, attachment, is_known, requested_range

ETAG = '"abc"'


@given(st.integers(1, 10**12), st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_part_lies_within_the_file(size: int, first: int, last: int) -> None:
    try:
        part = requested_range(f"bytes={first}-{last}", None, size=size, etag=ETAG)
    except RangeNotSatisfiable:
        assert first >= size
        return
    if part is None:
        assert last < first
        return
    assert part == ByteRange(first, min(last + 1, size))
    assert 0 <= part.start < part.end <= size


@given(st.integers(1, 10**12), st.integers(1, 10**12))
def test_a_tail_lies_within_the_file(size: int, length: int) -> None:
    part = requested_range(f"bytes=-{length}", None, size=size, etag=ETAG)
    assert part == ByteRange(max(0, size - length), size)


@given(st.text(max_size=40))
def test_any_header_is_a_part_the_whole_or_416(header: str) -> None:
    with suppress(RangeNotSatisfiable):
        part = requested_range(header, None, size=100, etag=ETAG)
        assert part is None or 0 <= part.start < part.end <= 100


def test_another_version_gets_the_whole() -> None:
    assert requested_range("bytes=0-1", '"old"', size=9, etag=ETAG) is None
    assert requested_range("bytes=0-1", f"W/{ETAG}", size=9, etag=ETAG) is None
    assert requested_range("bytes=0-1", ETAG, size=9, etag=ETAG) == ByteRange(0, 2)


def test_known_versions() -> None:
    assert is_known("*", ETAG)
    assert is_known('W/"abc" , "d"', ETAG)
    assert not is_known('"abcd"', ETAG)
    assert not is_known(None, ETAG)


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("clip.mp4", 'attachment; filename="clip.mp4"'),
        ('a"b\r\nX: y.mp4', "attachment; filename=\"a_b__X_ y.mp4\"; filename*=UTF-8''a%22b%0D%0AX%3A%20y.mp4"),
        ("été.mp4", "attachment; filename=\"_t_.mp4\"; filename*=UTF-8''%C3%A9t%C3%A9.mp4"),
    ],
)
def test_names_cannot_leave_the_header(name: str, header: str) -> None:
    assert attachment(name) == header
    assert header.isascii()
    assert header.isprintable()
