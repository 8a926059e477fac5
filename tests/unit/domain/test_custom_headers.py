from __future__ import annotations

import pytest

from reelqueue.domain.custom_headers import MOST_HEADERS, checked_headers
from reelqueue.errors import HeaderNotAllowed, ValidationFailed

FINE = {
    "Authorization": "Bearer abc.def",
    "X-Team": "video  edits\tnorth",
    "Cookie": "a=b; c=d",
    "x~y": "!",
    "n" * 64: "v" * 1024,
}


def test_what_a_receiver_may_want_to_see_passes_as_it_was_given():
    assert checked_headers(FINE) == FINE
    assert checked_headers({}) == {}


@pytest.mark.parametrize(
    "name",
    ["webhook-id", "Webhook-Timestamp", "WEBHOOK-SIGNATURE", "webhook-anything", "Content-Type", "content-length",
     "Content-Encoding", "User-Agent", "Host", "Date", "Expect", "Accept-Encoding"],
)  # fmt: skip
def test_what_we_write_is_ours(name):
    assert refused({name: "x"}) == f"/headers/{name}"


@pytest.mark.parametrize(
    "name",
    ["Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "HTTP2-Settings",
     "Proxy-Authorization", "proxy-connection"],
)  # fmt: skip
def test_what_ends_at_the_next_hop_is_nobodys(name):
    assert refused({name: "x"}) == f"/headers/{name}"


@pytest.mark.parametrize(
    "name",
    ["Forwarded", "Via", "X-Forwarded-For", "X-Real-IP", "Sec-Fetch-Site", "Metadata-Flavor", "Metadata",
     "X-aws-ec2-metadata-token"],
)  # fmt: skip
def test_nobody_lies_about_who_calls(name):
    assert refused({name: "x"}) == f"/headers/{name}"


@pytest.mark.parametrize(
    "value",
    ["a\r\nwebhook-id: x", "a\nb", "a\rb", "a\0b", "\x7f", "", " a", "a ", "\ta", "é", "\u2028", "v" * 1025],
)
def test_a_value_is_one_line_of_ascii(value):
    assert refused({"X-Team": value}) == "/headers/X-Team"


@pytest.mark.parametrize("name", ["", "X Team", "X:Team", "X\r\nTeam", "é", "n" * 65, "X/Team", "X-Team\n"])
def test_a_name_is_a_token(name):
    assert refused({name: "x"}) == "/headers"


def test_one_name_in_two_cases_is_one_header():
    assert refused({"X-Team": "a", "x-team": "b"}) == "/headers/x-team"


def test_a_name_is_escaped_in_the_pointer():
    assert refused({"x~y": ""}) == "/headers/x~0y"


def test_there_is_an_end_to_them():
    assert len(checked_headers({f"x-{n}": "v" for n in range(20)})) == 20
    assert refused({f"x-{n}": "v" for n in range(21)}) == "/headers"


def refused(headers):
    with pytest.raises(HeaderNotAllowed if len(headers) <= MOST_HEADERS else ValidationFailed) as error:
        checked_headers(headers)
    for value in headers.values():
        assert len(value) < 3 or value not in error.value.message
    return error.value.pointer
