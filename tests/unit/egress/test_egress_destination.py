from __future__ import annotations

from ipaddress import ip_address

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelqueue.egress.destination import Destination, follow, parse
from reelqueue.errors import UrlInvalid

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://media.example", Destination("https", "media.example", 443, "/")),
        ("HTTP://Media.EXAMPLE:8080/A?b=C#d", Destination("http", "media.example", 8080, "/A?b=C")),
        ("https://media.example.:443/", Destination("https", "media.example", 443, "/")),
        ("https://media.example?a", Destination("https", "media.example", 443, "/?a")),
        ("https://media.example#a", Destination("https", "media.example", 443, "/")),
        ("https://1.1.1.1/x", Destination("https", "1.1.1.1", 443, "/x", ip_address("1.1.1.1"))),
        ("http://[2606:0::1]:80/", Destination("http", "2606::1", 80, "/", ip_address("2606::1"))),
        ("http://[::ffff:8.8.8.8]/", Destination("http", "8.8.8.8", 80, "/", ip_address("8.8.8.8"))),
        ("https://bücher.example/ß", Destination("https", "xn--bcher-kva.example", 443, "/%C3%9F")),
        ("https://xn--bcher-kva.example/", Destination("https", "xn--bcher-kva.example", 443, "/")),
        ("https://r3---sn-apo3.media.example/", Destination("https", "r3---sn-apo3.media.example", 443, "/")),
        ("https://a.b/%2e%2e/%0d%0a?x=[1]|'{", Destination("https", "a.b", 443, "/%2e%2e/%0d%0a?x=[1]|'%7B")),
        ("https://a.b/../c/./d//e", Destination("https", "a.b", 443, "/../c/./d//e")),
        ("https://a.b/@x:y", Destination("https", "a.b", 443, "/@x:y")),
    ],
)  # fmt: skip
def test_what_is_read(url, expected):
    assert parse(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "", " ", "/a", "//a.b/", "a.b", "https:a.b", "https:/a.b", "https:///a", "https://", "https://:80/",
        "https://?a", "://a.b", "ftp://a.b/", "file:///etc/passwd", "javascript:alert(1)", "httpss://a.b/",
        "https://u@a.b/", "https://u:p@a.b/", "https://@a.b/", "https://a.b@/", "https://a.b:@c.d/",
        "https://a.b\\c/", "https://a.b/\\c", "https://a.b/c d", "https://a.b/\t", "\thttps://a.b/",
        "https://a.b/\x00", "https://a.b/\x7f", "https://a.b/\x85", "https://a.b/\u3000", "https://a.b/\u2028",
        "https://a.b/\ud800", "https://a.b:/", "https://a.b:0/", "https://a.b:080/", "https://a.b:65536/",
        "https://a.b:-1/", "https://a.b:8 0/", "https://a.b:80:80/", "https://a.b:\uff11/", "https://a.b:x/",
        "https://a..b/", "https://.a.b/", "https://a.b../", "https://./", "https://-a.b/", "https://a-.b/",
        "https://a_b.c/", "https://a%2eb/", "https://a,b/", "https://a|b.c/", "https://[a.b/", "https://a.b]/",
        "https://[a.b]/", "https://[]/", f"https://{'a' * 64}.b/", f"https://{'a.' * 127}bc/", "https://xn--/",
        "https://xn--a.b/", "https://xn--ls8h.example/", "https://a\u2044b.c/", "https://a\uff0fb.c/",
        "https://a\u2100.c/", "https://\u00ad.c/", "https://127.1/", "https://0x7f.0.0.1/", "https://0177.0.0.1/",
        "https://2130706433/", "https://1.2.3.4.5/", "https://1.2.3.256/", "https://01.2.3.4/",
        "https://1.1.1.1./", "https://a.1/", "https://a.0x/", "https://a.0xg1.0x1/", "https://\uff11.1.1.1/",
        "https://1\u30021\u30021\u30021/", "https://[::1%25eth0]/", "https://[fe80::1%eth0]/", "https://[v1.a]/",
        "https://[1.1.1.1]/", "https://[::1]a/", "https://[:::1]/", "https://a.b/" + "x" * 8192,
        "https://a.b/" + "é" * 4000,
    ],
)  # fmt: skip
def test_what_is_refused(url):
    with pytest.raises(UrlInvalid) as refused:
        parse(url)
    assert refused.value.code == "url_invalid"


def test_a_refusal_does_not_repeat_the_url():
    for url in (
        "https://user:canary@a.b/",
        "https://canary_host/",
        "canary://a.b/",
        "https://a.b/\ncanary",
        "https://a.b:canary/",
    ):
        with pytest.raises(UrlInvalid) as refused:
            parse(url)
        assert "canary" not in repr(refused.value) + refused.value.fix


def test_headers_and_urls_of_a_destination():
    v6 = parse("https://[2606:4700::1111]:8443/a")
    assert (v6.host_header, v6.authority, v6.url) == (
        "[2606:4700::1111]:8443",
        "[2606:4700::1111]:8443",
        "https://[2606:4700::1111]:8443/a",
    )
    plain = parse("https://a.b:443/c")
    assert (plain.host_header, plain.authority, plain.url) == ("a.b", "a.b:443", "https://a.b/c")


@given(st.text() | st.text(alphabet="htps:/.@#?[]%\\0x1a7f-: \u3002\u00e4").map(lambda text: "http://" + text))
def test_any_text_is_read_or_refused(text):
    try:
        destination = parse(text)
    except UrlInvalid:
        return
    agrees_with_others(destination)


LABELS = st.from_regex(r"[a-z0-9äß]([a-z0-9ü-]{0,5}[a-z0-9])?", fullmatch=True)


@given(
    host=st.lists(LABELS, min_size=1, max_size=4).map(".".join) | st.ip_addresses(v=4).map(str),
    port=st.none() | st.integers(1, 65535),
    rest=st.text(max_size=20).map(lambda text: "/" + text),
)
def test_whatever_is_accepted_is_read_the_same_by_others(host, port, rest):
    url = f"https://{host}{f':{port}' if port else ''}{rest}"
    try:
        destination = parse(url)
    except UrlInvalid:
        return
    agrees_with_others(destination)


def agrees_with_others(destination: Destination) -> None:
    """The canonical form has one reading: ours again, and httpx's."""
    assert parse(destination.url) == destination
    other = httpx.URL(destination.url)
    assert (other.raw_host.decode().strip("[]"), other.port or {"http": 80, "https": 443}[other.scheme]) == (
        destination.host,
        destination.port,
    )
    assert other.userinfo == b""
    assert destination.target.isascii()
    assert destination.target.startswith("/")
    assert not set(destination.target) & set(" \r\n\t#\\")


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("https://c.d/e", "https://c.d/e"),
        ("//c.d/e", "https://c.d/e"),
        ("/e?f", "https://a.b:8443/e?f"),
        ("e", "https://a.b:8443/x/e"),
        ("../e", "https://a.b:8443/e"),
        ("?q", "https://a.b:8443/x/y?q"),
        ("HTTP://c.d", "http://c.d/"),
    ],
)
def test_where_a_redirect_leads(location, url):
    assert follow(parse("https://a.b:8443/x/y?z"), location).url == url


@pytest.mark.parametrize(
    "location",
    [
        "",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "data:,x",
        "https://u@c.d/",
        "/\r\nx",
        "\\\\c.d",
        "//",
        "https:c.d",
    ],
)
def test_where_no_redirect_leads(location):
    # `https:c.d` is a path for some parsers and a host for others.
    origin = parse("https://a.b/x")
    with pytest.raises(UrlInvalid):
        follow(origin, location)
