"""Who may do what, and tokens and sessions that end while they are in use."""

import pytest

from fakes.twin import ATTRIBUTION, User, texts, until

DRAFT = {"t": [{"tt": 0, "sg": [{"d": 500}]}]}
BALANCE = "/api/credits/balance/simple"


def anonymous(twin, client_id="c1", status=200):
    answer = twin.http.post("/api/auth/anonymous-token", headers={"X-Client-Id": client_id})
    assert answer.status_code == status
    return User(twin, answer.json()["data"]["token"]) if status == 200 else answer


def export(user, session_id, headers=ATTRIBUTION, render_id="r"):
    body = {"id": render_id, "sessionId": session_id, "draft": DRAFT}
    return User(user.twin, user.token, headers).post("/api/render/proxy/lambda", json=body)


@pytest.mark.parametrize(("rule", "status"), [("ignored", 200), ("402", 402), ("403", 403)])
def test_an_anonymous_token_has_no_render_scope(twin, rule, status):
    twin.settings(render_scope=rule)
    user = anonymous(twin)
    project = user.project()
    assert texts(project.events("hello"))
    answer = export(user, project.session_id)
    assert answer.status_code == status
    assert answer.json()["success"] is (status == 200)
    assert [entry["accepted"] for entry in twin.ledger()["renders"]] == [status == 200]
    assert export(twin.user(), twin.user().session().session_id, render_id="other").status_code == 200


@pytest.mark.parametrize(
    ("scopes", "refused"),
    [
        (["read"], {"create_session", "run_sse", "upload"}),
        (["write", "upload"], {"credits", "state"}),
        (["read", "write"], {"upload"}),
        (["read", "write", "upload"], set()),
        (["*"], set()),
    ],
)
def test_a_token_does_what_its_scopes_let_it(twin, scopes, refused):
    owner = twin.user()
    project = owner.project()
    user = twin.user(scopes=scopes)
    statuses = {
        "create_session": user.post("/api/tasks/me/with-session/nemo_agent", json={}).status_code,
        "run_sse": user.post("/run_sse", json=project.body("hello")).status_code,
        "upload": user.post(project.upload_path, json={"urls": ["x"], "source_type": "url"}).status_code,
        "credits": user.get(BALANCE).status_code,
        "state": user.get(f"/api/state/nemo_agent/me/{project.session_id}/latest").status_code,
    }
    assert {name for name, status in statuses.items() if status == 403} == refused
    assert 403 not in {status for name, status in statuses.items() if name not in refused}


def test_a_bad_scope_is_no_scope(twin):
    assert twin.http.post("/_twin/tokens", json={"scopes": ["rendering"]}).status_code == 422


@pytest.mark.parametrize("missing", [*ATTRIBUTION, None])
@pytest.mark.parametrize(
    ("rule", "plan", "available", "refuses", "always"),
    [
        ("missing_headers", "paid", 100, True, False),
        ("free_plan", "free", 100, True, True),
        ("free_plan", "paid", 100, True, False),
        ("missing_headers_without_credits", "free", 100, False, False),
        ("missing_headers_without_credits", "free", 0, True, False),
        ("off", "free", 0, False, False),
    ],
)
def test_402_at_export(twin, missing, rule, plan, available, refuses, always):
    twin.settings(export_rule=rule)
    user = twin.user(plan=plan, credits=available)
    headers = {name: value for name, value in ATTRIBUTION.items() if name != missing}
    answer = export(user, user.session().session_id, headers)
    assert answer.status_code == (402 if always or (refuses and missing) else 200)


@pytest.mark.parametrize(
    ("fault", "status", "code"), [("token_expires", 200, 1001), ("token_revoked", 401, None), ("1001", 200, 1001)]
)
def test_a_token_that_ends_in_the_middle_of_a_poll_loop(twin, user, fault, status, code):
    twin.fault("credits", fault, after=2)
    answers = [user.get(BALANCE) for _ in range(4)]
    assert [answer.json().get("code") for answer in answers[:2]] == [0, 0]
    assert (answers[2].status_code, answers[2].json().get("code")) == (status, code)
    for_good = fault != "1001"
    assert (answers[3].json().get("code") != 0) is for_good


def test_a_token_that_ends_between_two_calls(twin, user):
    twin.fault("create_session", "token_expires_after")
    project = user.session()
    assert user.post("/run_sse", json=project.body("hi")).json()["code"] == 1001


def test_an_expired_anonymous_token_can_be_had_anew_and_a_revoked_one_cannot(twin):
    twin.fault("credits", "token_expires")
    first = anonymous(twin)
    assert first.get(BALANCE).json()["code"] == 1001
    second = anonymous(twin)
    assert second.balance()["available"] == 100
    twin.fault("credits", "token_revoked")
    assert second.get(BALANCE).status_code == 401
    anonymous(twin, status=429)


def test_the_two_limits_of_anonymous_tokens(twin):
    twin.settings(anonymous_per_ip=3)
    for number in range(3):
        anonymous(twin, f"client-{number}")
    assert "client" in anonymous(twin, "client-0", 429).json()["message"]
    assert "address" in anonymous(twin, "client-3", 429).json()["message"]
    twin.control("clock", advance=7 * 24 * 3600)
    anonymous(twin, "client-3")
    for by in ("client", "ip"):
        twin.fault("anonymous_token", f"anonymous_limit_{by}")
        assert anonymous(twin, "client-4", 429).json()["code"] == 429


@pytest.mark.parametrize("rule", ["code", "detail"])
def test_a_session_that_is_lost_at_a_turn(twin, user, rule):
    twin.settings(lost_session_on_stream=rule)
    project = user.project()
    twin.fault("run_sse", "session_lost")
    answer = user.post("/run_sse", json=project.body("animate this photo"))
    if rule == "code":
        assert answer.json()["code"] == 1002
    else:
        assert (answer.status_code, answer.json()) == (404, {"detail": f"Session not found: {project.session_id}"})
    assert project.turns() == []
    assert user.get(f"/api/state/nemo_agent/me/{project.session_id}/latest").json()["code"] == 1002


def test_a_session_that_is_lost_after_the_upload(twin, user):
    project = user.session()
    twin.fault("upload", "session_lost_after")
    assert project.upload(("a.png", b"x"))["code"] == 0
    assert user.post("/run_sse", json=project.body("animate this photo")).json()["code"] == 1002
    other = user.project()
    twin.fault("render_submit", "session_lost")
    assert other.submit().json()["code"] == 1002


def test_adks_own_words_for_a_session_that_is_there(twin, user):
    project = user.project()
    twin.fault("run_sse", "session_detail")
    answer = user.post("/run_sse", json=project.body("hi"))
    assert (answer.status_code, answer.json()) == (404, {"detail": f"Session not found: {project.session_id}"})
    assert texts(project.events("hello"))


def test_a_session_is_not_idle_while_a_turn_runs_in_it(twin, user):
    twin.settings(session_idle_seconds=600.0, generation_seconds=(1000.0, 1000.0), speed=1)
    project = user.project()
    body = project.body("animate this photo")
    with twin.http.stream("POST", "/run_sse", json=body, headers=user.headers):
        pass

    def ended():
        twin.control("clock", advance=100)
        return project.turns()[-1]["outcome"] == "completed"

    until(ended)
    assert project.state()["draft"]
    twin.control("clock", advance=601)
    assert user.post("/run_sse", json=project.body("hi")).json()["code"] == 1002
