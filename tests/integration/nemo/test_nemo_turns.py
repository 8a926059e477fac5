"""One turn over real sockets: sent at most once, and never taken for ended when it may not be."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import httpcore
import httpx
import pytest

from fakes.rawhttp import Peer, RawServer, always, events
from reelqueue import errors as tree
from reelqueue.domain.upstream import (
    Credential,
    CutReason,
    TurnControl,
    TurnCut,
    TurnEnd,
    TurnLimits,
    TurnProgress,
    TurnReport,
)
from reelqueue.nemo.client import NemoClient

SID = "5529798706024415232"

DONE = {"content": {"parts": [{"text": "Done, added the title."}], "role": "model"}, "author": "a", "id": "3"}
CALLED = {"content": {"parts": [{"functionCall": {"id": "c", "name": "edit"}}]}, "author": "a", "id": "1"}
RESULT = {"content": {"parts": [{"functionResponse": {"id": "c", "name": "edit"}}]}, "author": "a", "id": "2"}


def nothing(*_: object) -> None:
    return None


def turn(
    client: NemoClient,
    credential: Credential,
    *,
    gate: Callable[[], None] = nothing,
    control: TurnControl | None = None,
    on_progress: Callable[[TurnProgress], None] = nothing,
    **limits: float,
) -> TurnReport:
    control = control or TurnControl(gate, TurnLimits(**limits))
    return client.run_turn(credential, session_id=SID, text="add a title", control=control, on_progress=on_progress)


def stream(*pieces: bytes, chunked: bool = True, content_type: str = "text/event-stream") -> Callable[[Peer], None]:
    """Answer one request with a stream of these pieces, properly ended."""

    def handle(peer: Peer) -> None:
        if peer.read_request() is None:
            return
        peer.start_stream(content_type=content_type, chunked=chunked)
        for piece in pieces:
            if chunked:
                peer.chunk(piece)
            else:
                peer.send(piece)
        if chunked:
            peer.end_chunks()

    return handle


def cut(client: NemoClient, credential: Credential, **more: Any) -> TurnCut:
    with pytest.raises(TurnCut) as caught:
        turn(client, credential, **more)
    return caught.value


# --- a turn that goes well -----------------------------------------------------------------------------------------


def test_a_turn(serve: Any, connect: Any, credential: Credential) -> None:
    shown: list[TurnProgress] = []
    body = b": hello\n\n" + events({"type": "heartbeat"}, CALLED, RESULT, {"odd": 1}, DONE)
    server: RawServer = serve(stream(*(body[i : i + 7] for i in range(0, len(body), 7))))
    control = TurnControl(nothing)
    report = turn(connect(server), credential, control=control, on_progress=shown.append)
    assert report == TurnReport(
        TurnEnd.CLOSED, texts=("Done, added the title.",), tools=("edit",), heartbeats=2, unknown_events=1
    )
    assert [progress.kind for progress in shown] == ["heartbeat", "heartbeat", "tool", "result", "text"]
    assert control.bytes_sent > 0
    assert (server.connections, len(server.requests)) == (1, 1)


def test_each_turn_has_a_connection_of_its_own(serve: Any, connect: Any, credential: Credential) -> None:
    def handle(peer: Peer) -> None:  # willing to serve several on one connection
        while peer.read_request() is not None:
            peer.start_stream()
            peer.chunk(events(DONE))
            peer.end_chunks()

    server: RawServer = serve(handle)
    client = connect(server)
    for _ in range(3):
        turn(client, credential)
    assert server.connections == 3


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("tail", [b"", b"\n", b"\r\n"])
def test_the_last_blank_line_may_be_missing(
    tail: bytes, chunked: bool, serve: Any, connect: Any, credential: Credential
) -> None:
    body = events(DONE).rstrip(b"\n") + tail
    client = connect(serve(stream(body, chunked=chunked)))
    if chunked or tail:
        assert turn(client, credential).texts == ("Done, added the title.",)
    else:  # nothing says that the line was whole
        assert cut(client, credential).reason is CutReason.BROKEN


@pytest.mark.parametrize("chunked", [True, False])
def test_an_empty_stream_is_an_end(chunked: bool, serve: Any, connect: Any, credential: Credential) -> None:
    assert turn(connect(serve(stream(chunked=chunked))), credential) == TurnReport(TurnEnd.CLOSED)


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream", ""])
def test_a_stream_under_a_wrong_name_is_read(
    content_type: str, serve: Any, connect: Any, credential: Credential
) -> None:
    assert turn(connect(serve(stream(events(DONE), content_type=content_type))), credential).texts


def test_tls(serve: Any, connect: Any, credential: Credential, server_tls: ssl.SSLContext) -> None:
    server: RawServer = serve(stream(events(DONE)), ssl_context=server_tls)
    assert turn(connect(server), credential).texts == ("Done, added the title.",)


def test_a_watcher_that_raises_does_not_end_the_turn(serve: Any, connect: Any, credential: Credential) -> None:
    def watch(progress: TurnProgress) -> None:
        raise RuntimeError("the database is away")

    assert turn(connect(serve(stream(events(CALLED, DONE)))), credential, on_progress=watch).texts


def test_an_event_too_large_is_passed_over(serve: Any, connect: Any, credential: Credential) -> None:
    huge = events({"actions": {"stateDelta": {"draft": "x" * 100_000}}})
    report = turn(connect(serve(stream(events(CALLED), huge, events(DONE))), event_bytes=10_000), credential)
    assert (report.tools, report.texts, report.unknown_events) == (("edit",), ("Done, added the title.",), 1)


# --- the gate ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
def test_the_gate_opens_once_on_a_standing_connection_before_the_first_byte(
    tls: bool, serve: Any, connect: Any, credential: Credential, server_tls: ssl.SSLContext
) -> None:
    seen: list[tuple[bool, bool, int, int]] = []

    def gate() -> None:
        standing = (server.handshaken if tls else server.accepted).wait(5)
        early = server.got_bytes.wait(0.2)
        seen.append((standing, early, server.bytes_received, control.bytes_sent))

    server: RawServer = serve(stream(events(DONE)), ssl_context=server_tls if tls else None)
    control = TurnControl(gate)
    turn(connect(server), credential, control=control)
    assert seen == [(True, False, 0, 0)]
    assert server.bytes_received == control.bytes_sent > 0


class LeaseLost(Exception):
    """What a gate of ours may raise."""


@pytest.mark.parametrize(
    "refusal",
    [
        LeaseLost("somebody else has the job"),
        tree.DependencyUnavailable(),
        tree.TokenRejected(),
        OSError("database away"),
        TimeoutError("database slow"),
        httpx.ReadError("from the gate's own call"),
        httpcore.WriteError("which httpcore would swallow"),
        KeyboardInterrupt(),
    ],
    ids=lambda refusal: type(refusal).__name__,
)
def test_a_gate_that_raises_sends_nothing(
    refusal: BaseException, serve: Any, connect: Any, credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gate() -> None:
        raise refusal

    def receive(sock: socket.socket, size: int) -> bytes:
        if threading.current_thread() is threading.main_thread():
            awaited.append(size)
            return b""
        return original(sock, size)

    awaited: list[int] = []
    original = socket.socket.recv
    monkeypatch.setattr(socket.socket, "recv", receive)
    server: RawServer = serve(stream(events(DONE)))
    control = TurnControl(gate)
    with pytest.raises(type(refusal)) as caught:
        turn(connect(server), credential, control=control)
    assert caught.value is refusal
    assert awaited == []  # nothing was asked
    assert control.bytes_sent == 0
    assert server.closed.wait(5)
    assert (server.connections, server.bytes_received) == (1, 0)


def test_time_lost_in_the_gate_counts(serve: Any, connect: Any, credential: Credential) -> None:
    def gate() -> None:
        threading.Event().wait(0.3)

    server: RawServer = serve(stream(events(DONE)))
    with pytest.raises(tree.NotSent):
        turn(connect(server), credential, gate=gate, total_s=0.2)
    assert server.closed.wait(5)
    assert server.bytes_received == 0


def test_one_try_to_connect_and_without_a_connection_no_gate(
    serve: Any,
    connect: Any,
    credential: Credential,
    closed_port: str,
    server_tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[int] = []
    tried: list[object] = []
    create = socket.create_connection

    def spy(address: Any, *args: Any) -> socket.socket:
        tried.append(address)
        return create(address, *args)

    monkeypatch.setattr(socket, "create_connection", spy)
    server: RawServer = serve(stream(events(DONE)), ssl_context=server_tls)
    untrusting = connect(server, tls=ssl.create_default_context())
    for client in (connect(closed_port), untrusting, connect("http://nemo.invalid")):
        with pytest.raises(tree.NotSent):
            turn(client, credential, gate=lambda: opened.append(1))
    monkeypatch.undo()
    assert len(tried) == 3
    assert opened == []
    assert server.requests == []


def test_a_tls_handshake_that_hangs_is_not_sent(serve: Any, connect: Any, credential: Credential) -> None:
    server: RawServer = serve(lambda peer: peer.wait_for_close())
    url = server.base_url.replace("http:", "https:")
    with pytest.raises(tree.NotSent):
        turn(connect(url, connect_s=0.3), credential)


def test_a_control_serves_one_turn(serve: Any, connect: Any, credential: Credential) -> None:
    server: RawServer = serve(stream(events(DONE)))
    control = TurnControl(nothing)
    turn(connect(server), credential, control=control)
    with pytest.raises(RuntimeError, match="one turn"):
        turn(connect(server), credential, control=control)
    assert server.connections == 1


# --- answers that are no stream ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"code": 1001}, tree.TokenRejected),
        (200, {"code": 1002}, tree.SessionNotFound),
        (200, {"code": 2001}, tree.CreditsExhausted),
        (200, {"code": 429}, tree.RateLimited),
        (200, {"code": 402}, tree.ExportNotAllowed),
        (401, {"detail": "no"}, tree.TokenRejected),
        (403, {"code": 1010}, tree.TokenRejected),
        (404, {"detail": "Session not found: 55"}, tree.SessionNotFound),
        (409, {"detail": "stale session"}, tree.UpstreamRequestInvalid),
        (422, {"detail": [{"msg": "Field required"}]}, tree.UpstreamRequestInvalid),
        (429, b"<html>slow down</html>", tree.RateLimited),
    ],
)
def test_a_refusal_before_the_stream(
    status: int, body: Any, expected: type, serve: Any, connect: Any, credential: Credential
) -> None:
    server: RawServer = serve(always(body, status=status, headers={"Retry-After": "3"}))
    with pytest.raises(tree.UpstreamError) as caught:
        turn(connect(server), credential)
    assert type(caught.value) is expected
    assert caught.value.retry_after == 3.0
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "body", "content_type"),
    [
        (200, {"code": 0, "data": {}}, "application/json"),
        (200, {"code": 7777}, "application/json"),
        (200, {"success": False, "error": "x"}, "application/json"),
        (200, b"{", "application/json"),
        (200, b"", "application/json"),
        (200, b"<html>", "text/html"),
        (200, b"<html>", "text/plain"),
        (200, b"", "text/plain"),
        (200, b'{"code":1001}', "text/event-stream"),
        (202, {"code": 0}, "application/json"),
        (204, b"", None),
        (400, b"<html>", "text/html"),
        (404, b"<html>", "text/html"),
        (408, {"detail": "slow"}, "application/json"),
        (400, {"code": 7777}, "application/json"),
        (500, b"Internal Server Error", "text/plain"),
        (500, {"code": 1001}, "application/json"),
        (502, b"<html>", "text/html"),
        (503, {"code": 429}, "application/json"),
        (504, b"", None),
        (500, events(DONE), "text/event-stream"),
        (400, events(DONE), "text/event-stream"),
        (206, events(DONE), "text/event-stream"),
    ],
)
def test_an_answer_that_proves_nothing_leaves_the_turn_open(
    status: int, body: Any, content_type: str | None, serve: Any, connect: Any, credential: Credential
) -> None:
    server: RawServer = serve(always(body, status=status, content_type=content_type))
    found = cut(connect(server), credential)
    assert found.reason is CutReason.UNREADABLE
    assert found.partial == TurnReport(TurnEnd.INTERRUPTED)
    assert found.detail == {"reason": "unreadable"}
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["", "http://xn--/", "http://[::1", "javascript:1"])
def test_a_redirect_is_not_followed_and_leaves_the_turn_open(
    status: int, location: str, serve: Any, connect: Any, credential: Credential
) -> None:
    elsewhere: RawServer = serve(stream(events(DONE)))
    target = location or f"{elsewhere.base_url}/run_sse"
    server: RawServer = serve(always({"code": 1001}, status=status, headers={"Location": target}))
    assert cut(connect(server), credential).reason is CutReason.UNREADABLE
    assert len(server.requests) == 1
    assert elsewhere.connections == 0


def test_a_refusal_that_never_ends_leaves_the_turn_open(serve: Any, connect: Any, credential: Credential) -> None:
    def handle(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 429 X\r\nContent-Length: 100\r\n\r\nx")
        peer.wait_for_close()

    assert cut(connect(serve(handle), read_s=0.3), credential).reason is CutReason.IDLE


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_a_refusal_over_the_cap_leaves_the_turn_open(
    size: int, serve: Any, connect: Any, credential: Credential
) -> None:
    body = b'{"code":1001,"message":"' + b"x" * size + b'"}'
    client = connect(serve(always(body, status=401)), body_bytes=1000)
    if size > 1000:
        assert cut(client, credential).reason is CutReason.UNREADABLE
    else:
        with pytest.raises(tree.TokenRejected):
            turn(client, credential)


def test_a_compressed_stream_leaves_the_turn_open(serve: Any, connect: Any, credential: Credential) -> None:
    server: RawServer = serve(
        always(events(DONE), content_type="text/event-stream", headers={"Content-Encoding": "gzip"})
    )
    assert cut(connect(server), credential).reason is CutReason.UNREADABLE


# --- breaks --------------------------------------------------------------------------------------------------------


def test_a_reset_after_the_request_is_one_request_and_open(serve: Any, connect: Any, credential: Credential) -> None:
    def handle(peer: Peer) -> None:
        peer.read_request()
        peer.reset()

    server: RawServer = serve(handle)
    control = TurnControl(nothing)
    found = cut(connect(server), credential, control=control)
    assert found.reason is CutReason.BROKEN
    assert control.bytes_sent > 0
    assert (server.connections, len(server.requests)) == (1, 1)


def test_a_reset_during_the_gate_is_open_once_bytes_were_handed_over(
    serve: Any, connect: Any, credential: Credential
) -> None:
    connected = threading.Event()

    def gate() -> None:
        connected.set()
        assert server.closed.wait(5)

    def handle(peer: Peer) -> None:
        connected.wait(5)
        peer.reset()

    server: RawServer = serve(handle)
    control = TurnControl(gate)
    assert cut(connect(server), credential, control=control).reason is CutReason.BROKEN
    assert (control.bytes_sent > 0, server.bytes_received, server.connections) == (True, 0, 1)


BODY = events({"content": {"parts": [{"text": "Schritt 1: Größe 🎬"}]}, "author": "a", "id": "0"}, CALLED, RESULT, DONE)


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("place", range(0, len(BODY) + 1, 23))
def test_a_cut_at_any_place_is_open_with_what_was_shown(
    how: str, place: int, serve: Any, connect: Any, credential: Credential
) -> None:
    def handle(peer: Peer) -> None:
        peer.read_request()
        peer.start_stream()
        if place:
            peer.chunk(BODY[:place])
        if how == "rst":
            peer.reset()  # may overtake the bytes before it

    found = cut(connect(serve(handle)), credential)
    assert found.reason is CutReason.BROKEN
    whole = turn(connect(serve(stream(BODY))), credential)
    assert whole.texts[: len(found.partial.texts)] == found.partial.texts
    assert whole.tools[: len(found.partial.tools)] == found.partial.tools
    if how == "fin":
        complete = BODY[:place].count(b"\n\n")
        assert found.partial.texts == whole.texts[: (0, 1, 1, 1, 2)[complete]]
        assert found.partial.tools == whole.tools[: int(complete >= 2)]


def test_without_framing_an_end_between_lines_is_the_end_and_inside_one_is_not(
    serve: Any, connect: Any, credential: Credential
) -> None:
    assert turn(connect(serve(stream(BODY, chunked=False))), credential).texts[-1] == "Done, added the title."
    assert cut(connect(serve(stream(BODY[:-20], chunked=False))), credential).reason is CutReason.BROKEN


def test_under_tls_an_end_without_farewell_is_a_break(
    serve: Any, connect: Any, credential: Credential, server_tls: ssl.SSLContext
) -> None:
    def bye(*, farewell: bool) -> Callable[[Peer], None]:
        def handle(peer: Peer) -> None:
            peer.read_request()
            peer.start_stream(chunked=False)
            peer.send(BODY)
            if farewell:
                assert isinstance(peer.sock, ssl.SSLSocket)
                peer.sock.unwrap()
            else:
                socket.socket.shutdown(peer.sock, socket.SHUT_WR)

        return handle

    assert turn(connect(serve(bye(farewell=True), ssl_context=server_tls)), credential).end is TurnEnd.CLOSED
    assert cut(connect(serve(bye(farewell=False), ssl_context=server_tls)), credential).reason is CutReason.BROKEN


@pytest.mark.parametrize("how", ["closed", "fin", "rst"])
def test_an_error_frame_ends_the_turn_however_the_connection_ends(
    how: str, serve: Any, connect: Any, credential: Credential
) -> None:
    read = threading.Event()

    def handle(peer: Peer) -> None:
        peer.read_request()
        peer.start_stream()
        peer.chunk(b'data: {"error": "the model said "no""}\n\n' + events(CALLED))
        if how == "closed":
            peer.end_chunks()
        if how == "rst":
            read.wait(5)
            peer.reset()

    report = turn(connect(serve(handle)), credential, on_progress=lambda progress: read.set())
    assert (report.end, report.error, report.tools) == (TurnEnd.ERROR_FRAME, 'the model said "no"', ("edit",))


def test_an_error_frame_outlives_a_cut_inside_a_line(serve: Any, connect: Any, credential: Credential) -> None:
    client = connect(serve(stream(events({"error": "boom"}), b"data: {", chunked=False)))
    assert turn(client, credential).end is TurnEnd.ERROR_FRAME


def test_credits_that_run_out_on_the_way(serve: Any, connect: Any, credential: Credential) -> None:
    client = connect(serve(stream(events(CALLED, {"code": 2001, "message": "none left"}))))
    report = turn(client, credential)
    assert report.end is TurnEnd.ERROR_FRAME
    assert isinstance(client.turn_failure(report), tree.CreditsExhausted)


@pytest.mark.parametrize("code", [408, 500, 502, 503, 504, 7777])
@pytest.mark.parametrize("how", ["closed", "rst"])
def test_a_gateway_that_lost_the_agent_leaves_the_turn_open(
    code: int, how: str, serve: Any, connect: Any, credential: Credential
) -> None:
    read = threading.Event()

    def handle(peer: Peer) -> None:
        peer.read_request()
        peer.start_stream()
        peer.chunk(events({"code": code, "message": "no agent"}, CALLED))
        if how == "closed":
            peer.end_chunks()
        else:
            read.wait(5)
            peer.reset()

    client = connect(serve(handle))
    with pytest.raises(TurnCut) as caught:
        turn(client, credential, on_progress=lambda progress: read.set())
    assert (caught.value.reason, caught.value.partial.tools) == (CutReason.GATEWAY, ("edit",))


def test_a_mistake_of_ours_after_the_first_byte_leaves_the_turn_open(
    serve: Any, connect: Any, credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(event: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("reelqueue.nemo.stream.read_frame", broken)
    found = cut(connect(serve(stream(events(DONE)))), credential)
    assert isinstance(found.__cause__, KeyError)


# --- time ----------------------------------------------------------------------------------------------------------


def drip(piece: bytes, *, first: bytes = b"") -> Callable[[Peer], None]:
    """Send a piece every 20 ms until the client has had enough."""

    def handle(peer: Peer) -> None:
        peer.read_request()
        peer.start_stream()
        if first:
            peer.chunk(first)
        while True:
            peer.chunk(piece)
            time.sleep(0.02)

    return handle


def silent_after(piece: bytes = b"") -> Callable[[Peer], None]:
    def handle(peer: Peer) -> None:
        peer.read_request()
        if piece:
            peer.start_stream()
            peer.chunk(piece)
        peer.wait_for_close()

    return handle


@pytest.mark.parametrize("piece", [b"", events(CALLED)])
def test_silence_is_idle(piece: bytes, serve: Any, connect: Any, credential: Credential) -> None:
    found = cut(connect(serve(silent_after(piece)), read_s=60), credential, idle_s=0.4)
    assert found.reason is CutReason.IDLE
    assert found.partial.tools == (("edit",) if piece else ())


def test_silence_shorter_than_the_idle_limit_is_no_end(serve: Any, connect: Any, credential: Credential) -> None:
    def handle(peer: Peer) -> None:
        peer.read_request()
        peer.start_stream()
        time.sleep(0.5)
        peer.chunk(events(DONE))
        peer.end_chunks()

    assert turn(connect(serve(handle), read_s=0.1, connect_s=0.1, write_s=0.1), credential).texts


@pytest.mark.parametrize("beat", [b": ping\n\n", b"data:\n\n", b"data: heartbeat\n\n", events({"type": "heartbeat"})])
def test_heartbeats_alone_are_idle(beat: bytes, serve: Any, connect: Any, credential: Credential) -> None:
    found = cut(connect(serve(drip(beat, first=events(CALLED)))), credential, idle_s=0.4)
    assert found.reason is CutReason.IDLE
    assert found.partial.heartbeats > 0


@pytest.mark.parametrize("piece", [events({"actions": {}}), b"x"], ids=["events", "one endless line"])
def test_no_turn_lasts_for_ever(piece: bytes, serve: Any, connect: Any, credential: Credential) -> None:
    found = cut(connect(serve(drip(piece))), credential, idle_s=60, total_s=0.5)
    assert found.reason is CutReason.TOO_LONG


def test_substance_keeps_a_turn_alive_past_its_idle_limit(serve: Any, connect: Any, credential: Credential) -> None:
    found = cut(connect(serve(drip(events({"actions": {}})))), credential, idle_s=0.5, total_s=1.2)
    assert found.reason is CutReason.TOO_LONG


def test_a_head_that_never_comes_is_idle(serve: Any, connect: Any, credential: Credential) -> None:
    def handle(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            peer.send(b"X: y\r\n")
            time.sleep(0.02)

    assert cut(connect(serve(handle)), credential, idle_s=0.4).reason is CutReason.IDLE


# --- abort ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("chunked", [True, False])
def test_abort_ends_a_blocked_read(
    tls: bool, chunked: bool, serve: Any, connect: Any, credential: Credential, server_tls: ssl.SSLContext
) -> None:
    def handle(peer: Peer) -> None:
        peer.read_request()
        peer.start_stream(chunked=chunked)
        if chunked:
            peer.chunk(events(CALLED))
        else:
            peer.send(events(CALLED))
        peer.wait_for_close()

    server: RawServer = serve(handle, ssl_context=server_tls if tls else None)
    control = TurnControl(nothing)
    reading = threading.Event()

    def abort() -> None:
        reading.wait(5)
        control.abort()
        control.abort()

    aborter = threading.Thread(target=abort)
    aborter.start()
    found = cut(connect(server), credential, control=control, on_progress=lambda progress: reading.set())
    aborter.join()
    assert found.reason is CutReason.ABORTED
    assert found.partial.tools == ("edit",)
    assert control.aborted


def test_abort_before_the_turn_opens_nothing(serve: Any, connect: Any, credential: Credential) -> None:
    server: RawServer = serve(stream(events(DONE)))
    control = TurnControl(lambda: pytest.fail("the gate must not be reached"))
    control.abort()
    with pytest.raises(tree.NotSent):
        turn(connect(server), credential, control=control)
    assert server.bytes_received == 0


def test_abort_in_the_gate_sends_nothing(serve: Any, connect: Any, credential: Credential) -> None:
    server: RawServer = serve(stream(events(DONE)))
    control = TurnControl(lambda: control.abort())  # noqa: PLW0108 - it names itself
    with pytest.raises(tree.NotSent):
        turn(connect(server), credential, control=control)
    assert server.closed.wait(5)
    assert server.bytes_received == 0
    assert control.bytes_sent == 0


def test_abort_ends_a_hanging_tls_handshake(serve: Any, connect: Any, credential: Credential) -> None:
    server: RawServer = serve(lambda peer: peer.wait_for_close())
    control = TurnControl(nothing)

    def abort() -> None:
        server.got_bytes.wait(5)
        control.abort()

    aborter = threading.Thread(target=abort)
    aborter.start()
    with pytest.raises(tree.NotSent):
        turn(connect(server.base_url.replace("http:", "https:"), connect_s=60), credential, control=control)
    aborter.join()


def test_abort_after_the_end_is_harmless(serve: Any, connect: Any, credential: Credential) -> None:
    control = TurnControl(nothing)
    turn(connect(serve(stream(events(DONE)))), credential, control=control)
    control.abort()
    assert control.aborted


# --- the socket ----------------------------------------------------------------------------------------------------


def test_the_connection_is_tuned(
    serve: Any, connect: Any, credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[socket.socket] = []
    create = socket.create_connection

    def spy(*args: Any, **kwargs: Any) -> socket.socket:
        opened.append(create(*args, **kwargs))
        return opened[-1]

    found: list[int] = []

    def gate() -> None:
        (sock,) = opened
        found.extend(
            sock.getsockopt(level, option)
            for level, option in (
                (socket.IPPROTO_TCP, socket.TCP_NODELAY),
                (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
                (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
            )
        )

    server: RawServer = serve(stream(events(DONE)))
    monkeypatch.setattr(socket, "create_connection", spy)
    turn(connect(server), credential, gate=gate)
    monkeypatch.undo()
    assert found == [1, 1, 15, 15, 4]
    assert opened[0].fileno() == -1  # closed with the turn


def test_no_turn_makes_a_tls_context_of_its_own(
    serve: Any, connect: Any, credential: Credential, server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect(serve(stream(events(DONE)), ssl_context=server_tls))
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *a, **k: pytest.fail("a new TLS context"))
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *a, **k: pytest.fail("a new TLS context"))
    assert turn(client, credential).texts
