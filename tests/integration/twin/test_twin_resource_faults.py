"""States and uploads that are not what they should be."""

import json

import httpx
import pytest

from fakes.twin import LOCAL, picture, until


@pytest.fixture
def project(twin, user):
    twin.settings(instant=True)
    project = user.project()
    project.say("animate this photo")
    return project


def test_keys_are_missing_or_null(twin, project):
    twin.fault("state", "state_missing_keys")
    assert set(project.state()) == {"draft", "video_infos"}
    twin.fault("state", "state_missing_draft")
    assert "draft" not in project.state()
    twin.fault("state", "state_missing_draft", null=True)
    assert project.state()["draft"] is None
    twin.fault("state", "state_missing_keys", keys=["video_infos"])
    assert "video_infos" not in project.state()
    assert len(project.state()) == 5


def test_a_draft_in_a_string_can_be_exported(twin, project):
    whole = project.state()["draft"]
    twin.fault("state", "draft_string")
    quoted = project.state()["draft"]
    assert json.loads(quoted) == whole
    body = {"id": "r", "sessionId": project.session_id, "draft": quoted}
    project.user.post("/api/render/proxy/lambda", json=body)
    assert project.rendered("r")["status"] == "completed"
    assert twin.ledger()["renders"][0]["draft_verbatim"] is True


def test_media_by_key(twin, project):
    lists = project.state()
    twin.fault("state", "media_by_key")
    objects = project.state()
    assert list(objects["generated_media"].values()) == lists["generated_media"]
    assert list(objects["generated_media"]) == [lists["generated_media"][0]["id"]]
    assert list(objects["video_infos"]) == ["0", "1"]


def test_a_strange_draft_stays_strange_and_can_be_exported_and_edited(twin, project):
    plain = project.state()["draft"]
    twin.fault("state", "strange_draft")
    strange = project.state()["draft"]
    assert [track.get("tt") for track in strange["t"]][len(plain["t"]) :] == [99, "sim_sticker", None, 42]
    assert "d" not in strange["t"][len(plain["t"])]["sg"][0]
    assert project.state()["draft"] == strange
    project.submit("r")
    assert project.rendered("r")["status"] == "completed"
    assert twin.ledger()["renders"][0]["draft_verbatim"] is True
    events = project.events("add a title 'A'")
    after = project.state()["draft"]
    assert [track["m"]["name"] for track in after["t"] if track.get("tt") == 7][-1] == "A"
    assert [event["actions"]["stateDelta"]["draft"] for event in events if event["actions"]["stateDelta"]] == [after]


def test_a_huge_draft(twin, project):
    twin.fault("state", "huge_draft")
    draft = project.state()["draft"]
    assert len(draft.pop("sim_padding")) == 4 << 20
    project.submit("r")
    assert project.rendered("r")["status"] == "completed"
    assert twin.ledger()["renders"][0]["draft_verbatim"] is True


def test_an_empty_draft_is_never_strange(twin, user):
    project = user.session()
    twin.fault("state", "strange_draft")
    assert project.state()["draft"] == {}
    project.upload(("a.png", picture()))
    project.say("animate this photo")
    assert project.state()["draft"]["sim_version"]


@pytest.mark.parametrize(("fault", "code"), [("upload_partial", 0), ("upload_partial_4001", 4001)])
def test_one_of_several_files_is_bad(twin, user, fault, code):
    project = user.session()
    twin.fault("upload", fault)
    answer = project.upload(("a.png", picture("red")), ("b.png", picture("blue")), ("c.png", picture("green")))
    assert answer["code"] == code
    if code == 0:
        assert [file["filename"] for file in answer["data"]["files"]] == ["a.png", "b.png"]
    assert [info["filename"] for info in project.state()["video_infos"]] == ["a.png", "b.png"]
    assert [entry["filename"] for entry in twin.ledger()["uploads"]] == ["a.png", "b.png"]


def test_a_single_file_that_is_bad_leaves_nothing(twin, user):
    project = user.session()
    twin.fault("upload", "upload_partial")
    assert project.upload(("a.png", picture()))["data"] == {"files": [], "session_state_applied": True}


def test_an_upload_that_is_not_applied_is_unknown_to_the_agent(twin, user):
    project = user.session()
    twin.fault("upload", "upload_not_applied")
    answer = project.upload(("a.png", picture()))["data"]
    assert answer["session_state_applied"] is False
    assert len(answer["files"]) == 1
    assert project.state()["video_infos"] == []
    project.say("animate this photo")
    assert project.turns()[-1]["intent"] == "ask"


def test_a_url_that_cannot_be_reached(twin, user):
    project = user.session()
    twin.fault("upload", "upload_unreachable")
    answer = user.post(project.upload_path, json={"urls": ["http://127.0.0.1:1/a.png"], "source_type": "url"})
    assert (answer.status_code, answer.json()["message"]) == (400, "url not reachable")


@pytest.mark.parametrize("fault", ["504_after", "hang_after", "reset_after", "empty_body"])
def test_an_upload_that_was_stored_although_nobody_heard_of_it(twin, user, fault):
    project = user.session()
    twin.fault("upload", fault)
    files = [("files", ("a.png", picture()))]
    with httpx.Client(base_url=twin.url, **LOCAL, timeout=0.3) as client:

        def send():
            client.post(project.upload_path, files=files, headers=user.headers).raise_for_status().json()

        with pytest.raises((httpx.HTTPError, ValueError)):
            send()
    assert until(lambda: len(project.state()["video_infos"])) == 1


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_turn_runs_although_the_gateway_gave_up(twin, user, status):
    project = user.project()
    twin.fault("run_sse", f"{status}_after")
    assert user.post("/run_sse", json=project.body("animate this photo")).status_code == status
    assert project.ended_turn()["outcome"] == "completed"
    assert project.charges() == [("generate", 100, "charged")]


def test_answers_that_are_no_answers(twin, user):
    path = "/api/credits/balance/simple"
    whole = user.get(path)
    twin.fault("credits", "empty_body")
    assert user.get(path).content == b""
    twin.fault("credits", "invalid_json")
    with pytest.raises(ValueError):
        user.get(path).json()
    twin.fault("credits", "html_page")
    page = user.get(path)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html")
    assert page.content.startswith(b"<!doctype")
    twin.fault("credits", "wrong_content_type")
    wrong = user.get(path)
    assert (wrong.headers["content-type"], wrong.content) == ("text/html; charset=utf-8", whole.content)
    twin.fault("credits", "huge_body", megabytes=2)
    huge = user.get(path)
    assert len(huge.content) == (2 << 20) + len(whole.content)
    assert huge.json() == whole.json()
    twin.fault("credits", "redirect")
    moved = user.get(path)
    assert (moved.status_code, moved.headers["location"]) == (307, f"{path}?sim_hop=1")
    twin.fault("credits", "redirect", status=302, location="https://login.invalid/")
    assert user.get(path).headers["location"] == "https://login.invalid/"


def test_a_redirect_can_be_followed_or_goes_round_for_ever(twin, user):
    path = "/api/credits/balance/simple"
    twin.fault("credits", "redirect")
    assert user.get(path, follow_redirects=True).json()["code"] == 0
    twin.fault("credits", "redirect", count=None)
    with pytest.raises(httpx.TooManyRedirects):
        user.get(path, follow_redirects=True)


def test_a_validation_error(twin, user):
    twin.fault("run_sse", "422")
    answer = user.post("/run_sse", json=user.project().body("hi"))
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "userId"])
