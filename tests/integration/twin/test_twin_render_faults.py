"""Renders that go wrong, are canceled, wait or are refused, and films that do not arrive as they are."""

import io
import socket
from itertools import pairwise

import av
import httpx
import pytest

from fakes.twin import LOCAL, until

DRAFT = {"t": [{"tt": 0, "sg": [{"d": 500}]}]}


@pytest.fixture
def project(user):
    return user.session()


def submit(project, render_id="r"):
    body = {"id": render_id, "sessionId": project.session_id, "draft": DRAFT}
    return project.user.post("/api/render/proxy/lambda", json=body)


def film(project, render_id="r"):
    """Render, and return the URL of the film."""
    submit(project, render_id)
    return project.rendered(render_id)["outputUrl"]


def playable(content):
    with av.open(io.BytesIO(content)) as container:
        return len(list(container.decode(video=0))) > 0


@pytest.mark.parametrize("endpoint", ["render_submit", "render_status"])
def test_a_render_fails_and_the_second_id_does_not(twin, project, endpoint):
    twin.fault(endpoint, "render_fails", error="out of memory")
    submit(project, "first")
    data = project.rendered("first")
    assert (data["status"], data["error"]) == ("failed", "out of memory")
    assert "outputUrl" not in data
    submit(project, "second")
    assert project.rendered("second")["status"] == "completed"
    assert [entry["status"] for entry in twin.ledger()["renders"]] == ["failed", "completed"]


@pytest.mark.parametrize(("fault", "exists"), [("duplicate_id", False), ("duplicate_id_accepted", True)])
def test_an_id_that_is_said_to_be_taken(twin, project, fault, exists):
    twin.fault("render_submit", fault)
    answer = submit(project)
    assert (answer.status_code, answer.json()["success"]) == (409, False)
    assert answer.json()["error"] == "render id already exists: r"
    found = project.user.get("/api/render/proxy/lambda/r").status_code
    assert found == (200 if exists else 404)
    assert submit(project).status_code == (409 if exists else 200)
    assert project.rendered("r")["status"] == "completed"


@pytest.mark.parametrize("fault", ["reset_after", "hang_after", "504_after", "500_after", "empty_body", "invalid_json"])
def test_a_job_exists_although_its_answer_was_lost(twin, project, fault):
    twin.fault("render_submit", fault)
    body = {"id": "r", "sessionId": project.session_id, "draft": DRAFT}
    with httpx.Client(base_url=twin.url, **LOCAL, timeout=0.3) as client:

        def send():
            client.post("/api/render/proxy/lambda", json=body, headers=project.user.headers).raise_for_status().json()

        with pytest.raises((httpx.HTTPError, ValueError)):
            send()
    assert project.rendered("r")["status"] == "completed"
    assert submit(project).status_code == 409


def test_progress_told_in_strange_ways(twin, project):
    twin.settings(speed=1)
    for style in ("backwards", "missing", "fraction"):
        twin.fault("render_submit", f"progress_{style}")
        assert submit(project, style).status_code == 200
    twin.control("clock", advance=10)
    seen = [project.poll("backwards")["data"]["progress"] for _ in range(4)]
    assert any(later < earlier for earlier, later in pairwise(seen))
    assert "progress" not in project.poll("missing")["data"]
    assert 0 < project.poll("fraction")["data"]["progress"] < 1
    twin.control("clock", advance=60)
    assert project.rendered("backwards")["progress"] == 100


def test_completed_and_no_url_for_a_while(twin, project):
    twin.fault("render_submit", "completed_without_url", polls=2)
    submit(project)
    assert "outputUrl" not in project.rendered("r")
    again = [project.poll("r")["data"] for _ in range(2)]
    assert [data["status"] for data in again] == ["completed", "completed"]
    assert ["outputUrl" in data for data in again] == [False, True]
    twin.fault("render_status", "completed_without_url", polls=1)
    assert ["outputUrl" in project.poll("r")["data"] for _ in range(2)] == [False, True]


def test_a_status_nobody_knows(twin, project):
    film(project)
    for shape in ("wrapped", "bare", "mixed"):
        twin.settings(render_shape=shape)
        twin.fault("render_status", "unknown_status", word="ARCHIVING")
        body = project.poll("r")
        assert "ARCHIVING" in {body.get("status"), (body.get("data") or {}).get("status")}
        assert "ARCHIVING" not in str(project.poll("r"))


@pytest.mark.parametrize(("fault", "status"), [("url_expired", 403), ("url_gone", 404), ("403", 403), ("404", 404)])
def test_a_url_that_does_not_work(twin, project, fault, status):
    url = film(project)
    twin.fault("cdn", fault)
    answer = httpx.get(url, **LOCAL)
    assert answer.status_code == status
    assert ("xml" in answer.headers["content-type"]) is fault.startswith("url")
    assert httpx.get(url, **LOCAL).status_code == 200


def test_urls_expire_if_so_set_and_a_poll_brings_a_new_one(twin, project):
    twin.settings(result_url_seconds=600.0)
    first = film(project)
    assert "sim_expires=" in first
    twin.settings(speed=1)
    first = project.poll("r")["data"]["outputUrl"]
    assert httpx.get(first, **LOCAL).status_code == 200
    twin.control("clock", advance=601)
    assert httpx.get(first, **LOCAL).status_code == 403
    assert httpx.get(project.poll("r")["data"]["outputUrl"], **LOCAL).status_code == 200
    assert httpx.get(first.replace("sim_expires=", "sim_expires=x"), **LOCAL).status_code == 403


@pytest.mark.parametrize("endpoint", ["cdn", "render_download"])
def test_films_that_do_not_arrive_as_they_are(twin, project, endpoint):
    url, path = film(project), "/api/render/proxy/r/download"

    def fetch(fault=None, **parameters):
        if fault is not None:
            twin.fault(endpoint, fault, **parameters)
        with httpx.Client(base_url=twin.url, **LOCAL) as client:
            return client.get(url) if endpoint == "cdn" else client.get(path, headers=project.user.headers)

    whole = fetch().content
    assert playable(whole)
    short = fetch("truncated_film", share=0.4)
    assert short.status_code == 200
    assert short.content == whole[: int(len(whole) * 0.4)]
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        fetch("length_too_large")
    less = fetch("length_too_small")
    assert int(less.headers["content-length"]) == len(whole) // 2
    assert less.content == whole[: len(whole) // 2]
    wrong = fetch("wrong_content_type")
    assert (wrong.headers["content-type"], wrong.content) == ("text/html; charset=utf-8", whole)
    assert fetch("html_page").content.startswith(b"<!doctype")
    assert fetch("empty_body").content == b""
    with pytest.raises(httpx.RemoteProtocolError):
        fetch("drop", at_byte=1000)
    assert fetch().content == whole


def test_the_bytes_behind_a_length_that_is_too_small_do_come(twin, project):
    url = httpx.URL(film(project))
    whole = httpx.get(url, **LOCAL).content
    twin.fault("cdn", "length_too_small")
    with socket.create_connection((url.host, url.port), timeout=20) as raw:
        raw.sendall(f"GET {url.path} HTTP/1.1\r\nHost: twin\r\n\r\n".encode())
        received = b"".join(iter(lambda: raw.recv(1 << 16), b""))
    assert received.endswith(whole)


def test_downloads_answered_otherwise(twin, project):
    url = film(project)
    twin.fault("render_download", "download_json")
    path = "/api/render/proxy/r/download"
    assert project.user.get(path).json()["data"]["outputUrl"] == url
    twin.fault("render_download", "download_redirect")
    moved = project.user.get(path)
    assert (moved.status_code, moved.headers["location"]) == (302, url)
    assert project.user.get(path).headers["content-type"] == "video/mp4"


@pytest.mark.parametrize(
    ("rule", "pending", "processing", "completed"),
    [
        ("pending", 200, 409, 409),
        ("open", 200, 200, 409),
        ("ignored", 200, 200, 200),
        ("missing", 404, 404, 404),
    ],
)
def test_cancel_at_each_status(twin, project, rule, pending, processing, completed):
    twin.settings(render_cancel=rule, speed=1, instant=False)

    def cancel(render_id):
        return project.user.post(f"/api/render/proxy/lambda/{render_id}/cancel").status_code

    for number, (advance, status, expected) in enumerate(
        [(0, "pending", pending), (10, "processing", processing), (100, "completed", completed)]
    ):
        render_id = f"r{number}"
        submit(project, render_id)
        twin.control("clock", advance=advance)
        until(lambda: project.poll(render_id)["data"]["status"] == status)  # noqa: B023 - called at once
        assert cancel(render_id) == expected
        twin.control("clock", advance=100)
        took = expected == 200 and rule != "ignored"
        assert project.rendered(render_id)["status"] == ("canceled" if took else "completed")
        if took:
            assert cancel(render_id) == 409
            until(lambda: twin.ledger()["renders"][number]["status"] == "canceled")  # noqa: B023
    if completed == 409:
        assert httpx.get(project.poll("r2")["data"]["outputUrl"], **LOCAL).status_code == 200


def test_a_second_render_of_a_session_is_refused_if_so_set(twin, user, project):
    twin.settings(renders_per_session="reject", speed=1)
    submit(project, "one")
    second = submit(project, "two")
    assert (second.status_code, second.json()["error"]) == (409, "another render of this session is running")
    assert submit(user.session(), "other").status_code == 200
    twin.settings(speed=2000)
    project.rendered("one")
    assert submit(project, "two").status_code == 200


def test_a_second_render_of_a_session_waits_if_so_set(twin, project):
    twin.settings(renders_per_session="queue", render_seconds=(30.0, 30.0), speed=1)
    submit(project, "one")
    submit(project, "two")
    twin.control("clock", advance=20)
    assert [project.poll(name)["data"]["status"] for name in ("one", "two")] == ["processing", "pending"]
    twin.control("clock", advance=11)
    assert project.rendered("one")["status"] == "completed"
    assert project.poll("two")["data"]["status"] == "pending"
    twin.settings(speed=2000)
    data = project.rendered("two")
    assert data["status"] == "completed", data
    assert data["completedAt"] - data["createdAt"] >= 59_000


def test_two_renders_of_a_session_run_side_by_side_by_default(twin, project):
    twin.settings(speed=1)
    submit(project, "one")
    submit(project, "two")
    twin.control("clock", advance=20)
    assert [project.poll(name)["data"]["status"] for name in ("one", "two")] == ["processing", "processing"]
    twin.settings(speed=2000)


@pytest.mark.parametrize("shape", ["wrapped", "bare", "mixed"])
@pytest.mark.parametrize("key", ["usual", "outputUrl", "output_url", "url", "output.url", "output"])
@pytest.mark.parametrize("words", ["usual", "synonyms"])
def test_every_spelling_of_a_reply(twin, project, shape, key, words):
    twin.settings(render_shape=shape, render_url_key=key, render_words=words, instant=True)
    submit(project)

    def look():
        body = project.poll("r")
        merged = {**body, **(body.get("data") or {})}
        done = merged.get("state" if words == "synonyms" else "status")
        return merged if done == ("succeeded" if words == "synonyms" else "completed") else None

    merged = until(look)
    output = merged.get("output")
    url = merged.get("outputUrl") or merged.get("output_url") or merged.get("url")
    url = url or (output["url"] if isinstance(output, dict) else output)
    assert httpx.get(url, **LOCAL).headers["content-type"] == "video/mp4"
    assert ("status" in project.poll("r").get("data", {})) is (shape == "wrapped" and words == "usual")
