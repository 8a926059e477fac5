"""Every call but a turn, over real sockets."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path
from typing import Any

import pytest

from fakes.nemo_methods import METHODS, SID
from fakes.rawhttp import Peer, RawServer, always, events
from reelqueue import errors as tree
from reelqueue.domain.upstream import (
    Credential,
    LocalFile,
    RenderPhase,
)
from reelqueue.nemo.client import NemoClient

TOKEN = "nmv_usr_CANARY-6f1d0b"
EVERYTHING = {
    "code": 0,
    "data": {
        "token": "nmv_usr_new",
        "claim_token": "clm_new",
        "session_id": SID,
        "files": [],
        "available": 1,
        "status": "completed",
        "outputUrl": "https://cdn.invalid/r.mp4",
    },
}
"""An answer that every decoder can live with."""

CALLS = [name for name in METHODS if name != "run_turn"]


def anything(peer: Peer) -> None:
    while (seen := peer.read_request()) is not None:
        if seen.target == "/run_sse":
            peer.start_stream()
            peer.chunk(events({"content": {"parts": [{"text": "Done."}]}}))
            peer.end_chunks()
        else:
            peer.reply(EVERYTHING)


def test_the_walk_covers_every_method() -> None:
    public = {name for name in vars(NemoClient) if not name.startswith("_")}
    assert public - {"close", "turn_failure"} == set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_every_call_carries_the_attribution_and_only_its_own_token(
    name: str, serve: Any, connect: Any, credential: Credential, tmp_path: Path
) -> None:
    server: RawServer = serve(anything)
    method, target, call = METHODS[name]
    call(connect(server), credential, tmp_path)
    (seen,) = server.requests
    assert (seen.method, seen.target) == (method, target)
    assert seen.headers["x-skill-source"] == "reelqueue"
    assert seen.headers["x-skill-version"] == "9.9"
    assert seen.headers["x-skill-platform"] == "server"
    assert seen.headers["accept-encoding"] == "identity"
    if name == "anonymous_token":
        assert "authorization" not in seen.headers
        assert seen.headers["x-client-id"] == "client-1"
        assert seen.body == b""
    else:
        assert seen.headers["authorization"] == f"Bearer {TOKEN}"
        assert "x-client-id" not in seen.headers
    assert "cookie" not in seen.headers


def test_the_bodies(serve: Any, connect: Any, credential: Credential, tmp_path: Path) -> None:
    server: RawServer = serve(anything)
    client = connect(server)
    for name in ("create_session", "upload_urls", "submit_render", "claim_token", "run_turn"):
        METHODS[name][2](client, credential, tmp_path)
    assert [seen.headers["content-type"] for seen in server.requests] == ["application/json"] * 5
    assert [seen.json for seen in server.requests] == [
        {"task_name": "project", "language": "en"},
        {"urls": ["https://h/v.mp4"], "source_type": "url"},
        {"id": "render_1", "sessionId": SID, "draft": {"t": []}, "output": {"format": "mp4", "quality": "high"}},
        {"task_id": "task_1", "session_id": SID},
        {
            "app_name": "nemo_agent",
            "user_id": "me",
            "session_id": SID,
            "new_message": {"parts": [{"text": "add a title"}]},
        },
    ]
    assert server.requests[-1].headers["accept"] == "text/event-stream"


def test_files_are_sent_as_one_form_with_the_field_files(
    serve: Any, connect: Any, credential: Credential, tmp_path: Path
) -> None:
    server: RawServer = serve(always({"code": 0, "data": {"files": [{"filename": "a"}, {"filename": "b"}]}}))
    big, small = tmp_path / "big", tmp_path / "small"
    big.write_bytes(bytes(range(256)) * 12_000)
    small.write_bytes(b"x")
    files = [LocalFile(big, 'a "quoted"\r\n.mp4', "video/mp4"), LocalFile(small, "中.jpg", "image/jpeg")]
    assert len(connect(server).upload_files(credential, SID, files)) == 2
    (seen,) = server.requests
    boundary = seen.headers["content-type"].partition("boundary=")[2].encode()
    parts = seen.body.split(b"--" + boundary)[1:-1]
    heads, contents = zip(*(part.split(b"\r\n\r\n", 1) for part in parts), strict=True)
    assert [content.removesuffix(b"\r\n") for content in contents] == [big.read_bytes(), b"x"]
    assert b'name="files"; filename="a %22quoted%22%0D%0A.mp4"\r\nContent-Type: video/mp4' in heads[0]
    assert 'name="files"; filename="中.jpg"\r\nContent-Type: image/jpeg'.encode() in heads[1]


def test_nothing_to_upload_is_no_call(closed_port: str, connect: Any, credential: Credential) -> None:
    assert connect(closed_port).upload_files(credential, SID, []) == ()
    assert connect(closed_port).upload_urls(credential, SID, []) == ()


def test_a_file_of_ours_that_is_gone_is_our_error(closed_port: str, connect: Any, credential: Credential) -> None:
    with pytest.raises(FileNotFoundError):
        connect(closed_port).upload_files(credential, SID, [LocalFile(Path("/nowhere"), "a", "image/png")])
    with pytest.raises(ValueError, match="media type"):
        connect(closed_port).upload_files(credential, SID, [LocalFile(Path("/nowhere"), "a", "image/png\r\nX: 1")])


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status", "body", "expected"),
    [
        ("anonymous_token", 400, {"detail": "X-Client-Id"}, tree.ClientIdMissing),
        ("anonymous_token", 429, b"", tree.RateLimited),
        ("balance", 200, {"code": 1001, "message": "expired"}, tree.TokenRejected),
        ("state", 404, {"detail": "Session not found"}, tree.SessionNotFound),
        ("upload_files", 413, b"<html>too large</html>", tree.FileTooLargeUpstream),
        ("upload_urls", 200, {"code": 4001}, tree.FileUnsupportedUpstream),
        ("submit_render", 402, {"detail": "plan"}, tree.ExportNotAllowed),
        ("submit_render", 200, {"success": False, "error": "duplicate id"}, tree.RenderIdTaken),
        ("render_report", 404, {"detail": "Not Found"}, tree.RenderUnknown),
        ("download_render", 404, {"detail": "Not Found"}, tree.RenderUnknown),
        ("claim_token", 500, b"Internal Server Error", tree.UpstreamUnavailable),
        ("create_session", 200, b"<html>welcome</html>", tree.UpstreamProtocolError),
        ("create_session", 302, b"", tree.UpstreamProtocolError),
        ("balance", 200, b"", tree.UpstreamProtocolError),
    ],
)
def test_refusals_come_out_as_the_table_says(
    name: str,
    status: int,
    body: Any,
    expected: type,
    serve: Any,
    connect: Any,
    credential: Credential,
    tmp_path: Path,
) -> None:
    server: RawServer = serve(always(body, status=status, headers={"Retry-After": "7"}))
    with pytest.raises(tree.UpstreamError) as caught:
        METHODS[name][2](connect(server), credential, tmp_path)
    assert type(caught.value) is expected
    assert caught.value.retry_after == 7.0
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("value", "expected"), [("30", 30.0), ("0", 0.0), ("9" * 30, 86400.0), ("soon", None), ("-1", None), ("", None)]
)
def test_retry_after(value: str, expected: float | None, serve: Any, connect: Any, credential: Credential) -> None:
    server: RawServer = serve(always({}, status=429, headers={"Retry-After": value}))
    with pytest.raises(tree.RateLimited) as caught:
        connect(server).balance(credential)
    assert caught.value.retry_after == expected


def test_retry_after_as_a_date(serve: Any, connect: Any, credential: Credential) -> None:
    client = connect(serve(always({}, status=503, headers={"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"})))
    with pytest.raises(tree.UpstreamUnavailable) as caught:
        client.balance(credential)
    assert caught.value.retry_after == 86400.0
    client = connect(serve(always({}, status=503, headers={"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"})))
    with pytest.raises(tree.UpstreamUnavailable) as caught:
        client.balance(credential)
    assert caught.value.retry_after == 0.0


def test_a_failed_render_is_a_report_whatever_its_envelope_says(
    serve: Any, connect: Any, credential: Credential
) -> None:
    body = {"success": False, "data": {"status": "failed"}, "error": "no segment"}
    found = connect(serve(always(body))).render_report(credential, "render_1")
    assert (found.phase, found.error) == (RenderPhase.FAILED, "no segment")


@pytest.mark.parametrize(("status", "expected"), [(200, True), (404, False)])
def test_cancelling_tolerates_a_404(
    status: int, expected: object, serve: Any, connect: Any, credential: Credential
) -> None:
    assert connect(serve(always({}, status=status))).cancel_render(credential, "render_1") is expected


# --- the way there and back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CALLS)
def test_no_server_is_not_sent(
    name: str, closed_port: str, connect: Any, credential: Credential, tmp_path: Path
) -> None:
    with pytest.raises(tree.NotSent) as caught:
        METHODS[name][2](connect(closed_port), credential, tmp_path)
    assert caught.value.detail["cause"] == "ConnectError"


def test_an_untrusted_server_is_not_sent(
    serve: Any, connect: Any, server_tls: ssl.SSLContext, credential: Credential
) -> None:
    server: RawServer = serve(anything, ssl_context=server_tls)
    with pytest.raises(tree.NotSent):
        connect(server, tls=ssl.create_default_context()).balance(credential)
    assert server.requests == []


def test_tls_works(serve: Any, connect: Any, server_tls: ssl.SSLContext, credential: Credential) -> None:
    assert connect(serve(anything, ssl_context=server_tls)).balance(credential).available == 1


@pytest.mark.parametrize("name", CALLS)
def test_a_reset_after_the_request_is_one_request_and_open(
    name: str, serve: Any, connect: Any, credential: Credential, tmp_path: Path
) -> None:
    def handle(peer: Peer) -> None:
        peer.read_request()
        peer.reset()

    server: RawServer = serve(handle)
    with pytest.raises(tree.UpstreamUnavailable):
        METHODS[name][2](connect(server), credential, tmp_path)
    assert len(server.requests) == 1
    assert server.connections == 1


def test_no_name_is_not_sent(connect: Any, credential: Credential) -> None:
    with pytest.raises(tree.NotSent):
        connect("http://nemo.invalid").balance(credential)


def test_connections_are_used_again_and_a_closed_one_is_not(serve: Any, connect: Any, credential: Credential) -> None:
    closed = threading.Event()

    def handle(peer: Peer) -> None:
        for _ in range(3):
            if peer.read_request() is None:
                return
            peer.reply(EVERYTHING)
        peer.sock.close()
        closed.set()

    server: RawServer = serve(handle)
    client = connect(server)
    for _ in range(3):
        client.balance(credential)
    assert server.connections == 1
    assert closed.wait(5)
    client.balance(credential)
    assert server.connections == 2


def test_connections_that_lay_idle_too_long_are_closed(serve: Any, connect: Any, credential: Credential) -> None:
    server: RawServer = serve(anything)
    client = connect(server, keepalive_s=0.05)
    client.balance(credential)
    assert not server.closed.wait(0.1)  # nobody looks while nobody calls
    client.balance(credential)
    assert server.closed.wait(5)
    assert server.connections == 2


def test_no_more_connections_are_kept_than_allowed(serve: Any, connect: Any, credential: Credential) -> None:
    together = threading.Barrier(3)

    def handle(peer: Peer) -> None:
        while peer.read_request() is not None:
            together.wait(5)
            peer.reply(EVERYTHING)

    server: RawServer = serve(handle)
    client = connect(server, idle_connections=1, keepalive_s=60)
    threads = [threading.Thread(target=client.balance, args=[credential]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert server.connections == 3
    assert len(client._calls._lanes._idle) == 1


def test_closing_the_client_closes_what_it_kept(serve: Any, connect: Any, credential: Credential) -> None:
    server: RawServer = serve(anything)
    client = connect(server, keepalive_s=60)
    client.balance(credential)
    client.close()
    assert server.closed.wait(5)
    client.balance(credential)  # a call that comes too late works, and keeps nothing
    assert len(client._calls._lanes._idle) == 0


def test_many_threads_share_one_client(serve: Any, connect: Any, credential: Credential) -> None:
    server: RawServer = serve(anything)
    client = connect(server, idle_connections=3)
    found: list[float] = []
    threads = [
        threading.Thread(target=lambda: found.extend(client.balance(credential).available for _ in range(5)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [1.0] * 40
    assert server.connections <= 40


def test_a_redirect_is_not_followed(serve: Any, connect: Any, credential: Credential, tmp_path: Path) -> None:
    elsewhere: RawServer = serve(anything)
    for status in (301, 302, 303, 307, 308):
        server: RawServer = serve(always(b"", status=status, headers={"Location": elsewhere.base_url}))
        for name in CALLS:
            if name != "download_render":
                with pytest.raises(tree.UpstreamProtocolError):
                    METHODS[name][2](connect(server), credential, tmp_path)
    assert elsewhere.connections == 0


def test_cookies_are_neither_kept_nor_sent(serve: Any, connect: Any, credential: Credential) -> None:
    server: RawServer = serve(always(EVERYTHING, headers={"Set-Cookie": "sid=of-this-tenant; Path=/"}))
    client = connect(server)
    for _ in range(2):
        client.balance(credential)
    assert ["cookie" in seen.headers for seen in server.requests] == [False, False]


def test_the_environment_does_not_choose_the_way(
    serve: Any, connect: Any, credential: Credential, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy: RawServer = serve(anything)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login mallory password x\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.base_url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    server: RawServer = serve(anything)
    METHODS["balance"][2](connect(server), credential, tmp_path)
    METHODS["run_turn"][2](connect(server), credential, tmp_path)
    assert proxy.connections == 0
    assert [seen.headers["authorization"] for seen in server.requests] == [f"Bearer {TOKEN}"] * 2


# --- size and time -------------------------------------------------------------------------------------------------


def test_a_body_over_the_cap_is_given_up_while_it_comes(serve: Any, connect: Any, credential: Credential) -> None:
    def handle(peer: Peer) -> None:
        peer.read_request()
        peer.start_stream(content_type="application/json")
        while True:  # ends when the client hangs up
            peer.chunk(b" " * 1000)

    server: RawServer = serve(handle)
    with pytest.raises(tree.UpstreamProtocolError) as caught:
        connect(server, body_bytes=50_000).balance(credential)
    assert caught.value.detail == {"limit_bytes": 50_000}
    assert server.closed.wait(5)


def test_a_body_of_exactly_the_cap_is_read(serve: Any, connect: Any, credential: Credential) -> None:
    body = b'{"code":0,"data":{"available":1}}'
    assert connect(serve(always(body)), body_bytes=len(body)).balance(credential).available == 1


def test_a_compressed_answer_is_not_unpacked(serve: Any, connect: Any, credential: Credential) -> None:
    got = bytearray()
    server: RawServer = serve(always(EVERYTHING, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(tree.UpstreamProtocolError):
        connect(server).balance(credential)
    server = serve(always(b"film", content_type="video/mp4", headers={"Content-Encoding": "br"}))
    with pytest.raises(tree.UpstreamProtocolError):
        connect(server).download_render(credential, "r", got.extend, max_bytes=99)
    assert got == b""


@pytest.mark.parametrize("where", ["head", "body"])
def test_a_byte_at_a_time_meets_the_total_deadline(
    where: str, serve: Any, connect: Any, credential: Credential
) -> None:
    def handle(peer: Peer) -> None:
        peer.read_request()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX: "
        peer.send(head if where == "head" else head + b"\r\nContent-Length: 1000000\r\n\r\n")
        while not stop.wait(0.05):
            peer.send(b"1")

    stop = threading.Event()
    server: RawServer = serve(handle)
    try:
        with pytest.raises(tree.UpstreamUnavailable) as caught:
            connect(server, call_total_s=0.5, read_s=60).balance(credential)
    finally:
        stop.set()
    assert caught.value.detail["cause"] == "ReadTimeout"


def test_a_deadline_does_not_outlive_its_call(serve: Any, connect: Any, credential: Credential) -> None:
    paused = threading.Event()

    def handle(peer: Peer) -> None:
        while peer.read_request() is not None:
            paused.wait(0.3)
            peer.reply(EVERYTHING)

    server: RawServer = serve(handle)
    client = connect(server, call_total_s=0.5)
    for _ in range(3):
        client.balance(credential)
    assert server.connections == 1


# --- the fallback download -----------------------------------------------------------------------------------------


def test_a_download_as_bytes(serve: Any, connect: Any, credential: Credential) -> None:
    film = bytes(range(256)) * 5000
    got = bytearray()
    client = connect(serve(always(film, content_type="video/mp4")))
    assert client.download_render(credential, "r", got.extend, max_bytes=len(film)) is None
    assert bytes(got) == film


def test_a_download_as_json_or_redirect_names_the_url_and_goes_nowhere(
    serve: Any, connect: Any, credential: Credential
) -> None:
    elsewhere: RawServer = serve(anything)
    url = f"{elsewhere.base_url}/r.mp4"
    got = bytearray()
    json_server: RawServer = serve(always({"output": {"url": url}}))
    assert connect(json_server).download_render(credential, "r", got.extend, max_bytes=9) == url
    for status in (301, 302, 303, 307, 308):
        server: RawServer = serve(always(b"", status=status, headers={"Location": url}))
        assert connect(server).download_render(credential, "r", got.extend, max_bytes=9) == url
    assert elsewhere.connections == 0
    assert got == b""


def test_a_relative_redirect_is_made_whole(serve: Any, connect: Any, credential: Credential) -> None:
    server: RawServer = serve(always(b"", status=302, headers={"Location": "/files/r.mp4"}))
    assert connect(server).download_render(credential, "r", print, max_bytes=9) == f"{server.base_url}/files/r.mp4"


@pytest.mark.parametrize("location", ["javascript:1", "file:///etc/passwd", "http://[::1", "http://xn--/"])
def test_a_redirect_to_nowhere(location: str, serve: Any, connect: Any, credential: Credential) -> None:
    server: RawServer = serve(always(b"", status=302, headers={"Location": location}))
    with pytest.raises(tree.UpstreamProtocolError):
        connect(server).download_render(credential, "r", print, max_bytes=9)


@pytest.mark.parametrize("announced", [True, False])
def test_a_download_over_the_limit(announced: object, serve: Any, connect: Any, credential: Credential) -> None:
    def handle(peer: Peer) -> None:
        peer.read_request()
        if announced:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 2001\r\n\r\nfilm")
            peer.wait_for_close()
        else:
            peer.start_stream(content_type="video/mp4")
            while True:
                peer.chunk(b"x" * 500)

    got = bytearray()
    with pytest.raises(tree.ResultUnusable):
        connect(serve(handle)).download_render(credential, "r", got.extend, max_bytes=2000)
    assert len(got) <= 2000
    assert announced is not True or not got


def test_a_download_cut_short(serve: Any, connect: Any, credential: Credential) -> None:
    def handle(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 100\r\n\r\nshort")

    with pytest.raises(tree.UpstreamUnavailable):
        connect(serve(handle)).download_render(credential, "r", bytearray().extend, max_bytes=1000)


@pytest.mark.parametrize("kind", ["text/html", "text/plain", "application/json"])
def test_a_page_is_no_film(kind: str, serve: Any, connect: Any, credential: Credential) -> None:
    got = bytearray()
    with pytest.raises(tree.UpstreamProtocolError):
        connect(serve(always(b"<html>", content_type=kind))).download_render(credential, "r", got.extend, max_bytes=99)
    assert got == b""


def test_what_the_sink_raises_comes_out(serve: Any, connect: Any, credential: Credential) -> None:
    def full(data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        connect(serve(always(b"film", content_type="video/mp4"))).download_render(credential, "r", full, max_bytes=99)
