from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelqueue.nemo.frames import (
    AgentEvent,
    EnvelopeFrame,
    ErrorFrame,
    FlatEvent,
    FlatKind,
    KeepAlive,
    TextPart,
    ToolUse,
    Unknown,
    read_frame,
)
from reelqueue.nemo.sse import Comment, ServerEvent


def frame(payload: Any, name: str = "") -> Any:
    return read_frame(ServerEvent(name, payload if isinstance(payload, str) else json.dumps(payload)))


@pytest.mark.parametrize(
    "event",
    [
        Comment(),
        ServerEvent(),
        ServerEvent(data="  "),
        ServerEvent(data="heartbeat"),
        ServerEvent(data="[heartbeat]"),
        ServerEvent(data='"heartbeat"'),
        ServerEvent(data="ping - 2026-03-19"),
        ServerEvent(data='{"type":"heartbeat"}'),
        ServerEvent(data='{"type":"PING","ts":1}'),
        ServerEvent("heartbeat", '{"anything":1}'),
        ServerEvent("ping", ""),
    ],
)
def test_every_spelling_of_a_heartbeat(event: ServerEvent | Comment) -> None:
    assert read_frame(event) == KeepAlive()


CAPTURED = json.loads(
    '{"modelVersion":"m","content":{"parts":[{"text":"Let me think.","thought":true},{"text":"Working on it."},'
    '{"functionCall":{"id":"adk-d814","args":{"op":"title"},"name":"edit_timeline"}}],"role":"model"},'
    '"finishReason":"STOP","usageMetadata":{"totalTokenCount":15},"invocationId":"e-c0f2","author":"nemo_agent",'
    '"actions":{"stateDelta":{},"artifactDelta":{}},"longRunningToolIds":[],"id":"d7f5","timestamp":1795442191.4}'
)


def test_the_captured_event() -> None:
    found = frame(CAPTURED)
    assert found == AgentEvent(
        parts=(TextPart("Let me think.", thought=True), TextPart("Working on it.")),
        calls=(ToolUse("edit_timeline", "adk-d814"),),
        author="nemo_agent",
        invocation="e-c0f2",
        event_id="d7f5",
        timestamp=1795442191.4,
    )
    assert found.visible == "Working on it."


def test_a_tool_result_is_told_by_its_part_and_not_by_its_role() -> None:
    found = frame(
        {
            "content": {"parts": [{"functionResponse": {"id": "1", "name": "edit", "response": {}}}], "role": "user"},
            "author": "nemo_agent",
        }
    )
    assert found.results == (ToolUse("edit", "1"),)
    assert found.visible == ""


@pytest.mark.parametrize(
    "payload",
    [
        {"actions": {"stateDelta": {"draft": {}}}},
        {"content": None, "author": "a"},
        {"content": {"parts": None}, "author": "a"},
        {"content": {"parts": []}, "author": "a"},
        {"content": {"parts": [None, 7, {"text": 5}, {"functionCall": []}]}, "author": "a"},
        {"content": [], "author": "a"},
        {"author": 7, "id": 9, "invocationId": []},
    ],
)
def test_an_agent_event_may_lack_anything(payload: dict[str, Any]) -> None:
    found = frame(payload)
    assert isinstance(found, AgentEvent)
    assert (found.visible, found.calls, found.results) == ("", (), ())


def test_snake_case_is_read_too() -> None:
    found = frame({"content": {"parts": [{"function_call": {"name": "f"}}]}, "invocation_id": "i", "error_code": 429})
    assert (found.calls, found.invocation, found.error_code) == ((ToolUse("f"),), "i", "429")


def test_an_event_of_failure_without_content() -> None:
    found = frame({"errorCode": "SAFETY", "errorMessage": "blocked", "author": "a"})
    assert (found.error, found.error_code) == ("blocked", "SAFETY")


@pytest.mark.parametrize(("value", "expected"), [(True, True), (False, False), (None, False), ("true", False)])
def test_only_true_is_partial(value: object, expected: object) -> None:
    assert frame({"content": {"parts": []}, "partial": value}).partial is expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"error": "boom"}, ErrorFrame("boom")),
        ({"error": ""}, ErrorFrame("unspecified error")),
        ({"error": {"message": "boom"}}, ErrorFrame("boom")),
        ({"error": "V: x", "error_details": {"error_type": "ValueError"}}, ErrorFrame("V: x", "ValueError")),
        ({"error": "no credits", "code": 2001}, ErrorFrame("no credits", None, 2001)),
        ({"error": "busy", "errorCode": "429"}, ErrorFrame("busy", "429")),
        ({"error": "busy", "code": "BUSY"}, ErrorFrame("busy", "BUSY")),
        ({"error": "V: x", "error_details": {"error_type": "V"}, "code": 429}, ErrorFrame("V: x", "V")),
        ({"type": "error", "content": "boom"}, ErrorFrame("boom")),
        ({"type": "error", "message": "boom"}, ErrorFrame("boom")),
        ('{"error": "the model said "no" to this"}', ErrorFrame('the model said "no" to this')),
        ('{"error": "first line', ErrorFrame("first line")),
        ('{ "error" : "a {b}"x"}', ErrorFrame('a {b}"x')),
        ('{"error": "', ErrorFrame("unspecified error")),
        ({"code": 2001, "message": "no credits", "data": None}, EnvelopeFrame(2001, "no credits")),
        ({"code": "1001"}, EnvelopeFrame(1001)),
        ({"code": 0, "data": {}}, Unknown()),
        ({"error": None, "foo": 1}, Unknown()),
        ({"foo": 1}, Unknown()),
        ([1], Unknown()),
        ("7", Unknown()),
        ("[DONE]", Unknown()),
        ("<html>", Unknown()),
        ("{", Unknown()),
        ("[" * 100_000, Unknown()),
        ('{"a":' + "9" * 5000 + "}", Unknown()),
        ({"type": "text", "content": "hi"}, FlatEvent(FlatKind.TEXT, "hi")),
        ({"type": "tool_call", "name": "edit", "args": {}}, FlatEvent(FlatKind.TOOL_CALL, "", "edit")),
        ({"type": "tool_result", "name": "edit", "result": {}}, FlatEvent(FlatKind.TOOL_RESULT, "", "edit")),
        ({"type": "thinking", "content": "hm"}, FlatEvent(FlatKind.THOUGHT, "hm")),
        ({"type": "done"}, Unknown()),
    ],
)
def test_the_other_frames(payload: Any, expected: object) -> None:
    assert frame(payload) == expected


def test_an_oversized_event_is_unknown() -> None:
    assert read_frame(ServerEvent(oversized=True)) == Unknown()


def test_not_a_number_does_not_cost_the_text() -> None:
    assert frame('{"content":{"parts":[{"text":"hi"}]},"usageMetadata":{"x":NaN}}').visible == "hi"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "error",
                    "code",
                    "content",
                    "parts",
                    "text",
                    "thought",
                    "functionCall",
                    "functionResponse",
                    "name",
                    "id",
                    "author",
                    "actions",
                    "partial",
                    "errorCode",
                    "error_details",
                    "detail",
                    "message",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.text(max_size=20), JSON | st.text(max_size=40))
def test_nothing_an_upstream_sends_raises(name: str, payload: object) -> None:
    assert frame(payload, name) is not None
