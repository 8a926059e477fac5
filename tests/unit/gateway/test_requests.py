"""Queries and headers, read strictly."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from reelqueue.errors import IdempotencyKeyInvalid, MediaTypeNotSupported
from reelqueue.gateway.bodies import FORM, JSON, media_type_of
from reelqueue.gateway.errors import RequestInvalid
from reelqueue.gateway.preferences import idempotency_key, wait_seconds, wants_event_stream
from reelqueue.gateway.queries import Query


def request(*headers: tuple[str, str], query: bytes = b"") -> Request:
    lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return Request({"type": "http", "headers": lines, "query_string": query, "method": "GET", "path": "/"})


@given(st.binary(max_size=200))
def test_any_query_is_read_or_refused(query: bytes) -> None:
    refused = None
    try:
        read = Query(request(query=query))
        read.limit()
        read.prefixed("metadata")
        read.moment("created_after")
        read.words("status", ["a"])
        read.done()
    except RequestInvalid as error:
        refused = error
    assert refused is None or all(one.parameter for one in refused.violations)


@pytest.mark.parametrize("text", ["1", "7", "100"])
def test_limits(text: str) -> None:
    assert Query(request(query=f"limit={text}".encode())).limit() == int(text)


@pytest.mark.parametrize(
    "text", ["0", "101", "-1", "+1", "1.0", "1e1", "0x10", "1_0", " 1", "01", "", "٣", "9" * 5_000]
)
def test_numbers_that_are_none(text: str) -> None:
    from urllib.parse import quote

    with pytest.raises(RequestInvalid):
        Query(request(query=f"limit={quote(text)}".encode())).limit()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], None),
        ([("Prefer", "wait=10")], 10),
        ([("Prefer", "respond-async, Wait = 5;x=y")], 5),
        ([("Prefer", 'wait="7"')], 7),
        ([("Prefer", "respond-async"), ("Prefer", "wait=3")], 3),
        ([("Prefer", "wait=100000")], 60),
        ([("Prefer", "wait=-1")], None),
        ([("Prefer", "wait=1.5")], None),
        ([("Prefer", "wait=9999999999999999999")], None),
        ([("Prefer", "waiter=1")], None),
    ],
)
def test_waits(headers: list[tuple[str, str]], expected: int | None) -> None:
    assert wait_seconds(request(*headers), most=60) == expected


def test_idempotency_keys() -> None:
    assert idempotency_key(request()) is None
    assert idempotency_key(request(("Idempotency-Key", '"8e03978e-40d5"'))) == '"8e03978e-40d5"'
    for bad in ("", "a b", "é", "x" * 256, "a\x7f"):
        with pytest.raises(IdempotencyKeyInvalid):
            idempotency_key(request(("Idempotency-Key", bad)))
    with pytest.raises(IdempotencyKeyInvalid):
        idempotency_key(request(("Idempotency-Key", "a"), ("Idempotency-Key", "a")))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("Content-Type", "application/json")], JSON),
        ([("Content-Type", "Application/JSON; charset=utf-8")], JSON),
        ([("Content-Type", "multipart/form-data; boundary=x")], FORM),
        ([], None),
        ([("Content-Type", "application/json"), ("Content-Type", "text/plain")], None),
        ([("Content-Type", "application/json+x")], None),
        ([("Content-Type", "application/json;charset=latin-1")], None),
        ([("Content-Type", "application/json"), ("Content-Encoding", "gzip")], None),
        ([("Content-Type", "application/json"), ("Content-Encoding", "Identity")], JSON),
    ],
)
def test_media_types(headers: list[tuple[str, str]], expected: str | None) -> None:
    if expected is None:
        with pytest.raises(MediaTypeNotSupported):
            media_type_of(request(*headers), JSON, FORM)
    else:
        assert media_type_of(request(*headers), JSON, FORM) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/event-stream", True),
        ("application/json, Text/Event-Stream;q=0.5", True),
        ("text/event-stream; q=0", False),
        ("*/*", False),
        ("text/*", False),
    ],
)
def test_event_streams(accept: str, expected: Any) -> None:
    assert wants_event_stream(request(("Accept", accept))) is expected
