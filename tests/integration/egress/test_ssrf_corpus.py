"""Every hostile destination of the corpus, through both ways out, with an injected resolver and connector.

What counts is what the connector was asked to dial, not what the answer says.
"""

from __future__ import annotations

import io
import ipaddress
import random
import re
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from reelqueue.egress import EgressFailed, EgressPolicy, FetchedFile
from reelqueue.egress.addresses import is_public
from reelqueue.egress.connect import MAX_DIALS
from reelqueue.egress.errors import LookupFailed, NameNotFound
from reelqueue.errors import CallerError, DestinationNotAllowed

pytestmark = pytest.mark.integration

CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[2] / "data" / "attacks" / "ssrf.yaml").read_text(encoding="utf-8")
)
BY_ID = {case["id"]: case for case in CASES}
OWN = {"own_api_host": "api.reelqueue.example", "upstream_host": "nemo-api.example"}
POLICY = EgressPolicy(own_hosts=frozenset(OWN.values()))
PUBLIC = "93.184.216.34"


def url_of(case: dict[str, Any]) -> str:
    text = re.sub(r"\{gen:repeat:(.*?):(\d+)\}", lambda m: m[1] * int(m[2]), case["input"]["url"])
    return re.sub(r"\{(\w+)\}", lambda m: OWN[m[1]], text)


def at_accept(status: int) -> list[str]:
    wanted = ("literal4", "literal6", "encoding", "parser", "name", "scheme", "port", "allow")
    return [c["id"] for c in CASES if c["cat"].split(".")[1] in wanted and c["expect"]["status"] == status]


def post(client: Any, url: str, **kwargs: Any) -> Any:
    return client.post(url, **{"headers": {}, "body": b"{}", "deadline_s": 5, "max_response_bytes": 65536, **kwargs})


def fetch(client: Any, url: str, *, sink: Any = None, max_bytes: int = 20_000, deadline_s: float = 5) -> FetchedFile:
    return client.fetch(url, sink or io.BytesIO(), max_bytes=max_bytes, deadline_s=deadline_s)


def test_the_corpus_is_run_whole():
    run = {*at_accept(422), *at_accept(202), *DNS, *REDIRECTS, *FETCHES, *CROWDS}
    assert run == set(BY_ID)
    assert len(at_accept(422)) >= 130


@pytest.mark.parametrize("case_id", at_accept(422))
def test_refused_when_accepted_and_when_sent(case_id, kit):
    """No lookup and no dial: neither at accept nor through either way out."""
    case, connector = BY_ID[case_id], kit.connector()
    client = kit.client(connector=connector, policy=POLICY)  # its resolver knows no name: a lookup is a KeyError
    expected = case["expect"]["code"]
    for attempt in (client.check, lambda url: post(client, url), lambda url: fetch(client, url)):
        with pytest.raises(CallerError) as refused:
            attempt(url_of(case))
        assert refused.value.status == 422
        assert refused.value.code in (expected if isinstance(expected, list) else [expected])
    assert connector.dialled == []


@pytest.mark.parametrize("case_id", at_accept(202))
def test_public_destinations_pass(case_id, kit):
    url, connector = url_of(BY_ID[case_id]), kit.connector()
    client = kit.client(answers={"example.com": [(PUBLIC,)]}, connector=connector, policy=POLICY)
    client.check(url)
    assert connector.dialled == []
    with pytest.raises(EgressFailed) as refused:
        post(client, url)
    assert refused.value.stage == "connect"
    host = url.split("/")[2]
    wanted = PUBLIC if host == "example.com" else host
    assert connector.addresses == [ipaddress.ip_address(wanted)]


# --- names ----------------------------------------------------------------------------------------------------------

FORBIDDEN = DestinationNotAllowed
MANY = tuple(f"93.184.{n // 250}.{n % 250 + 1}" for n in range(500))

DNS: dict[str, tuple[list[Any], type[Exception], str | None, int]] = {
    # the answers, what is raised, its stage, how many dials
    "SD-002": ([("::1",)], FORBIDDEN, None, 0),
    "SD-005": ([("::ffff:10.0.0.5",)], FORBIDDEN, None, 0),
    "SD-006": ([("64:ff9b::a9fe:a9fe",)], FORBIDDEN, None, 0),
    "SD-007": ([("0.0.0.0",)], FORBIDDEN, None, 0),
    "SD-008": ([(PUBLIC,), ("127.0.0.1",)], EgressFailed, "connect", 1),
    "SD-011": ([(PUBLIC,), ("10.0.0.5",)], EgressFailed, "connect", 1),
    "SD-012": ([("169.254.169.254",)], FORBIDDEN, None, 0),
    "SD-015": ([MANY], EgressFailed, "connect", MAX_DIALS),
    "SD-017": ([LookupFailed("SERVFAIL")], EgressFailed, "resolve", 0),
    "SD-019": ([()], EgressFailed, "resolve", 0),
    "SD-020": ([LookupFailed("cut short")], EgressFailed, "resolve", 0),
}


@pytest.mark.parametrize("way", [post, fetch])
@pytest.mark.parametrize("case_id", DNS)
def test_names(case_id, way, kit):
    answers, raised, stage, dials = DNS[case_id]
    url, connector, host = url_of(BY_ID[case_id]), kit.connector(), url_of(BY_ID[case_id]).split("/")[2]
    client = kit.client(answers={host: answers}, connector=connector)
    with pytest.raises(raised) as first:
        way(client, url)
    assert getattr(first.value, "stage", None) == stage
    assert len(connector.dialled) == dials
    assert all(is_public(address) for address in connector.addresses)
    assert client._resolver.asked == [host]
    if len(answers) > 1:
        with pytest.raises(FORBIDDEN):
            way(client, url)
        assert len(connector.dialled) == dials


@pytest.mark.parametrize("place", [0, 250, 500])
def test_one_forbidden_answer_among_many_refuses_the_name(place, kit):
    answers = (*MANY[:place], "10.1.2.3", *MANY[place:])
    connector = kit.connector()
    client = kit.client(answers={"many.attacker.example": [answers]}, connector=connector)
    for attempt in (client.check, lambda url: post(client, url), lambda url: fetch(client, url)):
        with pytest.raises(DestinationNotAllowed):
            attempt("https://many.attacker.example/")
    assert connector.dialled == []


def test_rebinding_a_thousand_times_never_dials_a_forbidden_address(kit):
    rng = random.Random(7)
    forbidden = ("127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1")
    pool = (*forbidden, PUBLIC, "2606:4700::1111")
    answers = [tuple(rng.sample(pool, rng.randint(1, 2))) for _ in range(1000)]
    connector = kit.connector()
    client = kit.client(answers={"rebind.attacker.example": list(answers)}, connector=connector)
    for _ in answers:
        with pytest.raises((DestinationNotAllowed, EgressFailed)):
            post(client, "https://rebind.attacker.example/")
    clean = [answer for answer in answers if not set(answer) & set(forbidden)]
    assert len(connector.dialled) == sum(map(len, clean)) > 0
    assert all(is_public(address) for address in connector.addresses)


def test_accept_words_a_missing_name_as_a_forbidden_one(kit):
    client = kit.client(
        answers={"no.example": [NameNotFound("x")], "empty.example": [()], "in.example": [("10.0.0.1",)]}
    )
    told = []
    for host in ("no.example", "empty.example", "in.example", "10.0.0.1", "localhost"):
        with pytest.raises(DestinationNotAllowed) as refused:
            client.check(f"https://{host}/")
        told.append((str(refused.value), refused.value.code, refused.value.fix, refused.value.detail))
    assert len({repr(entry) for entry in told}) == 1


# --- redirects ------------------------------------------------------------------------------------------------------

REDIRECTS: dict[str, tuple[bytes, Any, int]] = {
    # the answer, what a download ends with, how many requests it makes
    "SR-002": (b"302 Found\r\nLocation: http://169.254.169.254/latest/meta-data/", DestinationNotAllowed, 1),
    "SR-005": (b"308 Permanent Redirect\r\nLocation: http://[::1]/", DestinationNotAllowed, 1),
    "SR-011": (b"302 Found\r\nLocation: http://rebind-ttl0.attacker.example/", "redirect", 1),
    "SR-013": (b"302 Found\r\nLocation: https://redir.attacker.example/x.mp4", "redirect", 4),
    "SR-015": (b"302 Found\r\nLocation: https://media.example/\rHost: 127.0.0.1", ("redirect", "wait"), 1),
    "SR-016": (b"302 Found\r\nLocation: ", "redirect", 1),
    "SR-020": (b"304 Not Modified\r\nLocation: http://127.0.0.1/", "status", 1),
    "SR-021": (b"200 OK\r\nRefresh: 0; url=http://127.0.0.1/", None, 1),
}


def answering(head: bytes, body: bytes = b"") -> Any:
    def handler(conn: socket.socket, _request: Any) -> None:
        length = b"" if b"304" in head else b"\r\nContent-Length: %d" % len(body)
        conn.sendall(b"HTTP/1.1 " + head + length + b"\r\nConnection: close\r\n\r\n" + body)

    return handler


@pytest.mark.parametrize("case_id", REDIRECTS)
def test_redirects_of_a_download(case_id, kit, serve):
    head, outcome, requests = REDIRECTS[case_id]
    receiver = serve(answering(head), tls=kit.certificates.server())
    connector, sink = kit.connector(port=receiver.port), io.BytesIO()
    hosts = {"redir.attacker.example": [(PUBLIC,)], "rebind-ttl0.attacker.example": [("127.0.0.1",)]}
    client = kit.client(answers=hosts, connector=connector)
    if outcome is None:
        assert fetch(client, "https://redir.attacker.example/x.mp4", sink=sink).bytes == 0
    elif outcome is DestinationNotAllowed:
        with pytest.raises(DestinationNotAllowed):
            fetch(client, "https://redir.attacker.example/x.mp4", sink=sink)
    else:
        with pytest.raises(EgressFailed) as failed:
            fetch(client, "https://redir.attacker.example/x.mp4", sink=sink)
        assert failed.value.stage in ((outcome,) if isinstance(outcome, str) else outcome)
    assert sink.getvalue() == b""
    assert len(receiver.requests) == requests
    assert connector.dialled == [(ipaddress.ip_address(PUBLIC), 443)] * requests


@pytest.mark.parametrize("case_id", REDIRECTS)
def test_redirects_of_a_post_are_answers(case_id, kit, serve):
    head, _, _ = REDIRECTS[case_id]
    receiver = serve(answering(head), tls=kit.certificates.server())
    connector = kit.connector(port=receiver.port)
    client = kit.client(answers={"redir.attacker.example": [(PUBLIC,)]}, connector=connector)
    if case_id == "SR-015":
        with pytest.raises(EgressFailed):
            post(client, "https://redir.attacker.example/x.mp4")
    else:
        assert post(client, "https://redir.attacker.example/x.mp4").status == int(head[:3])
    assert len(receiver.requests) == len(connector.dialled) == 1


def test_a_hop_is_resolved_and_checked_like_a_new_url(kit, serve):
    receiver = serve(
        answering(b"302 Found\r\nLocation: https://rebind.attacker.example/"), tls=kit.certificates.server()
    )
    connector = kit.connector(port=receiver.port)
    hosts = {"redir.attacker.example": [(PUBLIC,)], "rebind.attacker.example": [("127.0.0.1",)]}
    with pytest.raises(DestinationNotAllowed):
        fetch(kit.client(answers=hosts, connector=connector), "https://redir.attacker.example/")
    assert connector.addresses == [ipaddress.ip_address(PUBLIC)]


@pytest.mark.parametrize(
    ("location", "line"),
    [
        ("https://cdn.attacker.example/b.mp4?sig=%2F+|", "GET /b.mp4?sig=%2F+| HTTP/1.1"),
        ("/b.mp4#part", "GET /b.mp4 HTTP/1.1"),
        ("b.mp4", "GET /a/b.mp4 HTTP/1.1"),
        ("//cdn.attacker.example/b.mp4", "GET /b.mp4 HTTP/1.1"),
        ("https://cdn.attacker.example/bilder/schn\u00e4ppchen.jpg", "GET /bilder/schn%C3%A4ppchen.jpg HTTP/1.1"),
    ],
)
def test_an_honest_redirect_is_followed(location, line, kit, serve):
    def handler(conn: socket.socket, request: Any) -> None:
        if request.line.startswith("GET /a/x.mp4"):
            answering(b"302 Found\r\nLocation: " + location.encode())(conn, request)
        else:
            answering(b"200 OK\r\nContent-Type: Video/MP4; codecs=avc1", b"film")(conn, request)

    receiver = serve(handler, tls=kit.certificates.server())
    connector, sink = kit.connector(port=receiver.port), io.BytesIO()
    hosts = {"redir.attacker.example": [(PUBLIC,)], "cdn.attacker.example": [("93.184.216.35",)]}
    fetched = fetch(kit.client(answers=hosts, connector=connector), "https://redir.attacker.example/a/x.mp4", sink=sink)
    assert (fetched.bytes, fetched.media_type, sink.getvalue()) == (4, "video/mp4", b"film")
    assert [request.line for request in receiver.requests] == ["GET /a/x.mp4 HTTP/1.1", line]
    target = line.split()[1]
    assert fetched.final_url.endswith(target)


# --- downloads ------------------------------------------------------------------------------------------------------


def reset(conn: socket.socket) -> None:
    """Close with RST instead of FIN."""
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


def endless(conn: socket.socket, _request: Any) -> None:
    conn.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    for _ in range(10_000):
        conn.sendall(b"x" * 1_000_000)


class NotingSink(io.BytesIO):
    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def write(self, data: Any, /) -> int:
        self.written.set()
        return super().write(data)


def half_then_reset(conn: socket.socket, _request: Any, *, written: threading.Event) -> None:
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n" + b"x" * 5000)
    written.wait(10)  # a reset overtakes what was not read yet
    reset(conn)


def says_19_sends_25(conn: socket.socket, _request: Any) -> None:
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 19000\r\n\r\n" + b"x" * 25_000)


HLS = b"#EXTM3U\n#EXTINF:1,\nhttp://169.254.169.254/a.ts\n"

FETCHES: dict[str, tuple[Any, str | None, int]] = {
    # the handler, the stage it fails at, the most bytes that may reach the sink (limit: 20,000)
    "SF-001": (endless, "too_large", 20_000),
    "SF-002": (says_19_sends_25, None, 19_000),
    "SF-003": (answering(b"200 OK", b"x" * 25_000), "too_large", 0),
    "SF-006": (half_then_reset, "read", 5000),
    "SF-009": (answering(b"401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nWWW-Authenticate: Negotiate"), "status", 0),
    "SF-013": (answering(b"200 OK\r\nContent-Type: application/vnd.apple.mpegurl", HLS), None, len(HLS)),
    "SF-015": (answering(b"200 OK", b"ok"), None, 2),
}


@pytest.mark.parametrize("case_id", FETCHES)
def test_downloads(case_id, kit, serve):
    handler, stage, most = FETCHES[case_id]
    sink = NotingSink()
    if case_id == "SF-006":
        handler = partial(handler, written=sink.written)
    receiver = serve(handler, tls=kit.certificates.server())
    connector = kit.connector(port=receiver.port)
    client = kit.client(answers={"media.example": [(PUBLIC,)]}, connector=connector)
    path = "/" + "%2e%2e/" * 1150 if case_id == "SF-015" else "/x.mp4"
    if stage is None:
        assert fetch(client, "https://media.example" + path, sink=sink).bytes == most
    else:
        with pytest.raises(EgressFailed) as failed:
            fetch(client, "https://media.example" + path, sink=sink)
        assert failed.value.stage == stage
    assert len(sink.getvalue()) <= most
    [request] = receiver.requests
    assert request.line == f"GET {path} HTTP/1.1"
    assert not {"authorization", "cookie", "proxy-authorization"} & set(request.headers)
    assert connector.addresses == [ipaddress.ip_address(PUBLIC)]


# --- many at once ---------------------------------------------------------------------------------------------------

CROWDS = ("SF-014",)


@pytest.fixture
def victim(kit, serve):
    """A host that answers when it is let, the client that may load from it twice at once, and what it dials."""
    let = threading.Event()

    def handler(conn: socket.socket, request: Any) -> None:
        let.wait(20)
        answering(b"200 OK", b"x")(conn, request)

    connector = kit.connector(port=serve(handler, tls=kit.certificates.server()).port)
    hosts = {"media.example": [(PUBLIC,)], "other.attacker.example": [(PUBLIC,)]}
    client = kit.client(answers=hosts, connector=connector, policy=EgressPolicy(fetches_per_host=2))
    yield client, connector, let
    let.set()


@pytest.mark.parametrize("case_id", CROWDS)
def test_a_crowd_of_downloads_from_one_host_comes_a_few_at_a_time(case_id, victim, eventually):
    client, connector, let = victim
    jobs, urls = map(int, re.findall(r"\b(?:20|100)\b", BY_ID[case_id]["title"])[::-1])
    open_at_once: list[int] = []

    class CountingSink(io.BytesIO):
        def write(self, data: Any, /) -> int:
            open_at_once.append(client._places._taken["media.example"])
            return super().write(data)

    def job(number: int) -> int:
        return fetch(client, f"https://media.example/{number % urls}", sink=CountingSink(), deadline_s=60).bytes

    with ThreadPoolExecutor(8) as pool, ThreadPoolExecutor(1) as another:
        waiting = [pool.submit(job, number) for number in range(jobs)]
        eventually(lambda: len(connector.dialled) == 2)
        # Whoever names another host does not wait for this one.
        elsewhere = another.submit(fetch, client, "https://other.attacker.example/", deadline_s=60)
        eventually(lambda: len(connector.dialled) == 3)
        let.set()
        assert sum(one.result() for one in waiting) == jobs
        assert elsewhere.result().bytes == 1
    assert max(open_at_once) <= 2
    assert client._places._taken == {}


def test_whoever_gets_no_place_in_time_fails_and_has_called_nobody(victim, eventually):
    client, connector, let = victim
    with ThreadPoolExecutor(2) as pool:
        first = [pool.submit(fetch, client, "https://media.example/", deadline_s=60) for _ in range(2)]
        eventually(lambda: len(connector.dialled) == 2)
        with pytest.raises(EgressFailed) as failed:
            fetch(client, "https://media.example/", deadline_s=0.05)
        assert (failed.value.stage, failed.value.bytes_sent) == ("resolve", 0)
        assert len(connector.dialled) == 2
        let.set()
        assert [one.result().bytes for one in first] == [1, 1]
