from __future__ import annotations

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelqueue.kit.ids import LENGTH, PREFIXES, encode, is_id, new_id, uuid7


@pytest.mark.parametrize("kind", sorted(PREFIXES))
def test_an_id_is_its_prefix_and_26_characters_that_nobody_confuses(kind):
    made = new_id(kind)
    assert is_id(made, kind)
    assert len(made) == len(PREFIXES[kind]) + LENGTH
    assert not set(made.partition("_")[2]) & set("ilouILOU")
    assert all(not is_id(made, other) for other in PREFIXES if other != kind)


def test_prefixes_tell_kinds_apart():
    assert len(set(PREFIXES.values())) == len(PREFIXES)
    assert all(len(prefix) == 4 and prefix.endswith("_") for prefix in PREFIXES.values())


def test_no_two_are_alike():
    assert len({new_id("job") for _ in range(20_000)}) == 20_000


@settings(deadline=None)
@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_later_ids_sort_later(one, two, random):
    first, second = encode(uuid7(one, random)), encode(uuid7(two, b"\0" * 10))
    if one != two:
        assert (first < second) == (one < two)


@settings(deadline=None)
@given(st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1))
def test_the_text_sorts_as_the_number_does(one, two):
    assert (encode(one) < encode(two)) == (one < two)
    assert len(encode(one)) == LENGTH


@settings(deadline=None)
@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_it_is_a_uuid_of_version_7(millis, random):
    made = uuid.UUID(int=uuid7(millis, random))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == millis


@pytest.mark.parametrize(
    "text",
    [
        "",
        "job_",
        "job_" + "0" * 25,
        "job_" + "0" * 27,
        "job_" + "0" * 25 + "u",
        "job_" + "0" * 25 + "A",
        "JOB_" + "0" * 26,
        "ast_" + "0" * 26,
        "job_" + "0" * 25 + "\n",
        "job_" + "\N{ARABIC-INDIC DIGIT ZERO}" * 26,
    ],
)
def test_what_is_no_id_is_told(text):
    assert not is_id(text, "job")


def test_an_unknown_kind_is_a_bug_of_ours():
    with pytest.raises(KeyError):
        new_id("film")
