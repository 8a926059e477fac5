"""Events and their bytes: the framing of the contract, dialects and pieces."""

import json
import random

from nemotwin import events
from nemotwin.events import Draught, Scribe
from nemotwin.framing import frame
from nemotwin.settings import Dials, Settings
from nemotwin.stream import encode


def scribe():
    return Scribe(random.Random(1))


def payloads(chunks):
    return [json.loads(chunk.removeprefix(b"data: ").decode()) for chunk in chunks]


def test_a_frame_is_one_compact_line_in_raw_utf8():
    assert frame({"a": [1, "标"], "b": None}) == 'data: {"a":[1,"标"],"b":null}\n\n'.encode()


def test_a_model_event_has_the_keys_of_the_captured_one():
    parts = (events.thought("hm"), events.text("Working"), events.call("edit_timeline", {"op": "title"}, "adk-1"))
    event = scribe().write(Draught(parts), at=1795442191.4)
    assert list(event) == [
        "modelVersion",
        "content",
        "finishReason",
        "usageMetadata",
        "invocationId",
        "author",
        "actions",
        "longRunningToolIds",
        "id",
        "timestamp",
    ]
    assert event["actions"] == {
        "stateDelta": {},
        "artifactDelta": {},
        "requestedAuthConfigs": {},
        "requestedToolConfirmations": {},
    }
    assert event["content"]["role"] == "model"
    assert event["longRunningToolIds"] == []


def test_a_tool_result_is_the_users_but_the_agent_wrote_it():
    parts = (events.result("edit_timeline", {"status": "ok"}, "adk-1"),)
    event = scribe().write(Draught(parts, role="user"), at=1.0, delta={"draft": {"t": []}})
    assert event["content"]["role"] == "user"
    assert event["author"] == "nemo_agent"
    assert event["actions"]["stateDelta"] == {"draft": {"t": []}}
    assert "modelVersion" not in event
    assert "longRunningToolIds" not in event


def test_an_action_has_no_content_and_a_sub_agent_a_branch():
    event = scribe().write(Draught(None, author=events.EDITOR, transfer_to="x"), at=1.0)
    assert "content" not in event
    assert event["actions"]["transferToAgent"] == "x"
    assert event["branch"] == "nemo_agent.editor_agent"


def test_no_event_holds_a_null():
    event = scribe().write(Draught((events.text("x"),)), at=1.0)
    assert b"null" not in frame(event)


def test_the_flat_dialect_tells_the_same_without_thoughts():
    parts = (events.thought("hm"), events.text("Working"), events.call("t", {"a": 1}, "adk-1"))
    event = scribe().write(Draught(parts), at=1.0)
    dials = Dials(Settings(dialect="flat"))
    assert payloads(encode(event, scribe(), dials, streaming=False)) == [
        {"type": "text", "content": "Working"},
        {"type": "tool_call", "name": "t", "args": {"a": 1}},
    ]


def test_streaming_sends_pieces_and_then_the_whole():
    event = scribe().write(Draught((events.text("All done"),)), at=1.0)
    first, second, whole = payloads(encode(event, scribe(), Dials(Settings()), streaming=True))
    assert first["partial"] is True
    assert second["partial"] is True
    assert first["content"]["parts"][0]["text"] + second["content"]["parts"][0]["text"] == "All done"
    assert whole == event | {"partial": False}
    assert len({first["id"], second["id"], whole["id"]}) == 3


def test_the_old_whole_has_no_partial_key_and_calls_come_whole():
    old = Dials(Settings(aggregate="old"))
    event = scribe().write(Draught((events.text("All done"),)), at=1.0)
    assert payloads(encode(event, scribe(), old, streaming=True))[-1] == event
    call = scribe().write(Draught((events.call("t", {}, "adk-1"),)), at=1.0)
    assert payloads(encode(call, scribe(), old, streaming=True)) == [call]


def test_a_whole_of_many_parts_repeats_the_pieces_in_order():
    parts = (events.thought("hm"), events.text("Working"), events.call("t", {"a": 1}, "adk-1"))
    event = scribe().write(Draught(parts), at=1.0)
    *pieces, whole = payloads(encode(event, scribe(), Dials(Settings()), streaming=True))
    assert whole == event | {"partial": False}
    told = [piece["content"]["parts"] for piece in pieces]
    assert [len(parts) for parts in told] == [1] * 5
    assert [parts[0].get("text") for parts in told] == ["h", "m", "Wor", "king", None]
    assert [parts[0].get("thought") for parts in told] == [True, True, None, None, None]
    assert ["finishReason" in piece for piece in pieces] == [False] * 4 + [True]


def test_results_and_silence_come_whole():
    for draught in (
        Draught((events.result("t", {}, "adk-1"),), role="user"),
        Draught(()),
        Draught(None),
        Draught((events.text(""),)),
    ):
        event = scribe().write(draught, at=1.0)
        assert payloads(encode(event, scribe(), Dials(Settings()), streaming=True)) == [event]


def test_bytes_in_the_feed_go_out_as_they_are():
    for dialect in ("adk", "flat"):
        assert encode(b"data: x\n\n", scribe(), Dials(Settings(dialect=dialect)), streaming=True) == [b"data: x\n\n"]


def test_adk_2_marks_an_ending_without_an_answer():
    newest = Dials(Settings(adk="2"))
    for parts in ((), (events.thought("hm"),), (events.text("  "),)):
        event = scribe().write(Draught(parts), at=1.0)
        (told,) = payloads(encode(event, scribe(), newest, streaming=False))
        assert told.pop("errorCode") == "MODEL_RETURNED_NO_CONTENT"
        assert told.pop("errorMessage")
        assert told == event
        assert "errorCode" not in payloads(encode(event, scribe(), newest, streaming=True))[-1]
    for draught in (Draught((events.text("Done"),)), Draught((events.call("t", {}, "adk-1"),)), Draught(None)):
        event = scribe().write(draught, at=1.0)
        assert payloads(encode(event, scribe(), newest, streaming=False)) == [event]


def test_adk_2_gives_the_pieces_the_id_of_the_whole():
    event = scribe().write(Draught((events.text("All done"),)), at=1.0)
    told = payloads(encode(event, scribe(), Dials(Settings(adk="2")), streaming=True))
    assert {payload["id"] for payload in told} == {event["id"]}
