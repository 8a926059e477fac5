"""Turns that fail, keep quiet, ask, or meet another turn: what is told, changed and charged."""

import json

import pytest

from fakes.twin import decoded, picture, texts, until

EDIT = "add a title 'A'"


def frames(received):
    return [frame for frame in received.split(b"\n\n") if frame]


@pytest.mark.parametrize(
    ("fault", "parameters", "changed"),
    [
        ("turn_error", {}, False),
        ("turn_error", {"late": True}, True),
        ("turn_error_late", {}, True),
        ("turn_error_unescaped", {}, False),
        ("turn_error_newline", {"late": True}, True),
        ("turn_error_details", {}, False),
        ("stale_session", {}, False),
        ("error_code", {}, False),
        ("error_code_with_text", {"late": True}, True),
        ("code_mid_stream", {}, False),
        ("code_mid_stream_late", {}, True),
    ],
)
@pytest.mark.parametrize(("message", "kind", "amount"), [(EDIT, "edit", 50), ("animate this photo", "generate", 100)])
def test_a_turn_that_breaks_off(twin, user, fault, parameters, changed, message, kind, amount):
    project = user.project()
    twin.fault("run_sse", fault, **parameters)
    project.say(message)
    turn = project.ended_turn()
    assert (turn["outcome"], turn["changed_state"]) == ("failed", changed)
    assert bool(project.state()["draft"]) is changed
    assert project.charges() == [(kind, amount, "charged" if changed else "released")]


def last(twin, user, fault, **parameters):
    """Return the last frame of a turn that breaks off."""
    twin.settings(heartbeat="none")
    twin.fault("run_sse", fault, **parameters)
    return frames(user.project().say(EDIT))[-1]


def test_how_an_error_is_spelled(twin, user):
    assert last(twin, user, "turn_error") == rb'data: {"error": "RuntimeError: the tool said \"no\""}'
    assert last(twin, user, "turn_error_unescaped") == b'data: {"error": "RuntimeError: the tool said "no""}'
    details = json.loads(last(twin, user, "turn_error_details").removeprefix(b"data: "))
    assert details["error_details"]["error_type"] == "RuntimeError"
    assert details["error_details"]["timestamp"] > 0
    assert b"modified in storage" in last(twin, user, "stale_session")


def test_an_unescaped_newline_leaves_half_an_error(twin, user):
    twin.settings(heartbeat="none")
    twin.fault("run_sse", "turn_error_newline")
    *_, error, rest = frames(user.project().say(EDIT))
    assert error == b'data: {"error": "ValueError: could not read "draft"\nat line 1'
    assert rest == b'at line 2"}'


def test_error_codes(twin, user):
    bare = json.loads(last(twin, user, "error_code").removeprefix(b"data: "))
    assert (bare["errorCode"], bare["author"]) == ("SAFETY", "nemo_agent")
    assert "content" not in bare
    told = json.loads(last(twin, user, "error_code_with_text").removeprefix(b"data: "))
    assert told["errorCode"] == "MAX_TOKENS"
    assert texts([told])[0].startswith("Here is what I have")


def test_a_body_code_mid_stream(twin, user):
    assert json.loads(last(twin, user, "code_mid_stream").removeprefix(b"data: ")) == {
        "code": 2001,
        "message": "insufficient credits",
        "data": None,
    }


@pytest.mark.parametrize("message", [EDIT, "animate this photo"])
@pytest.mark.parametrize(
    ("fault", "speaks", "changes"),
    [
        ("silent", False, True),
        ("silent_nothing", False, False),
        ("nothing_done", True, False),
    ],
)
def test_words_and_changes_are_two_things(twin, user, message, fault, speaks, changes):
    project = user.project()
    twin.fault("run_sse", fault)
    events = project.events(message)
    assert bool(texts(events)) is speaks
    assert any(event["actions"]["stateDelta"] for event in events) is changes
    assert bool(project.state()["draft"]) is changes
    turn = project.turns()[-1]
    assert (turn["outcome"], turn["silent"], turn["changed_state"]) == ("completed", not speaks, changes)
    assert [outcome for _, _, outcome in project.charges()] == ["charged" if changes else "released"]


def test_noise_after_the_words_and_instead_of_them(twin, user):
    project = user.project()
    twin.fault("run_sse", "trailing_issue")
    said = texts(project.events(EDIT))
    assert said[-1].startswith("I encountered a temporary issue")
    assert len(said) == 2
    twin.fault("run_sse", "trailing_issue_only")
    said = texts(project.events(EDIT))
    assert len(said) == 1
    assert len(project.state()["draft"]["t"]) == 3


@pytest.mark.parametrize(
    ("language", "edit", "asked", "answer", "title"),
    [
        ("en", "add a title, but ask me first what it should say", "What should the title say?", "Golden Hour", None),
        ("en", "Add a title. Ask me what it should say.", "What should the title say?", '"Golden Hour"', None),
        ("zh-CN", "加一个标题，先问我写什么", "标题要写什么？", "黄金时刻", "黄金时刻"),
        ("zh-CN", "先问我标题写什么，再加标题", "标题要写什么？", "“海边”", "海边"),
    ],
)
def test_an_answer_leads_to_the_edit(user, language, edit, asked, answer, title):
    project = user.session(language=language)
    project.upload(("photo.png", picture()))
    project.say("animate this photo")
    before = project.state()["draft"]
    assert texts(project.events(edit)) == [asked]
    assert project.state()["draft"] == before
    assert project.turns()[-1]["intent"] == "ask"
    assert project.charges() == [("generate", 100, "charged")]
    project.say(answer)
    assert project.turns()[-1]["intent"] == "edit"
    draft = project.state()["draft"]
    assert draft["t"][:-1] == before["t"]
    assert draft["t"][-1]["m"]["name"] == (title or "Golden Hour")
    assert project.charges()[1:] == [("edit", 50, "charged")]
    project.say("remove the music")
    assert 1 not in [track["tt"] for track in project.state()["draft"]["t"]]


def test_a_style_is_asked_for_and_the_answer_is_part_of_the_instruction(user):
    project = user.project()
    assert texts(project.events("animate this photo, but ask me about the style first"))[0].endswith("?")
    assert project.turns()[-1]["intent"] == "ask"
    project.say("calm, with a title 'Sea'")
    assert project.turns()[-1]["intent"] == "generate"
    assert "Sea" in [track["m"]["name"] for track in project.state()["draft"]["t"]]


def test_a_question_about_a_missing_picture_is_answered_by_uploading_it(user):
    project = user.session()
    assert "upload the picture" in texts(project.events("animate this photo"))[0]
    project.upload(("photo.png", picture()))
    project.say("here it is")
    assert project.turns()[-1]["intent"] == "generate"
    assert project.state()["draft"]["t"][0]["sg"][0]["sim_src"] == "asset:1"


def test_any_turn_can_be_made_to_ask(twin, user):
    project = user.project()
    project.say("animate this photo")
    twin.fault("run_sse", "question", text="红色还是蓝色？")
    assert texts(project.events(EDIT)) == ["红色还是蓝色？"]
    assert project.charges() == [("generate", 100, "charged")]
    project.say("blue")
    assert project.turns()[-1]["intent"] == "edit"
    assert project.state()["draft"]["t"][-1]["m"]["name"] == "A"


def test_the_state_lags_behind_one_turn(twin, user):
    project = user.project()
    twin.fault("run_sse", "state_lag", polls=2)
    events = project.events(EDIT)
    assert any(event["actions"]["stateDelta"] for event in events)
    assert [bool(project.state()["draft"]) for _ in range(4)] == [False, False, True, True]


def test_frozen_credits_that_nobody_releases(twin, user):
    project = user.project()
    twin.fault("run_sse", "frozen_forever")
    project.say(EDIT)
    assert project.ended_turn()["outcome"] == "completed"
    assert user.balance() == {"available": 950, "frozen": 50, "total": 1000}
    assert project.charges() == [("edit", 50, "frozen")]


def test_the_balance_endpoint_may_be_down_while_all_else_works(twin, user):
    twin.fault("credits", "503", count=None)
    user.project().say(EDIT)
    assert user.get("/api/credits/balance/simple").status_code == 503


def two_turns(twin, user, **settings):
    """Start two turns in one session at the same time; return the project and what came of the second request."""
    twin.settings(speed=1, heartbeat="none", **settings)
    project = user.project()
    with project.open("add a title 'A'") as one, project.open("add a title 'B'") as two:
        status = two.status_code
        twin.settings(speed=10_000)
        return project, status, one.read(), two.read()


def test_a_second_turn_is_refused_if_so_set(twin, user):
    project, status, one, two = two_turns(twin, user, turns_per_session="reject")
    assert status == 409
    assert json.loads(two)["code"] == 409
    assert texts(decoded(one))
    assert [turn["outcome"] for turn in project.turns()] == ["completed"]
    project.say("add a title 'C'")
    assert len(project.turns()) == 2


def test_of_two_writers_the_second_is_stale_if_so_set(twin, user):
    project, status, one, two = two_turns(twin, user, turns_per_session="stale", edit_charge="turn")
    assert status == 200
    outcomes = sorted(turn["outcome"] for turn in project.turns())
    assert outcomes == ["completed", "failed"]
    assert [b"modified in storage" in received for received in (one, two)].count(True) == 1
    assert len([track for track in project.state()["draft"]["t"] if track["tt"] == 7]) == 1
    assert sorted(outcome for _, _, outcome in project.charges()) == ["charged", "released"]


def test_two_turns_interleave_by_default(twin, user):
    project, status, one, two = two_turns(twin, user)
    assert status == 200
    until(lambda: all(turn["outcome"] == "completed" for turn in project.turns()))
    assert texts(decoded(one))
    assert texts(decoded(two))
    assert {track["m"]["name"] for track in project.state()["draft"]["t"]} >= {"A", "B"}
