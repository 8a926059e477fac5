"""A token must not come out of the client in any way but the Authorization header."""

from __future__ import annotations

import logging
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.rawhttp import Peer, RawServer, always, events
from reelqueue.domain.upstream import Credential, LocalFile, OutputSpec, TurnControl, TurnCut, TurnLimits, TurnProgress
from reelqueue.nemo.client import NemoClient

OURS = "nmv_usr_CANARY-6f1d0b"
SUPPLIED = "own-token-CANARY-77aa"
SID = "5529798706024415232"


class LeaseLost(Exception):
    pass


def refuse() -> None:
    raise LeaseLost


def dawdle() -> None:
    """Past the limits below, so that the write of the head itself is refused."""
    threading.Event().wait(0.4)


def _turn(client: NemoClient, credential: Credential, gate: Callable[[], None] = lambda: None) -> Any:
    control = TurnControl(gate, TurnLimits(total_s=1, idle_s=0.3))
    shown: list[TurnProgress] = []
    report = client.run_turn(credential, session_id=SID, text="hi", control=control, on_progress=shown.append)
    return report, shown


def _upload(client: NemoClient, credential: Credential) -> Any:
    return client.upload_files(credential, SID, [LocalFile(Path(__file__), "a.jpg", "image/jpeg")])


ACTIONS: dict[str, Callable[[NemoClient, Credential], Any]] = {
    "balance": lambda client, credential: client.balance(credential),
    "create": lambda client, credential: client.create_session(credential, name="n", language="en"),
    "upload": _upload,
    "render": lambda client, credential: client.submit_render(
        credential, render_id="r", session_id=SID, draft={}, output=OutputSpec()
    ),
    "download": lambda client, credential: client.download_render(credential, "r", print, max_bytes=5),
    "turn": _turn,
    "gate": lambda client, credential: _turn(client, credential, refuse),
    "late": lambda client, credential: _turn(client, credential, dawdle),
}


def hang(peer: Peer) -> None:
    peer.read_request()
    peer.wait_for_close()


def reset(peer: Peer) -> None:
    peer.read_request()
    peer.reset()


def garble(peer: Peer) -> None:
    peer.read_request()
    peer.send(b"NONSENSE\r\n\r\n")


def half(peer: Peer) -> None:
    peer.read_request()
    peer.start_stream(chunked=True)
    peer.chunk(b"data: {")


def echo(peer: Peer) -> None:
    """A server that tells everything it was told."""
    while (seen := peer.read_request()) is not None:
        said = f"you sent {seen.headers.get('authorization')}"
        peer.reply({"code": 1001, "message": said}, status=401)


def echo_in_stream(peer: Peer) -> None:
    seen = peer.read_request()
    assert seen is not None
    token = seen.headers["authorization"].removeprefix("Bearer ")
    peer.start_stream()
    peer.chunk(events({"content": {"parts": [{"text": f"your token is {token}."}]}, "author": "a"}))
    peer.chunk(events({"content": {"parts": [{"functionCall": {"name": token}}]}, "author": "a"}))
    peer.chunk(events({"error": f"bad token {token}", "error_details": {"error_type": token}}))
    peer.end_chunks()


SERVERS = {
    "hang": hang,
    "reset": reset,
    "garble": garble,
    "half": half,
    "echo": echo,
    "500": always(b"no", status=500),
    "html": always(b"<html>", content_type="text/html"),
    "redirect": always(b"", status=307, headers={"Location": "http://elsewhere.invalid/"}),
    "large": always(b"x" * 5000),
}


def chain(exc: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    queue = [exc]
    while queue:
        link = queue.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        queue += [link.__cause__, link.__context__]


def everything_about(exc: BaseException) -> str:
    """What any log formatter could print, local variables of all frames included."""
    found = []
    for link in chain(exc):
        found += [repr(link), str(link), repr(link.args), repr(getattr(link, "__dict__", {}))]
        found += [repr(getattr(link, "_request", None))]
        request = getattr(link, "_request", None)
        found += [repr(request.headers.raw)] if request is not None else []
        frames = [frame for frame, _ in traceback.walk_tb(link.__traceback__) if frame.f_code.co_filename != __file__]
        found += [f"{frame.f_code.co_qualname}: {frame.f_locals!r}" for frame in frames]
        if isinstance(link, TurnCut):
            found.append(repr(link.partial))
    return "\n".join(found)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.mark.parametrize("token", [OURS, SUPPLIED])
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("server", SERVERS)
def test_no_failure_shows_the_token(
    server: str,
    action: str,
    token: str,
    serve: Any,
    connect: Any,
    log: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    credential = Credential("tok_1", token)
    running: RawServer = serve(SERVERS[server])
    client = connect(running, call_total_s=0.3, upload_total_s=0.3, download_total_s=0.3, read_s=0.3, body_bytes=1000)
    if (server, action) == ("redirect", "download"):  # the one pair that is no failure
        assert ACTIONS[action](client, credential) == "http://elsewhere.invalid/"
        assert "CANARY" not in log.text
        return
    with pytest.raises(Exception) as caught:
        ACTIONS[action](client, credential)
    assert "CANARY" not in everything_about(caught.value)
    assert "CANARY" not in log.text
    assert "CANARY" not in "".join(capsys.readouterr())
    if action not in {"gate", "late"}:
        assert any("CANARY" in seen.headers["authorization"] for seen in running.requests)


def test_not_even_before_anything_was_sent(
    closed_port: str, serve: Any, connect: Any, server_tls: ssl.SSLContext, log: pytest.LogCaptureFixture
) -> None:
    untrusted: RawServer = serve(hang, ssl_context=server_tls)
    for action in ("balance", "turn"):
        for client in (connect(closed_port), connect(untrusted, tls=ssl.create_default_context())):
            with pytest.raises(Exception) as caught:
                ACTIONS[action](client, Credential("tok_1", OURS))
            assert "CANARY" not in everything_about(caught.value)
        with pytest.raises(Exception) as caught:
            ACTIONS[action](connect(closed_port), Credential("tok_1", "CANARY\r\nX: 1"))
        assert "CANARY" not in everything_about(caught.value)
    assert "CANARY" not in log.text


@pytest.mark.parametrize("token", [OURS, SUPPLIED])
def test_an_agent_that_repeats_the_token_is_not_quoted(token: str, serve: Any, connect: Any) -> None:
    report, shown = _turn(connect(serve(echo_in_stream)), Credential("tok_1", token))
    assert "CANARY" not in repr((report, shown))
    assert report.texts == ("your token is [redacted].",) or report.texts == ("your token is [redacted]",)
    assert report.error == "bad token [redacted]"


def test_the_client_and_its_values_do_not_show_it(closed_port: str, connect: Any) -> None:
    credential = Credential("tok_1", OURS)
    assert "CANARY" not in repr((credential, connect(closed_port), vars(connect(closed_port))))
