"""Scenarios on the wire: what a caller of the twin meets, call by call."""

import json
from dataclasses import dataclass, field, replace

import httpx
import pytest

from fakes.twin import LOCAL, decoded, texts, until
from nemotwin.cli import main
from nemotwin.endpoints import Name
from nemotwin.scenarios.catalog import catalog

WISH = "animate this photo"
EDIT = "add a title 'Sea'"


def load(twin, text):
    answer = twin.http.post("/_twin/scenarios", content=text)
    assert answer.status_code == 200, answer.text
    return answer.json()["loaded"]


def rule(twin, keys, *, name="mine"):
    """Load a scenario of one rule."""
    load(twin, f"{name}: {{rules: [{{{keys}}}]}}")


def struck(twin, call: Name):
    """What struck each of these calls, in order."""
    return [line["fault"] for line in requests(twin) if line["endpoint"] == call]


def requests(twin):
    return twin.ledger(only="requests")["requests"]


# --- every scenario of the catalogue ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Met:
    """What a caller met: how the stream was, what became of the turn, then each answer of the calls after it."""

    stream: str = "words"
    turn: str | None = "completed"
    charge: str | None = "charged"
    state: list[int] = field(default_factory=lambda: [200])
    submit: list[int] = field(default_factory=lambda: [200])
    render: list[str] = field(default_factory=lambda: ["completed"])
    film: list[str] = field(default_factory=lambda: ["whole", "whole"])


GOOD = Met()
UNEXPORTED = replace(GOOD, submit=[], render=[], film=[])
REFUSED = replace(UNEXPORTED, turn=None, charge=None)
HICCUPS = [503, 503, 200]

EXPECTED = {
    "normal": GOOD,
    "silent_edit": replace(GOOD, stream="silence"),
    "nothing_done": replace(UNEXPORTED, charge="released"),
    "question": replace(UNEXPORTED, charge=None),
    "two_stage_preview": GOOD,
    "slow": GOOD,
    "stalled": GOOD,
    "turn_failed": replace(UNEXPORTED, turn="failed", charge="released"),
    "dropped_stream_work_done": replace(GOOD, stream="cut"),
    "half_done": replace(GOOD, stream="cut", turn="partial"),
    "dropped_stream_work_lost": replace(UNEXPORTED, stream="cut", turn="canceled", charge="released"),
    "unknown_outcome": replace(REFUSED, stream="503"),
    "gateway_error_work_done": replace(GOOD, stream="502"),
    "rate_limited": replace(REFUSED, stream="429"),
    "out_of_credits": replace(REFUSED, stream="code 2001"),
    "out_of_credits_midway": replace(UNEXPORTED, turn="failed", charge="released"),
    "token_invalid": replace(REFUSED, stream="code 1001"),
    "forbidden": replace(REFUSED, stream="403"),
    "request_refused": replace(REFUSED, stream="422"),
    "session_lost": replace(REFUSED, stream="code 1002"),
    "export_blocked": replace(GOOD, submit=[402] * 3, render=[], film=[]),
    "render_failed": replace(GOOD, render=["failed", "failed", "completed"]),
    "render_fails_once": replace(GOOD, render=["failed", "completed"]),
    "render_stuck": replace(GOOD, render=["processing"], film=[]),
    "url_expired": replace(GOOD, film=["403", "whole"]),
    "truncated_download": replace(GOOD, film=["half", "whole"]),
    "result_unusable": replace(GOOD, film=["half", "half"]),
    "upstream_hiccups": replace(GOOD, state=HICCUPS, submit=HICCUPS, film=["503", "503"]),
    "upstream_down": replace(GOOD, film=["503", "503"]),
}


def stream_of(project, message):
    """Send a message, and say what the stream was like."""
    received, error = project.cut(message)
    if error is not None:
        return "cut"
    if not received.startswith((b"data:", b":")):
        status = requests(project.user.twin)[-1]["status"]
        return str(status) if status != 200 else f"code {json.loads(received)['code']}"
    return "words" if texts(decoded(received)) else "silence"


def answered(call, *, most=3):
    """The statuses of a call that is made again until it is answered with 200."""
    seen = []
    while len(seen) < most and 200 not in seen:
        seen.append(call().status_code)
    return seen


def rendered(project, name, draft):
    """Export once: the statuses of the submit, and the render's data when the twin no longer works on it."""
    user, twin = project.user, project.user.twin
    body = {"id": name, "sessionId": project.session_id, "draft": draft, "output": {}}
    submits = answered(lambda: user.post("/api/render/proxy/lambda", json=body))
    if 200 not in submits:
        return submits, None

    def worked():
        twin.control("clock", advance=60)
        (line,) = (
            one for one in twin.ledger(only="renders")["renders"] if one["render_id"] == name and one["accepted"]
        )
        return line["status"] != "pending"

    until(worked)
    answered(lambda: user.get(f"/api/render/proxy/lambda/{name}"))
    return submits, project.poll(name)["data"]


def exported(project, draft):
    """Export under new ids until one completes or cannot; say what became of each, and of two fetches of the film."""
    ends, films = [], []
    for number in range(3):
        name = f"{project.session_id}-{number}"
        submits, data = rendered(project, name, draft)
        if data is None:
            break
        ends.append(data["status"])
        if data["status"] == "completed":
            whole = project.user.get(f"/api/render/proxy/{name}/download").content
            films = [fetched(data["outputUrl"], whole) for _ in range(2)]
        if data["status"] != "failed":
            break
    return submits, ends, films


def fetched(url, whole):
    answer = httpx.get(url, **LOCAL)
    if answer.status_code != 200:
        return str(answer.status_code)
    return "whole" if answer.content == whole else "half" if whole.startswith(answer.content) else "other"


def met(project, message):
    stream = stream_of(project, message)
    turn = project.ended_turn()["outcome"] if project.turns() else None
    charges = [outcome for _, _, outcome in project.charges()]
    path = f"/api/state/nemo_agent/me/{project.session_id}/latest"
    states = []

    def look():
        states.append(project.user.get(path))
        return states[-1]

    state = answered(look)
    data = states[-1].json()["data"]
    draft = data["state"]["draft"] if data else {}
    submit, render, film = exported(project, draft) if draft else ([], [], [])
    return Met(stream, turn, charges[0] if charges else None, state, submit, render, film)


@pytest.mark.parametrize("name", catalog())
def test_what_a_caller_meets(twin, user, name):
    project = user.project()
    assert met(project, f"[scenario: {name}] {WISH}") == EXPECTED[name]
    calls = {rule.call for rule in catalog()[name].rules}
    assert {line["endpoint"] for line in requests(twin) if line["fault"] == name} == calls


# --- the prefix -------------------------------------------------------------------------------------------------------


def test_the_agent_does_not_hear_the_prefix_and_the_ledger_keeps_it(user):
    project = user.project()
    messages = ["[scenario: normal] hello", f"[scenario: normal] {EDIT}"]
    for message in messages:
        project.say(message)
    assert [turn["message"] for turn in project.turns()] == messages
    # What begins with more than a greeting is none.
    assert [turn["intent"] for turn in project.turns()] == ["talk", "edit"]


def test_a_scenario_holds_from_its_turn_on_and_in_its_session_only(user):
    one, other = user.project(), user.project()
    assert [stream_of(one, EDIT), stream_of(one, f"[scenario: silent_edit] {EDIT}")] == ["words", "silence"]
    assert [stream_of(one, "add music"), stream_of(other, EDIT)] == ["silence", "words"]
    assert stream_of(one, f"[scenario: normal] {EDIT} again") == "words"
    assert stream_of(one, "add a zoom") == "words"


def test_turns_are_counted_from_the_one_that_chose(twin, user):
    rule(twin, "turn: 2, fault: silent")
    project = user.project()
    said = [EDIT, f"[scenario: mine] {EDIT}", "add music", "add a zoom"]
    assert [stream_of(project, message) for message in said] == ["words", "words", "silence", "words"]
    assert stream_of(project, "[scenario: mine] add a zoom") == "words"
    assert stream_of(project, "add a fade") == "silence"


def test_the_same_turn_sent_again_does_not_begin_the_scenario_again(user):
    project = user.project()
    said = [stream_of(project, f"[scenario: rate_limited] {EDIT}") for _ in range(4)]
    # The fourth is another turn: it chooses anew.
    assert said == ["429", "429", "words", "429"]


@pytest.mark.parametrize("name", ["silent_edti", "", "No Such"])
def test_a_name_that_nobody_knows_is_answered_in_words(user, name):
    project = user.project()
    (said,) = texts(project.events(f"[scenario: {name}] {WISH}"))
    assert said.startswith("There is no scenario")
    assert name.lower() in said
    assert all(known in said for known in catalog())
    assert (project.state()["draft"], project.charges()) == ({}, [])
    assert project.turns()[-1]["intent"] == "talk"


def test_what_is_no_message_is_refused_as_ever(user):
    for body in (b"", b"[", b'{"new_message": 1, "session_id": "1234567890123456789"}', b"[" * 100_000):
        answer = user.post("/run_sse", content=body)
        assert answer.status_code == 422


def test_both_spellings_choose(user):
    project = user.project()
    parts = [{"text": "[scenario: silent_edit]"}, {"text": EDIT}]
    body = {"appName": "nemo_agent", "userId": "me", "sessionId": project.session_id, "newMessage": {"parts": parts}}
    received = user.post("/run_sse", json=body).content
    assert texts(decoded(received)) == []


# --- rules ------------------------------------------------------------------------------------------------------------


def test_words_heartbeats_a_cut_and_the_work_done_anyway_on_the_second_turn_of_a_session(twin, user):
    project, other = user.project(), user.project()
    keys = "turn: 2, say: I am on it., heartbeats: 40s, drop_after: 1200, finish: true"
    rule(twin, f"session: {project.session_id}, {keys}")
    assert [stream_of(project, WISH), stream_of(other, WISH), stream_of(other, EDIT)] == ["words"] * 3
    # Slowly, so that a busy machine finds the time for a heartbeat.
    twin.settings(speed=50, heartbeat_seconds=10)
    received, _ = project.cut(EDIT)
    first, second, *_ = received.split(b"\n\n")
    assert b"I am on it." in first
    assert b"heartbeat" in second
    assert len(received) == 1200
    turn = project.ended_turn()
    assert (turn["outcome"], turn["changed_state"], turn["disconnected"]) == ("completed", True, True)
    assert turn["finished_at"] - turn["at"] > 40


@pytest.mark.parametrize(("finish", "outcome"), [("true", "completed"), ("false", "canceled"), ("half", "partial")])
def test_what_becomes_of_the_work_when_the_caller_goes(twin, user, finish, outcome):
    rule(twin, f"finish: {finish}")
    project = user.project()
    project.leave(f"[scenario: mine] {WISH}")
    assert project.ended_turn()["outcome"] == outcome


def test_what_is_said_takes_the_place_of_what_would_be_said(twin, user):
    rule(twin, "say: Only this., fault: silent")
    project = user.project()
    assert texts(project.events(f"[scenario: mine] {WISH}")) == ["Only this."]
    assert project.state()["draft"]
    assert project.turns()[-1]["silent"] is False


def test_a_question_is_answered_by_the_next_message(user):
    project = user.project()
    (said,) = texts(project.events(f"[scenario: question] {WISH}"))
    assert said.endswith("?")
    project.say("golden")
    assert [turn["intent"] for turn in project.turns()] == ["ask", "generate"]
    assert project.charges() == [("generate", 100, "charged")]


def test_credits_that_are_left_meet_the_price_of_the_turn(twin, user):
    rule(twin, "turn: 1, credits: 70")
    project = user.project()
    assert stream_of(project, f"[scenario: mine] {WISH}") == "code 2001"
    assert user.balance()["available"] == 70
    assert stream_of(project, "make a slideshow") == "words"
    assert (user.balance()["available"], project.charges()) == (20, [("edit", 50, "charged")])


def test_nth_counts_the_calls_of_each_session(twin, user):
    rule(twin, "call: state, nth: 2, fault: 500, session: '*'")
    projects = [user.session(), user.session()]
    path = "/api/state/nemo_agent/me/{}/latest"
    seen = [[user.get(path.format(one.session_id)).status_code for one in projects] for _ in range(3)]
    assert seen == [[200, 200], [500, 500], [200, 200]]


@pytest.mark.parametrize(
    ("call", "act"),
    [
        ("credits", lambda user: user.get("/api/credits/balance/simple")),
        ("upload", lambda user: user.post(user.session().upload_path, files=[("files", ("a.png", b"x"))])),
        ("create_session", lambda user: user.post("/api/tasks/me/with-session/nemo_agent", json={})),
    ],
)
def test_rules_for_every_session_need_no_prefix(twin, user, call, act):
    if call != "create_session":
        act(user)
    rule(twin, f"call: {call}, session: '*', fault: 502")
    assert act(user).status_code == 502
    twin.http.delete("/_twin/scenarios")
    assert act(user).status_code == 200


def test_the_first_rule_that_is_due_strikes_and_each_counts(twin, user):
    load(twin, "mine: {rules: [{nth: 2+, fault: 500}, {nth: 3, fault: 502}, {nth: 1, fault: 503}]}")
    project = user.project()
    assert [stream_of(project, f"[scenario: mine] {EDIT}") for _ in range(3)] == ["503", "500", "500"]


def test_an_armed_fault_and_a_scenario_strike_as_one(twin, user):
    twin.fault("run_sse", "crlf")
    received = user.project().say(f"[scenario: silent_edit] {EDIT}")
    assert texts(decoded(received.replace(b"\r\n", b"\n"))) == []
    assert b"\r\n\r\n" in received
    assert struck(twin, "run_sse") == ["crlf+silent_edit"]


def test_a_canceled_export_and_the_download_route_meet_the_rules(twin, user):
    load(twin, "mine: {rules: [{call: render_cancel, fault: 409}, {call: render_download, fault: 404}]}")
    project = user.project()
    project.say(f"[scenario: mine] {WISH}")
    project.submit()
    project.rendered()
    assert user.post("/api/render/proxy/lambda/render_1/cancel").status_code == 409
    assert user.get("/api/render/proxy/render_1/download").status_code == 404


# --- the control routes and the command line --------------------------------------------------------------------------


def test_scenarios_are_loaded_shown_and_cleared(twin, user):
    assert load(twin, "mine: {about: x, rules: [{nth: 2, fault: 429}]}\nslow: {rules: []}") == ["mine", "slow"]
    project = user.project()
    project.say(f"[scenario: mine] {EDIT}")
    shown = twin.http.get("/_twin/scenarios").json()
    mine = {"about": "x", "outcome": None, "rules": [{"call": "run_sse", "nth": "2", "fault": ["429"]}], "loaded": True}
    assert shown["known"]["mine"] == mine
    assert shown["known"]["slow"]["rules"] == []
    assert shown["bound"] == {project.session_id: "mine"}
    assert twin.http.delete("/_twin/scenarios").json() == {"cleared": 2}
    shown = twin.http.get("/_twin/scenarios").json()
    assert shown["bound"] == {}
    assert set(shown["known"]) == set(catalog())
    assert shown["known"]["slow"]["rules"]
    assert stream_of(project, "add music") == stream_of(project, "add a zoom") == "words"


def test_a_reset_clears_them(twin):
    rule(twin, "fault: silent, session: '*'")
    twin.control("reset")
    assert "mine" not in twin.http.get("/_twin/scenarios").json()["known"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a:\n  rules:\n    - fault: sillent", "line 3, a.rules[0].fault: no such fault: sillent"),
        (b"\xff", "a YAML text in UTF-8 is expected"),
        (b'"\\ud800": 1', "line 1: half of a character is escaped"),
    ],
)
def test_what_cannot_be_loaded_is_told_and_changes_nothing(twin, text, said):
    rule(twin, "fault: silent")
    answer = twin.http.post("/_twin/scenarios", content=text)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(said)
    assert twin.http.get("/_twin/scenarios").json()["known"]["mine"]["rules"]


@pytest.mark.parametrize("by", ["option", "variable"])
def test_a_file_is_read_at_the_start_and_outlives_a_reset(tmp_path, monkeypatch, start, by):
    path = tmp_path / "mine.yaml"
    path.write_text("mine: {rules: [{fault: silent}]}")
    monkeypatch.setenv("NEMOTWIN_SCENARIOS", str(path) if by == "variable" else "")
    twin = start("--speed", 2000, *(["--scenarios", path] if by == "option" else []))
    twin.control("reset")
    assert stream_of(twin.user().session(), f"[scenario: mine] create a {WISH}") == "silence"


@pytest.mark.parametrize(
    ("text", "said"), [("a: 1", "line 1, a: a mapping is expected"), (None, "No such file"), (b"\xff", "codec")]
)
def test_a_file_that_cannot_be_read_stops_the_start(tmp_path, capsys, text, said):
    path = tmp_path / "mine.yaml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SystemExit) as ended:
        main(["--scenarios", str(path)])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
