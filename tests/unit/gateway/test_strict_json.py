from __future__ import annotations

import json
import math
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelqueue.errors import JsonDuplicateKey, JsonInvalid, ValidationFailed
from reelqueue.gateway.errors import RequestInvalid
from reelqueue.gateway.strict_json import MAX_DEPTH, parse_json, parse_json_text, pointer_to, text_violation

PLAIN = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cf"]))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PLAIN, inner, max_size=4),
    max_leaves=20,
)


def found(body: str | bytes) -> set[tuple[str | None, str]]:
    with pytest.raises(RequestInvalid) as caught:
        parse_json(body if isinstance(body, bytes) else body.encode())
    return {(one.pointer, one.code) for one in caught.value.violations}


@given(VALUES, st.booleans())
def test_what_everybody_reads_alike_is_read_alike(value: Any, escaped: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=escaped).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_a_refusal(body: bytes) -> None:
    with suppress(JsonInvalid, ValidationFailed):
        parse_json(body)


@given(st.text(st.sampled_from('{}[]",:\\\n1ea'), max_size=80))
def test_near_json_gives_what_the_plain_parser_gives_or_a_refusal(text: str) -> None:
    try:
        ours = parse_json_text(text)
    except (JsonInvalid, ValidationFailed):
        return
    assert ours == json.loads(text)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nul",
        b"{}{}",
        b"[1,]",
        b'{"a":1,}',
        b"{'a':1}",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"\xff",
        b"\xed\xa0\x80",
        *[
            b'"\n"',
            b"[1] //",
            "{}".encode("utf-16"),
            b"\xef\xbb\xbf{}",
            b"[" * 50_000,
            b"]" * 50,
            b"[[]" * 50,
            b"[}" * 40,
        ],
    ],
)
def test_what_is_not_json(body: bytes) -> None:
    with pytest.raises(JsonInvalid) as caught:
        parse_json(body)
    assert caught.value.code == "json_invalid"


def test_a_member_twice() -> None:
    for body in (b'{"a":1,"a":1}', b'[{"b":{"a":1,"\\u0061":2}}]'):
        with pytest.raises(JsonDuplicateKey):
            parse_json(body)


@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_depth_is_measured_not_felt(brackets: str) -> None:
    def nested(depth: int) -> str:
        if brackets == "[]":
            return "[" * depth + "]" * depth
        return '{"a":' * (depth - 1) + "{}" + "}" * (depth - 1)

    assert parse_json(nested(MAX_DEPTH).encode()) is not None
    assert found(nested(MAX_DEPTH + 1)) == {("", "json_too_deep")}
    assert found(nested(900)) == {("", "json_too_deep")}
    with pytest.raises(JsonInvalid):
        parse_json(nested(100_000).encode())


def test_brackets_in_strings_and_beside_each_other_are_not_depth() -> None:
    assert parse_json(json.dumps({"a": "[" * 100 + '"{\\' * 50}).encode())["a"].startswith("[[[")
    assert len(parse_json(json.dumps([[] for _ in range(500)]).encode())) == 500


def test_text_that_hides_or_reorders_is_pointed_to() -> None:
    document = {
        "nul": "a\0b",
        "list": ["fine\n\t", "bell\a", "c1\x85"],
        "deep": {"bidi": "a\u202eb", "isolate": "a\u2066b", "tag": "a\U000e0041b"},
        "fine": "שלום \u200f🎬 👩\u200d👩\u200d👧",
    }
    expected = {"/nul", "/list/1", "/list/2", "/deep/bidi", "/deep/isolate", "/deep/tag"}
    for escaped in (True, False):
        body = json.dumps(document, ensure_ascii=escaped).encode()
        assert found(body) == {(pointer, "text_control_characters") for pointer in expected}


def test_half_a_surrogate_pair() -> None:
    assert found(r'{"a":"\ud800"}') == {("/a", "text_invalid_unicode")}
    assert found(r'{"a":"\udc00\ud800"}') == {("/a", "text_invalid_unicode")}
    assert parse_json(rb'{"a":"\ud83c\udfac"}') == {"a": "🎬"}


def test_a_bad_name_is_pointed_to_by_where_it_stands() -> None:
    assert found(r'{"m":{"a\u0000":1}}') == {("/m", "text_control_characters")}


@pytest.mark.parametrize("number", [str(2**63), str(-(2**63) - 1), "9" * 4_000, "1e400", "-1E999", "0.1e+1000"])
def test_numbers_that_do_not_fit(number: str) -> None:
    assert found(f'{{"n":[0,{number}]}}') == {("/n/1", "number_out_of_range")}


def test_numbers_that_fit() -> None:
    value = parse_json(f"[{2**63 - 1},{-(2**63)},1e308,1e-999]".encode())
    assert value == [2**63 - 1, -(2**63), 1e308, 0.0]
    assert not math.isinf(value[2])


def test_objects_have_a_thousand_members_at_most() -> None:
    assert len(parse_json(json.dumps({str(n): n for n in range(1_000)}).encode())) == 1_000
    assert found(json.dumps({"m": {str(n): n for n in range(1_001)}})) == {("", "json_too_many_members")}


def test_only_twenty_violations_are_listed() -> None:
    assert len(found(json.dumps(["\0"] * 100))) == 20


def test_the_value_is_in_no_violation() -> None:
    with pytest.raises(RequestInvalid) as caught:
        parse_json(b'{"token":"whsec_canary\\u0000"}')
    assert "canary" not in repr(caught.value.violations) + str(caught.value)


def test_a_form_field_is_pointed_to() -> None:
    with pytest.raises(JsonInvalid) as caught:
        parse_json_text("{", at="/metadata")
    assert caught.value.pointer == "/metadata"
    with pytest.raises(RequestInvalid) as invalid:
        parse_json_text('{"a":"\\u0000"}', at="/metadata")
    assert invalid.value.violations[0].pointer == "/metadata/a"


def test_pointers_are_escaped_and_cut() -> None:
    assert pointer_to("a/b", 0, "m~n") == "/a~1b/0/m~0n"
    assert pointer_to("x" * 100) == "/" + "x" * 64


def test_text_that_is_fine() -> None:
    assert text_violation("Zeile\r\n\tzwei é 中文", "/a") is None


@pytest.mark.parametrize(
    "body", ["[" * 500_000, '"' * 500_000, '"\\' * 250_000, "[]" * 250_000, '{"a":' * 100_000, "\\" * 500_000]
)
def test_no_input_costs_more_than_its_length(body: str) -> None:
    """Each of these makes a quadratic scanner take minutes. The bound is the runner's patience, not a figure."""
    started = time.process_time()
    with suppress(JsonInvalid, ValidationFailed):
        parse_json(body.encode())
    assert time.process_time() - started < 30
