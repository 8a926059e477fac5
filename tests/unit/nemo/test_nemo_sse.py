from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reelqueue.nemo.sse import Comment, ServerEvent, SseDecoder


def decode(*chunks: bytes, limit: int = 1 << 20) -> list[ServerEvent | Comment]:
    decoder = SseDecoder(limit)
    found = [event for chunk in chunks for event in decoder.feed(chunk)]
    return found + decoder.close()


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = sorted({min(place, len(data)) for place in at})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


ENDS = st.sampled_from(["\n", "\r\n", "\r"])
LINES = st.one_of(
    st.text(alphabet=st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20).map(
        lambda text: f"data: {text}"
    ),
    st.sampled_from(["", "", ":", ": ping", "data", "data:", "data:x", "event: heartbeat", "id: 7", "retry: 1", "x"]),
)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    bom = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    lines = draw(st.lists(st.tuples(LINES, ENDS), max_size=12))
    return bom + "".join(line + end for line, end in lines).encode() + draw(st.binary(max_size=6))


@given(streams(), st.lists(st.integers(0, 400), max_size=30), st.sampled_from([8, 40, 1 << 20]))
@example(b"\xef\xbb\xbfdata: a\r\n\r\ndata: b\r\r", list(range(30)), 1 << 20)
def test_any_chunking_decodes_alike(data: bytes, at: list[int], limit: int) -> None:
    whole = decode(data, limit=limit)
    assert decode(*cut(data, at), limit=limit) == whole
    assert decode(*(data[i : i + 1] for i in range(len(data))), limit=limit) == whole


@given(
    st.lists(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), min_size=1)), ENDS
)
def test_what_was_written_is_read(written: list[list[str]], end: str) -> None:
    data = "".join("".join(f"data: {line}{end}" for line in lines) + end for lines in written).encode()
    assert decode(data) == [ServerEvent(data="\n".join(lines)) for lines in written]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_three_line_ends(end: str) -> None:
    assert decode(f"event: e{end}data: a{end}data:b{end}{end}".encode()) == [ServerEvent("e", "a\nb")]


def test_the_other_line_breaks_of_unicode_do_not_end_a_line() -> None:
    text = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"
    assert decode(f"data: {text}\n\n".encode()) == [ServerEvent(data=text)]


def test_a_character_cut_in_two_is_whole_again() -> None:
    data = "data: 标题 🎬\n\n".encode()
    for place in range(len(data)):
        assert decode(data[:place], data[place:]) == [ServerEvent(data="标题 🎬")]


def test_bytes_that_are_no_utf8_do_not_end_the_stream() -> None:
    assert decode(b"data: a\xffb\n\ndata: c\n\n") == [ServerEvent(data="a\ufffdb"), ServerEvent(data="c")]


def test_a_byte_order_mark_is_ignored_at_the_start_only() -> None:
    assert decode(b"\xef\xbb\xbfdata: a\n\n") == [ServerEvent(data="a")]
    assert decode(b"\xef\xbb\xbf\ndata: a\n\n") == [ServerEvent(data="a")]
    assert decode(b"data: a\n\n\xef\xbb\xbfdata: b\n\n") == [ServerEvent(data="a")]


def test_only_one_space_after_the_colon_is_dropped() -> None:
    assert decode(b"data:  a \n\n") == [ServerEvent(data=" a ")]


@pytest.mark.parametrize("tail", [b"", b"\n", b"\r", b"\r\n"])
def test_a_last_event_without_its_blank_line_is_kept(tail: bytes) -> None:
    assert decode(b"data: a\n\ndata: b" + tail) == [ServerEvent(data="a"), ServerEvent(data="b")]


def test_empty_data_and_bare_event_names_are_events_and_ids_are_none() -> None:
    assert decode(b"data:\n\nevent: heartbeat\n\nid: 1\nretry: 5\n\nnonsense\n\n") == [
        ServerEvent(),
        ServerEvent("heartbeat"),
    ]


def test_comments_are_told_at_once() -> None:
    assert SseDecoder().feed(b": ping\n") == [Comment()]


def test_an_event_over_the_limit_is_dropped_and_the_next_one_is_read() -> None:
    decoder = SseDecoder(100)
    found = decoder.feed(b"data: small\n\ndata: ")
    for _ in range(1000):
        found += decoder.feed(b"x" * 50)
        assert sum(map(len, decoder._line)) <= 100
    found += decoder.feed(b"\ndata: more\n\ndata: next\n\n")
    assert found == [ServerEvent(data="small"), ServerEvent(oversized=True), ServerEvent(data="next")]


def test_comments_between_events_never_add_up_to_the_limit() -> None:
    assert decode(b"data: a\n" + b": ping\n" * 100 + b"\n", limit=50)[-1] == ServerEvent(data="a")


def test_whether_the_bytes_end_inside_a_line() -> None:
    decoder = SseDecoder()
    decoder.feed(b"data: a")
    assert decoder.inside_line
    decoder.feed(b"\n")
    assert not decoder.inside_line
