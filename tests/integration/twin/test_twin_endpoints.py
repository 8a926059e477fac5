"""Every endpoint of the contract, over HTTP."""

import hashlib
import io
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import av
import httpx
import pytest

from fakes.twin import ATTRIBUTION, LOCAL, User, picture, texts, until


def test_anonymous_token(twin):
    answer = twin.http.post("/api/auth/anonymous-token", headers={"X-Client-Id": "c1"})
    data = answer.json()["data"]
    assert answer.json()["code"] == 0
    assert data["token"].startswith("nmv_usr_")
    assert data["user_id"].startswith("anon_")
    assert data["expires_at"].endswith("Z")
    assert data["credits"] == 100
    user = User(twin, data["token"])
    assert user.balance() == {"available": 100, "frozen": 0, "total": 100}
    assert twin.http.post("/api/auth/anonymous-token").status_code == 400
    again = twin.http.post("/api/auth/anonymous-token", headers={"X-Client-Id": "c1"})
    assert (again.status_code, again.json()["code"]) == (429, 429)
    twin.control("tokens/expire", token=data["token"])
    assert user.get("/api/credits/balance/simple").json()["code"] == 1001
    fresh = twin.http.post("/api/auth/anonymous-token", headers={"X-Client-Id": "c1"}).json()["data"]
    assert fresh["user_id"] == data["user_id"]
    assert fresh["token"] != data["token"]


def test_a_bad_token_is_refused_everywhere(twin, user):
    project = user.project()
    paths = [
        ("POST", "/api/tasks/me/with-session/nemo_agent"),
        ("POST", "/run_sse"),
        ("POST", project.upload_path),
        ("GET", "/api/credits/balance/simple"),
        ("GET", f"/api/state/nemo_agent/me/{project.session_id}/latest"),
        ("POST", "/api/render/proxy/lambda"),
        ("GET", "/api/render/proxy/lambda/render_1"),
        ("GET", "/api/render/proxy/render_1/download"),
        ("POST", "/api/render/proxy/lambda/render_1/cancel"),
        ("POST", "/api/auth/claim-token"),
    ]
    for method, path in paths:
        answer = twin.http.request(method, path, headers={"Authorization": "Bearer nmv_usr_x"})
        assert (answer.status_code, answer.json()["code"]) == (200, 1001), path
    twin.settings(code_status="http")
    assert twin.http.get(paths[3][1]).status_code == 401
    twin.control("tokens/revoke", token=user.token)
    assert user.get("/api/credits/balance/simple").status_code == 401


def test_session(twin, user):
    answer = user.post("/api/tasks/me/with-session/nemo_agent", json={"task_name": "project"})
    data = answer.json()["data"]
    assert set(data) == {"task_id", "session_id", "user_id"}
    assert isinstance(data["session_id"], str)
    assert len(data["session_id"]) == 19
    assert data["session_id"].isdigit()
    own = user.post(f"/api/tasks/{data['user_id']}/with-session/nemo_agent", json={})
    assert own.json()["code"] == 0
    assert user.post("/api/tasks/someone/with-session/nemo_agent", json={}).status_code == 403


def test_state_of_a_new_session(user):
    project = user.session()
    data = user.get(f"/api/state/nemo_agent/me/{project.session_id}/latest").json()["data"]
    assert (data["session_id"], data["task_id"], data["task_name"]) == (project.session_id, project.task_id, "project")
    assert data["state"] == {
        "video_infos": [],
        "draft": {},
        "canvas_config": {},
        "generated_media": [],
        "video_analyses": {},
    }


def test_a_session_is_its_users_alone_and_can_be_lost(twin, user):
    project = user.project()
    path = f"/api/state/nemo_agent/me/{project.session_id}/latest"
    assert twin.user().get(path).json()["code"] == 1002
    twin.control("sessions/lose", session_id=project.session_id)
    assert user.get(path).json()["code"] == 1002
    assert user.post("/run_sse", json=project.body("hi")).json()["code"] == 1002
    twin.settings(lost_session_on_stream="detail")
    answer = user.post("/run_sse", json=project.body("hi"))
    assert (answer.status_code, answer.json()) == (404, {"detail": f"Session not found: {project.session_id}"})


def test_an_idle_session_expires(twin, user):
    twin.settings(session_idle_seconds=3600, speed=1)
    project = user.session()
    twin.control("clock", advance=3601)
    assert user.get(f"/api/state/nemo_agent/me/{project.session_id}/latest").json()["code"] == 1002


def test_upload_of_several_files(user):
    project = user.session()
    first, second = picture("red"), picture("blue")
    answer = project.upload(("a.png", first), ("Ü b.JPEG", second))
    assert answer["code"] == 0
    assert answer["data"]["session_state_applied"] is True
    files = answer["data"]["files"]
    assert [(file["filename"], file["file_type"], file["hash"]) for file in files] == [
        ("a.png", "image", hashlib.sha256(first).hexdigest()),
        ("Ü b.JPEG", "image", hashlib.sha256(second).hexdigest()),
    ]
    assert project.state()["video_infos"] == files
    for file, content in zip(files, (first, second), strict=True):
        assert httpx.get(file["cdn_url"], **LOCAL).content == content


def test_upload_of_a_film_is_probed(twin, user):
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(50):
            container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode(None))
    info = user.session().upload(("clip.mp4", buffer.getvalue()))["data"]["files"][0]
    assert (info["file_type"], info["duration"], info["width"], info["height"], info["fps"]) == (
        "video",
        2.0,
        64,
        48,
        25,
    )


def test_refused_uploads_leave_nothing(twin, user):
    project = user.session()
    assert project.upload(("a.png", picture()), ("notes.txt", b"x"))["code"] == 4001
    twin.settings(upload_limit_bytes=1000)
    assert project.upload(("a.png", b"x" * 1001))["code"] == 4002
    wrong_field = user.post(project.upload_path, files={"file": ("a.png", picture())})
    assert wrong_field.status_code == 422
    assert wrong_field.json()["detail"][0]["loc"] == ["body", "files"]
    assert project.state()["video_infos"] == []
    assert twin.ledger()["uploads"] == []


@pytest.fixture
def fixture_server():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path.startswith("/photo") else 404)
            self.send_header("Content-Type", "image/png")
            self.end_headers()
            self.wfile.write(picture("purple"))

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_upload_by_url(twin, user, fixture_server):
    project = user.session()

    def send(url):
        return user.post(project.upload_path, json={"urls": [url], "source_type": "url"})

    for url, name in ((f"{fixture_server}/photo.png?x=1", "photo.png"), (f"{fixture_server}/photo", "photo.png")):
        file = send(url).json()["data"]["files"][0]
        assert (file["filename"], file["hash"]) == (name, hashlib.sha256(picture("purple")).hexdigest())
    for bad in (f"{fixture_server}/gone.png", "http://127.0.0.1:1/x.png", "file:///etc/passwd", "x"):
        assert send(bad).status_code == 400
    assert send(f"{fixture_server}/photo.txt").json()["code"] == 0
    twin.settings(upload_limit_bytes=10)
    assert send(f"{fixture_server}/photo.png").json()["code"] == 4002
    assert [upload["mode"] for upload in twin.ledger()["uploads"]] == ["url"] * 3
    assert [upload["duplicate"] for upload in twin.ledger()["uploads"]] == [False, True, True]


def test_the_whole_way_to_a_film(twin, user):
    project = user.session()
    project.upload(("a.png", picture("red")), ("b.png", picture("blue")))
    events = project.events('animate these photos, 3 seconds, square, title "Golden Hour"')
    assert "Golden Hour" in texts(events)[-1]
    submitted = project.submit(format="mp4", quality="high").json()
    assert submitted == {"success": True, "data": {"id": "render_1", "status": "pending", "progress": 5}}
    data = project.rendered()
    assert (data["status"], data["progress"]) == ("completed", 100)
    assert data["completedAt"] - data["createdAt"] >= 27_000
    assert data["outputUrl"] == f"{twin.cdn_url}/render-result/render_1.mp4"
    film = httpx.get(data["outputUrl"], **LOCAL)
    assert film.headers["content-type"] == "video/mp4"
    with av.open(io.BytesIO(film.content)) as container:
        video = container.streams.video[0]
        assert (video.codec_context.name, video.width, video.height) == ("h264", 160, 160)
        assert container.duration / av.time_base == pytest.approx(3.0, abs=0.2)
        assert container.streams.audio[0].codec_context.name == "aac"
    part = httpx.get(data["outputUrl"], headers={"Range": "bytes=0-99"}, **LOCAL)
    assert (part.status_code, part.content) == (206, film.content[:100])
    assert user.get("/api/render/proxy/render_1/download").content == film.content
    entry = twin.ledger()["renders"][0]
    assert (entry["accepted"], entry["draft_verbatim"], entry["status"]) == (True, True, "completed")


def test_the_other_render_shape_path_and_downloads(twin, user):
    project = user.project()
    project.say("animate this photo, 1 second")
    twin.settings(render_shape="bare", download="redirect")
    assert project.submit(path="draft").json() == {"taskId": "render_1", "status": "pending", "progress": 5}

    def look():
        body = user.get("/api/render/proxy/render_1").json()
        return body if body["status"] == "completed" else None

    body = until(look)
    assert set(body) == {"taskId", "status", "progress", "output"}
    assert body["output"]["duration"] == 1.0
    film = httpx.get(body["output"]["url"], **LOCAL)
    assert body["output"]["size"] == len(film.content)
    moved = user.get("/api/render/proxy/render_1/download")
    assert (moved.status_code, moved.headers["location"]) == (302, body["output"]["url"])
    twin.settings(download="json", render_shape="wrapped")
    assert user.get("/api/render/proxy/render_1/download").json()["data"]["outputUrl"] == body["output"]["url"]


def test_a_render_id_is_used_once(twin, user):
    project = user.project()
    project.say("animate this photo, 1 second")
    assert project.submit().json()["success"] is True
    again = project.submit()
    assert again.status_code == 409
    assert again.json()["success"] is False
    assert "render_1" in again.json()["error"]
    assert [entry["accepted"] for entry in twin.ledger()["renders"]] == [True, False]


def test_a_render_needs_the_attribution_headers(twin, user):
    project = user.project()
    project.say("animate this photo, 1 second")
    for missing in ATTRIBUTION:
        headers = {name: value for name, value in ATTRIBUTION.items() if name != missing}
        bare = User(twin, user.token, headers)
        answer = bare.post(
            "/api/render/proxy/lambda", json={"id": missing, "sessionId": project.session_id, "draft": {"t": []}}
        )
        assert (answer.status_code, answer.json()["success"]) == (402, False)
    assert not any(entry["accepted"] or entry["attributed"] for entry in twin.ledger()["renders"])


@pytest.mark.parametrize(
    ("rule", "plan", "available", "attributed", "status"),
    [
        ("off", "free", 100, False, 200),
        ("free_plan", "free", 100, True, 402),
        ("free_plan", "paid", 100, True, 200),
        ("missing_headers_without_credits", "free", 100, False, 200),
        ("missing_headers_without_credits", "free", 0, False, 402),
    ],
)
def test_the_rules_of_402(twin, rule, plan, available, attributed, status):
    twin.settings(export_rule=rule)
    user = twin.user(plan=plan, credits=available)
    body = {"id": "r", "sessionId": user.session().session_id, "draft": {"t": []}}
    user = User(twin, user.token, ATTRIBUTION if attributed else {})
    assert user.post("/api/render/proxy/lambda", json=body).status_code == status


def test_a_draft_without_segments_fails(user):
    project = user.session()
    assert project.submit().json()["data"]["status"] == "pending"
    data = project.rendered()
    assert data["status"] == "failed"
    assert data["error"] == "draft has no segments"


def test_a_draft_without_segments_is_refused_at_once_if_so_set(twin, user):
    twin.settings(empty_draft="refused")
    answer = user.session().submit()
    assert (answer.status_code, answer.json()) == (400, {"success": False, "error": "draft has no segments"})
    assert twin.ledger()["renders"][0]["accepted"] is False


def test_an_unknown_render_and_an_early_download(twin, user):
    assert user.get("/api/render/proxy/lambda/nothing").status_code == 404
    twin.settings(speed=1)
    project = user.session()
    body = {"id": "early", "sessionId": project.session_id, "draft": '{"t":[{"tt":0,"sg":[{"d":500}]}]}'}
    user.post("/api/render/proxy/lambda", json=body)
    assert user.get("/api/render/proxy/early/download").status_code == 404
    assert project.poll("early")["data"]["status"] == "pending"
    assert twin.user().get("/api/render/proxy/lambda/early").status_code == 404
    cancelled = user.post("/api/render/proxy/lambda/early/cancel")
    assert cancelled.json()["data"]["status"] == "canceled"
    assert user.post("/api/render/proxy/lambda/early/cancel").status_code == 409


def test_progress_goes_from_pending_through_processing(twin, user):
    project = user.project()
    project.say("animate this photo, 1 second")
    twin.settings(speed=1)
    project.submit()
    twin.control("clock", advance=5)
    data = project.poll()["data"]
    assert data["status"] == "processing"
    assert 10 <= data["progress"] <= 20
    until(lambda: twin.control("clock", advance=1) and project.poll()["data"]["progress"] > 50)
    twin.control("clock", advance=60)
    assert project.rendered()["status"] == "completed"


def test_claim_token(user):
    project = user.session()
    body = {"task_id": project.task_id, "session_id": project.session_id}
    data = user.post("/api/auth/claim-token", json=body).json()["data"]
    assert data["claim_token"].startswith("clm_")
    assert data["expires_in"] == 604800
    as_bearer = User(user.twin, data["claim_token"])
    assert as_bearer.get("/api/credits/balance/simple").json()["code"] == 1001


def test_bad_bodies(user):
    missing = user.post("/run_sse", json={"app_name": "nemo_agent"})
    assert missing.status_code == 422
    assert missing.json()["detail"][0] | {"input": None} == {
        "type": "missing",
        "loc": ["body", "userId"],
        "msg": "Field required",
        "input": None,
    }
    assert user.post("/run_sse", content=b"{").status_code == 422
    assert user.post("/api/render/proxy/lambda", json={"id": "x", "session_id": "1", "draft": {}}).status_code == 422


def test_nothing_that_the_contract_forbids(user):
    for path in ("/api/v1/generate", "/v1/run", "/v1/upload"):
        assert user.post(path).status_code == 404
    assert user.get("/health").status_code == 404
