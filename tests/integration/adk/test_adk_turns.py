"""`NemoClient.run_turn` against a real ADK API server, as it comes: streaming off."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from adk.live import AdkServer, new_mark, order, running
from adk.outcomes import EDIT, OUTCOMES
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
from reelqueue.errors import SessionNotFound, TurnFailed
from reelqueue.nemo.client import NemoClient

# The first run builds an environment.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def client(connect: Any, adk: AdkServer) -> NemoClient:
    return connect(adk.url)


def turn(
    client: NemoClient,
    credential: Credential,
    session_id: str,
    text: str,
    *,
    control: TurnControl | None = None,
    on_progress: Callable[[TurnProgress], None] = lambda progress: None,
) -> TurnReport:
    return client.run_turn(
        credential,
        session_id=session_id,
        text=text,
        control=control or TurnControl(lambda: None),
        on_progress=on_progress,
    )


def cut_when_a_tool_was_called(
    client: NemoClient, credential: Credential, session_id: str, text: str, cut: Callable[[TurnControl], None]
) -> TurnCut:
    """Begin a turn, `cut` it from another thread as soon as it shows a tool, and return what `run_turn` raised."""
    control, tool_called = TurnControl(lambda: None), threading.Event()

    def watch(progress: TurnProgress) -> None:
        if progress.kind == "tool":
            tool_called.set()

    with ThreadPoolExecutor(1) as pool:
        running_turn = pool.submit(turn, client, credential, session_id, text, control=control, on_progress=watch)
        assert tool_called.wait(30)
        cut(control)
        with pytest.raises(TurnCut) as caught:
            running_turn.result(30)
    return caught.value


REST_S = 1.0
"""Nothing of a run that goes on takes longer between two of its steps."""


def when_canceled(played: list[str]) -> list[str]:
    """What was played, once it was canceled and nothing of it is still going on."""
    began = [line for line in played if line.endswith(" began")]
    canceled = [line for line in played if line.endswith(" was canceled")]
    return played if canceled and len(played) == 2 * len(began) else []


def when_at_rest(adk: AdkServer, mark: str) -> list[str]:
    """What was played, where the cancel fell between two steps: then no step tells of it, and none follows."""
    before = adk.played(mark)
    time.sleep(REST_S)
    began = [line for line in before if line.endswith(" began")]
    return before if adk.played(mark) == before and len(before) == 2 * len(began) else []


# --- turns that come to their end ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", OUTCOMES)
def test_a_turn(scenario: str, client: NemoClient, adk: AdkServer, credential: Credential) -> None:
    session_id, shown = adk.new_session(), list[TurnProgress]()
    report = turn(client, credential, session_id, order(scenario), on_progress=shown.append)
    assert report == OUTCOMES[scenario]
    assert sorted(p.text for p in shown if p.kind == "text") == sorted(report.texts)
    assert tuple(p.text for p in shown if p.kind == "tool") == report.tools
    failure = client.turn_failure(report)
    assert (type(failure) if failure else None) is (TurnFailed if OUTCOMES[scenario].error else None)


def test_a_failed_turn_tells_what_the_upstream_said(client: NemoClient, adk: AdkServer, credential: Credential) -> None:
    failure = client.turn_failure(turn(client, credential, adk.new_session(), order("model_error")))
    assert isinstance(failure, TurnFailed)
    assert failure.detail == {"upstream_code": "ScriptedError", "upstream_message": "ScriptedError: model is down"}


def test_several_turns_in_one_session(client: NemoClient, adk: AdkServer, credential: Credential) -> None:
    session_id = adk.new_session()
    for scenario in ("tool", "error_after_tool", "silent", "tool"):
        assert turn(client, credential, session_id, order(scenario)) == OUTCOMES[scenario]
    assert adk.session(session_id)["state"]["edits"] == ["title"] * 4


def test_a_session_that_is_not_there(client: NemoClient, credential: Credential) -> None:
    with pytest.raises(SessionNotFound):
        turn(client, credential, "no-such-session", order("text"))


def test_an_event_larger_than_allowed_is_passed_over(connect: Any, adk: AdkServer, credential: Credential) -> None:
    client = connect(adk.url, event_bytes=1_000_000)
    report = turn(client, credential, adk.new_session(), order("big_state"))
    assert report == TurnReport(TurnEnd.CLOSED, ("Imported.",), ("import_media",), unknown_events=1)


def test_a_silent_ending_is_no_error(client: NemoClient, adk: AdkServer, credential: Credential) -> None:
    """ADK marks it as one since 2.x, with streaming off; contract §6.2 settles silence by the state."""
    session_id = adk.new_session()
    report = turn(client, credential, session_id, order("silent"))
    assert adk.history(session_id)[-1]["errorCode"] == "MODEL_RETURNED_NO_CONTENT"
    assert (report.error, report.error_code, report.tools) == (None, None, EDIT)


# --- turns that are cut --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scenario", "tool"), [("endless_model", "edit_timeline"), ("endless_tool", "wait"), ("stuck_tool", "wait")]
)
def test_an_abort_cancels_the_run_and_keeps_what_was_done(
    scenario: str, tool: str, client: NemoClient, adk: AdkServer, credential: Credential, eventually: Any
) -> None:
    session_id, mark = adk.new_session(), new_mark()
    cut = cut_when_a_tool_was_called(client, credential, session_id, order(scenario, mark), TurnControl.abort)
    assert (cut.reason, cut.partial.end) == (CutReason.ABORTED, TurnEnd.INTERRUPTED)
    assert set(cut.partial.tools) == {tool}
    told = {"endless_model": [f"Step {number}." for number in range(len(cut.partial.tools))]}
    assert list(cut.partial.texts) == {**told, "stuck_tool": ["This takes long."]}.get(scenario, [])
    # Contract §5.5: ADK cancels the run, and what its finished steps did stays.
    played = eventually(lambda: when_canceled(adk.played(mark)) or when_at_rest(adk, mark))
    state = adk.session(session_id)["state"]
    finished = len(state.get("edits", ())) + state.get("waits", 0)
    assert len(cut.partial.tools) - 1 <= finished < 100
    # The session is none the worse for it.
    assert turn(client, credential, session_id, order("text")) == OUTCOMES["text"]
    assert adk.played(mark) == played


def test_a_tool_that_takes_too_long_is_cut(
    client: NemoClient, adk: AdkServer, credential: Credential, eventually: Any
) -> None:
    mark = new_mark()
    control = TurnControl(lambda: None, TurnLimits(total_s=60, idle_s=0.5))
    with pytest.raises(TurnCut) as caught:
        turn(client, credential, adk.new_session(), order("stuck_tool", mark), control=control)
    assert (caught.value.reason, caught.value.partial) == (
        CutReason.IDLE,
        TurnReport(TurnEnd.INTERRUPTED, ("This takes long.",), ("wait",)),
    )
    assert "wait was canceled" in eventually(lambda: when_canceled(adk.played(mark)))


def test_a_server_that_dies_in_the_middle_of_a_turn(
    connect: Any, adk_python: Path, tmp_path: Path, credential: Credential
) -> None:
    with running(adk_python, tmp_path) as server:
        cut = cut_when_a_tool_was_called(
            connect(server.url), credential, server.new_session(), order("stuck_tool"), lambda control: server.kill()
        )
    assert (cut.reason, cut.partial) == (
        CutReason.BROKEN,
        TurnReport(TurnEnd.INTERRUPTED, ("This takes long.",), ("wait",)),
    )
