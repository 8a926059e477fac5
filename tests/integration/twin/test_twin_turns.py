"""Agent turns: what is streamed, what is charged, what is changed, and what a lost client changes about it."""

import httpx
import pytest

from fakes.twin import LOCAL, Process, Twin, decoded, picture, texts, until


def kinds(events):
    return [
        next(iter(part)) if not part.get("thought") else "thought"
        for event in events
        for part in event.get("content", {}).get("parts", [])
    ]


def calls(events, kind):
    parts = [part for event in events for part in event.get("content", {}).get("parts", [])]
    return [part[kind] for part in parts if kind in part]


def test_a_generation_in_two_stages(user):
    project = user.project()
    with project.open("animate this photo, 5 seconds") as stream:
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["transfer-encoding"] == "chunked"
        received = stream.read()
    assert received.endswith(b"\n\n")
    assert all(frame.startswith(b"data: ") for frame in received.removesuffix(b"\n\n").split(b"\n\n"))
    assert b"[DONE]" not in received
    assert b"event:" not in received
    assert received.count(b'data: {"type":"heartbeat"}\n\n') >= 1
    events = decoded(received)
    called, answered = calls(events, "functionCall"), calls(events, "functionResponse")
    assert called[0]["name"] == "generate_video_with_seedance"
    assert {call["name"] for call in called[1:]} == {"edit_multitrack"}
    assert len(called) >= 3
    assert {call["id"] for call in called} == {answer["id"] for answer in answered}
    assert events[0]["longRunningToolIds"] == [called[0]["id"]]
    assert answered[0]["response"]["status"] == "pending"
    assert len({event["invocationId"] for event in events}) == 1
    assert len({event["id"] for event in events}) == len(events)
    assert {event["author"] for event in events} == {"nemo_agent", "editor_agent"}
    assert [event["timestamp"] for event in events] == sorted(event["timestamp"] for event in events)
    assert events[-1]["timestamp"] - events[0]["timestamp"] >= 97
    deltas = [event["actions"]["stateDelta"]["draft"] for event in events if event["actions"]["stateDelta"]]
    assert [[track["tt"] for track in draft["t"]] for draft in deltas] == [[0], [0, 1, 7, 42]]
    assert "Export button" in texts(events)[-1]
    assert "thought" in kinds(events)
    state = project.state()
    assert state["draft"] == deltas[-1]
    assert state["draft"]["d"] == 5000
    assert state["canvas_config"] == {"width": 1080, "height": 1920, "aspect_ratio": "9:16"}
    assert len(state["generated_media"]) == 1
    assert len(state["video_infos"]) == 2


def test_the_second_stage_can_be_switched_off(twin, user):
    twin.settings(second_stage=False)
    project = user.project()
    project.say("animate this photo")
    assert [track["tt"] for track in project.state()["draft"]["t"]] == [0]


def test_an_edit_changes_what_it_names(user):
    project = user.project()
    project.say("animate this photo")
    before = project.state()["draft"]
    events = project.events('add a title "Paradise Found" for 2 seconds')
    draft = project.state()["draft"]
    assert draft["t"][:-1] == before["t"]
    assert draft["t"][-1] == {
        "tt": 7,
        "m": {"name": "Paradise Found"},
        "sg": [{"d": 2000, "sim_start": 0, "sim_text": "Paradise Found"}],
    }
    assert "Paradise Found" in texts(events)[-1]


def test_credits_a_clip_a_hundred_and_fifty_the_editing(user):
    project = user.project()
    project.say("animate this photo")
    assert user.balance() == {"available": 900, "frozen": 0, "total": 900}
    project.say("add a title 'A'")
    project.say("add a title 'B'")
    assert user.balance()["available"] == 850
    assert project.charges() == [("generate", 100, "charged"), ("edit", 50, "charged")]


def test_every_edit_is_charged_where_the_settings_say_so(twin, user):
    twin.settings(edit_charge="turn")
    project = user.project()
    project.say("add a title 'A'")
    project.say("add a title 'B'")
    assert user.balance()["available"] == 900


def test_credits_are_frozen_while_a_turn_runs(twin, user):
    twin.settings(speed=1)
    project = user.project()
    with project.open("animate this photo") as stream:
        assert stream.status_code == 200
        assert user.balance() == {"available": 900, "frozen": 100, "total": 1000}
        twin.settings(speed=10_000)
        stream.read()
    assert user.balance() == {"available": 900, "frozen": 0, "total": 900}


def test_too_few_credits_are_an_envelope_before_the_stream(twin):
    user = twin.user(credits=99)
    project = user.project()
    answer = user.post("/run_sse", json=project.body("animate this photo"))
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["code"] == 2001
    assert user.balance() == {"available": 99, "frozen": 0, "total": 99}
    assert project.turns() == []


def test_a_broken_turn_gives_the_credits_back(twin, user):
    project = user.project()
    twin.fault("run_sse", "turn_error")
    events = project.events("animate this photo")
    assert set(events[-1]) == {"error"}
    assert user.balance() == {"available": 1000, "frozen": 0, "total": 1000}
    assert project.charges() == [("generate", 100, "released")]
    assert project.turns()[0]["outcome"] == "failed"
    assert project.state()["draft"] == {}


def test_about_three_edits_in_ten_are_silent_and_the_seed_says_which(twin, user):
    def silences():
        twin.control("reset")
        twin.settings(silent_rate=0.3, speed=100_000)
        project = twin.user().project()
        for number in range(40):
            project.say(f"add a title 'T{number}'")
        assert len(project.state()["draft"]["t"]) == 41
        return [turn["silent"] for turn in project.turns()]

    first = silences()
    assert 5 <= sum(first) <= 20
    assert silences() == first


def test_a_silent_edit_says_nothing_and_changes_the_state(twin, user):
    twin.settings(silent_rate=1.0)
    project = user.project()
    events = project.events("add a title 'A'")
    assert texts(events) == []
    assert events[-1]["content"]["parts"] == []
    assert project.state()["draft"]["t"][-1]["m"]["name"] == "A"


def test_a_question_costs_nothing_and_its_answer_is_taken(twin, user):
    project = user.session()
    events = project.events("make a video")
    assert texts(events)[-1].startswith("What should the video show?")
    assert project.turns()[0]["intent"] == "ask"
    assert project.state()["draft"] == {}
    assert user.balance()["available"] == 1000
    project.say("a fox in the snow, calm")
    assert project.turns()[1]["intent"] == "generate"
    assert project.state()["draft"]["t"]


def test_chinese_is_answered_in_chinese(user):
    project = user.session(language="zh-CN")
    project.upload(("photo.png", picture()))
    received = project.say("生成视频，标题“海边”")
    assert "点击" in received.decode()
    assert "\\u" not in received.decode()
    assert project.state()["draft"]["t"][1]["m"]["name"] == "海边"


def test_trailing_noise(twin, user):
    twin.settings(trailing_issue_rate=1.0)
    project = user.project()
    assert texts(project.events("add a title 'A'"))[-1].startswith("I encountered a temporary issue")
    assert project.turns()[0]["outcome"] == "completed"


def test_the_flat_dialect(twin, user):
    twin.settings(dialect="flat")
    project = user.project()
    events = project.events("animate this photo")
    assert {event["type"] for event in events} == {"text", "tool_call", "tool_result"}
    assert all("thought" not in event for event in events)


def test_streaming_comes_in_pieces(user):
    project = user.project()
    events = project.events("add a title 'A'", streaming=True)
    pieces = [event for event in events if event.get("partial")]
    wholes = [event for event in events if event.get("partial") is False]
    assert "".join(texts(pieces)) == "".join(texts(wholes)) != ""
    assert events[-1] is wholes[-1]
    early, called = calls(pieces, "functionCall"), calls(wholes, "functionCall")
    assert [call["args"] for call in early] == [call["args"] for call in called]
    assert not {call["id"] for call in early} & {call["id"] for call in called}
    assert [answer["id"] for answer in calls(events, "functionResponse")] == [call["id"] for call in called]


@pytest.mark.parametrize(
    ("spelling", "frame"),
    [
        ("type", b'data: {"type":"heartbeat"}'),
        ("word", b"data: heartbeat"),
        ("empty", b"data:"),
        ("comment", b": heartbeat"),
        ("colon", b":"),
        ("event", b"event: heartbeat\ndata: {}"),
        ("ping_event", b"event: ping\ndata: ping"),
        ("ping_comment", b": ping - 2026-03-13 17:40:13.616000+00:00"),
    ],
)
def test_heartbeats_in_every_spelling(twin, user, spelling, frame):
    twin.settings(heartbeat=spelling, heartbeat_seconds=2.0, speed=1000)
    assert frame in user.project().say("animate this photo").split(b"\n\n")


def test_no_heartbeats_and_all_of_them(twin, user):
    project = user.project()
    twin.settings(heartbeat="none", heartbeat_seconds=1.0)
    assert all(b'"invocationId"' in frame for frame in project.say("add a title 'A'").split(b"\n\n") if frame)
    twin.settings(heartbeat="mixed", heartbeat_seconds=2.0, speed=1000)
    frames = set(project.say("generate another clip").split(b"\n\n"))
    assert {b"data: heartbeat", b"data:", b": heartbeat", b":"} <= frames


def test_an_empty_message(user):
    project = user.session()
    body = project.body("") | {"new_message": {"parts": []}}
    assert user.post("/run_sse", json=body).text == 'data: {"error": "No parts in the new_message."}\n\n'


def test_the_state_can_lag_behind(twin, user):
    twin.settings(state_lag=2, second_stage=False)
    project = user.project()
    assert [len(project.state()["video_infos"]) for _ in range(3)] == [0, 0, 1]
    project.say("animate this photo")
    assert [bool(project.state()["draft"]) for _ in range(3)] == [False, False, True]


def test_work_goes_on_when_the_client_leaves(user):
    project = user.project()
    project.leave("animate this photo")
    turn = project.ended_turn()
    assert (turn["outcome"], turn["disconnected"]) == ("completed", True)
    assert len(project.state()["draft"]["t"]) == 4
    assert project.charges() == [("generate", 100, "charged")]


def test_work_stops_when_the_client_leaves_if_so_set(twin, user):
    twin.settings(on_disconnect="cancel", speed=10)
    project = user.project()
    project.leave("animate this photo")
    assert project.ended_turn()["outcome"] == "canceled"
    assert project.state()["draft"] == {}
    assert project.charges() == [("generate", 100, "released")]


def test_a_turn_stopped_between_its_stages_keeps_the_first_and_is_charged(twin, user):
    twin.settings(on_disconnect="cancel", speed=10, heartbeat="none")
    project = user.project()
    with (
        httpx.Client(base_url=twin.url, **LOCAL, timeout=20) as client,
        project.open("animate this photo", client=client) as stream,
    ):
        chunks = stream.iter_raw()
        assert next(chunks)
        until(lambda: twin.control("clock", advance=2) and project.state()["draft"])
    assert project.ended_turn()["outcome"] == "partial"
    assert [track["tt"] for track in project.state()["draft"]["t"]] == [0]
    assert project.charges() == [("generate", 100, "charged")]


def test_two_turns_at_once_are_interleaved(twin, user):
    twin.settings(speed=20)
    project = user.project()
    first, second = project.leave("add a title 'A'"), project.leave("add a title 'B'")
    assert first.startswith(b"data: ")
    assert second.startswith(b"data: ")
    twin.settings(speed=10_000)
    until(lambda: all(turn["outcome"] == "completed" for turn in project.turns()))
    names = {track["m"]["name"] for track in project.state()["draft"]["t"]}
    assert {"A", "B"} <= names


def test_speed(start, tmp_path):
    fast = start("--speed", "20000", "--film-max-side", "64")
    project = fast.user().project()
    project.say("animate this photo")
    turn = project.turns()[0]
    virtual = turn["finished_at"] - turn["at"]
    real = turn["real_finished_at"] - turn["real_at"]
    assert virtual >= 100
    assert real < virtual / 100


def test_instant(start):
    quick = start("--instant")
    project = quick.user().project()
    events = project.events("animate this photo")
    assert len(texts(events)) == 3
    for number in range(3):
        project.submit(f"render_{number}")
        data = project.rendered(f"render_{number}")
        assert data["status"] == "completed"
    urls = [project.poll(f"render_{number}")["data"]["outputUrl"] for number in range(3)]
    films = {httpx.get(url, **LOCAL).content for url in urls}
    assert len(films) == 1


def test_the_process_ends_cleanly_with_streams_open(tmp_path):
    process = Process(tmp_path, "--speed", "10")
    twin = Twin(process)
    project = twin.user().project()
    with project.open("animate this photo") as stream:
        chunks = stream.iter_raw()
        assert next(chunks)
        assert process.stop() == (0, "")
        with pytest.raises(httpx.TransportError):
            list(chunks)
    twin.close()
