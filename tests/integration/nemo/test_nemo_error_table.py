"""Each row of the error table, done by a server to the real client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from fakes.nemo_methods import SID, ask
from fakes.rawhttp import Handler, Peer, always, events
from reelqueue import errors as tree
from reelqueue.domain.upstream import Credential, RenderPhase, TurnControl, TurnLimits, TurnReport
from reelqueue.nemo import error_table as table
from reelqueue.nemo.error_table import ROWS, Call, Row, Where

NOT_OF_THE_CLIENT = {
    "a question",
    "still at work after ten minutes",
    "no track has a segment",
    "unchanged after five looks at a broken turn",
    "no answer from the owner",
    table.BLOCKED,
}
"""What the steps find out, not the client: `tests/unit/jobs/test_error_table.py`."""


def cells(*places: Where) -> list[Any]:
    rows = (row for row in ROWS if row.where in places and row.what not in NOT_OF_THE_CLIENT)
    return [
        pytest.param(row, call, id=f"{row.where} {row.what!r} at {call}") for row in rows for call in sorted(row.calls)
    ]


def caught(act: Callable[[], Any]) -> tree.UpstreamError:
    with pytest.raises(tree.UpstreamError) as found:
        act()
    return found.value


def is_as_said(row: Row, error: tree.UpstreamError) -> bool:
    """The very class; a turn that is open comes as the subclass that has the report so far."""
    assert row.error is not None
    return type(error) is row.error or (row.error is tree.TurnInterrupted and isinstance(error, tree.TurnInterrupted))


# --- answers ----------------------------------------------------------------------------------------------------------

SPOKEN: Mapping[str, tuple[int, Any]] = {
    table.SESSION_GONE: (422, {"detail": "Session not found: 55"}),
    table.ID_TAKEN: (200, {"success": False, "error": "duplicate id"}),
    table.ANY_CODE: (200, {"code": 7777, "message": "no"}),
    table.UNREADABLE: (200, b"<html>welcome</html>"),
    table.BARE: (402, b"<html>no</html>"),
    table.ANY_5XX: (599, {"detail": "no"}),
    table.ANY_4XX: (418, {"detail": "no"}),
    table.ANY_3XX: (307, {"detail": "no"}),
}


def answers_for(row: Row) -> list[tuple[int, Any]]:
    """Status and body: a number that may be a status comes as one, and in a body of status 200."""
    if isinstance(row.what, str):
        return [SPOKEN[row.what]]
    in_body = (200, {"code": row.what, "message": "no", "data": None})
    return [in_body] if row.where is Where.ENVELOPE else [in_body, (row.what, {"detail": "no"})]


@pytest.mark.parametrize(("row", "call"), cells(Where.ENVELOPE, Where.HTTP))
def test_an_answer(row: Row, call: Call, serve: Any, connect: Any, credential: Credential, tmp_path: Path) -> None:
    for status, body in answers_for(row):
        client = connect(serve(always(body, status=status)))
        if row.error is tree.RenderUnknown and call is Call.RENDER_CANCEL:
            assert client.cancel_render(credential, "render_1") is False
        else:
            assert is_as_said(row, caught(lambda client=client: ask(client, call, credential, tmp_path)))


# --- streams ----------------------------------------------------------------------------------------------------------

WORDS: Mapping[str, Any] = {
    table.ANY_CODE: {"code": 7777, "message": "no"},
    table.ERROR_FRAME: {"error": "no"},
    table.ANY_WORD: {"author": "a", "errorCode": "WEATHER", "errorMessage": "rain"},
    table.NOISE: {"author": "a", "content": {"parts": [{"text": "I encountered a temporary issue."}]}},
    "finishReason": {"author": "a", "content": {"parts": [{"text": "Done."}]}, "finishReason": "STOP"},
}


def streaming(*payloads: object) -> Handler:
    def handle(peer: Peer) -> None:
        peer.read_request()
        peer.start_stream()
        peer.chunk(events(*payloads))
        peer.end_chunks()

    return handle


def spoken(row: Row) -> object:
    if isinstance(row.what, int):
        return {"code": row.what, "message": "no", "data": None}
    return WORDS.get(row.what, {"author": "a", "errorCode": row.what, "errorMessage": "no"})


@pytest.mark.parametrize(("row", "call"), cells(Where.STREAM, Where.AGENT))
def test_a_stream(row: Row, call: Call, serve: Any, connect: Any, credential: Credential, tmp_path: Path) -> None:
    client = connect(serve(streaming(spoken(row))))
    if row.error is tree.TurnInterrupted:
        assert is_as_said(row, caught(lambda: ask(client, call, credential, tmp_path)))
        return
    report: TurnReport = ask(client, call, credential, tmp_path)
    assert type(client.turn_failure(report)) is (type(None) if row.error is None else row.error)


# --- exports ----------------------------------------------------------------------------------------------------------

REPORTS: Mapping[str, Any] = {
    "an unknown status word": ({"status": "simmering"}, RenderPhase.PROCESSING),
    "completed without a URL": ({"status": "completed"}, RenderPhase.COMPLETED),
}


@pytest.mark.parametrize(("row", "call"), cells(Where.RENDER))
def test_a_report(row: Row, call: Call, serve: Any, connect: Any, credential: Credential, tmp_path: Path) -> None:
    if row.error is tree.UpstreamProtocolError:
        client = connect(serve(always({"success": True, "data": {}})))
        assert is_as_said(row, caught(lambda: ask(client, call, credential, tmp_path)))
        return
    body, phase = REPORTS.get(str(row.what), ({"status": row.what, "error": "no"}, RenderPhase.FAILED))
    report = ask(connect(serve(always({"success": True, "data": body}))), call, credential, tmp_path)
    assert (report.phase, report.url) == (phase, None)


# --- the way, and the state -------------------------------------------------------------------------------------------


def resetting(peer: Peer) -> None:
    peer.read_request()
    peer.reset()


def beating(peer: Peer) -> None:
    peer.read_request()
    peer.start_stream()
    while True:
        peer.chunk(b": ping\n\n")


def talking(peer: Peer) -> None:
    peer.read_request()
    peer.start_stream()
    while True:
        peer.chunk(events({"author": "a", "content": {"parts": [{"text": "On it."}]}}))


TOO_LONG: Mapping[str, tuple[Handler, TurnLimits]] = {
    "silent for ten minutes": (beating, TurnLimits(total_s=60, idle_s=0.1)),
    "longer than 15 minutes": (talking, TurnLimits(total_s=0.1, idle_s=60)),
}


@pytest.mark.parametrize(("row", "call"), cells(Where.TRANSPORT, Where.STATE))
def test_the_way(
    row: Row, call: Call, closed_port: str, serve: Any, connect: Any, credential: Credential, tmp_path: Path
) -> None:
    if row.what in TOO_LONG:
        handler, limits = TOO_LONG[str(row.what)]
        client, control = connect(serve(handler)), TurnControl(lambda: None, limits)
        error = caught(
            lambda: client.run_turn(
                credential, session_id=SID, text="x", control=control, on_progress=lambda progress: None
            )
        )
    else:
        servers: Mapping[int | str, Callable[[], Any]] = {
            table.UNSENT: lambda: closed_port,
            table.BROKEN: lambda: serve(resetting),
            table.GARBLED: lambda: serve(always({"code": 0}, headers={"Content-Encoding": "gzip"})),
            "a draft that is a string and no JSON": lambda: serve(always({"data": {"state": {"draft": "{"}}})),
        }
        error = caught(lambda: ask(connect(servers[row.what]()), call, credential, tmp_path))
    assert is_as_said(row, error)
