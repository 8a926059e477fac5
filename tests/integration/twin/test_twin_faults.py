"""Every fault, one by one."""

import socket

import httpx
import pytest

from fakes.twin import LOCAL, Twin, decoded, until

STATUSES = {
    "400": "json",
    "401": "json",
    "402": "json",
    "403": "json",
    "404": "json",
    "408": "json",
    "409": "json",
    "413": "html",
    "422": "json",
    "429": "json",
    "500": "plain",
    "502": "html",
    "503": "html",
    "504": "html",
}


@pytest.mark.parametrize(("name", "kind"), STATUSES.items())
def test_http_statuses(twin, user, name, kind):
    twin.fault("credits", name)
    answer = user.get("/api/credits/balance/simple")
    assert answer.status_code == int(name)
    assert kind in answer.headers["content-type"]
    assert "retry-after" not in answer.headers
    assert user.get("/api/credits/balance/simple").status_code == 200


def test_retry_after_count_and_ledger(twin, user):
    twin.fault("*", "429", count=2, after=1, retry_after="7")
    answers = [user.get("/api/credits/balance/simple") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 429, 429, 200]
    assert answers[1].headers["retry-after"] == "7"
    requests = twin.ledger()["requests"]
    assert [(request["status"], request["fault"]) for request in requests] == [
        (200, None),
        (429, "429"),
        (429, "429"),
        (200, None),
    ]


@pytest.mark.parametrize("code", [1001, 1002, 1010, 1011, 2001])
def test_body_codes_even_instead_of_a_stream(twin, user, code):
    project = user.project()
    twin.fault("run_sse", str(code))
    answer = user.post("/run_sse", json=project.body("animate this photo"))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["code"] == code
    assert answer.json()["data"] is None
    assert project.turns() == []
    twin.fault("run_sse", str(code), status=400)
    assert user.post("/run_sse", json=project.body("x")).status_code == 400


@pytest.mark.parametrize("at_byte", [0, 1, 700])
def test_drop_at_a_byte_and_the_work_goes_on(twin, user, at_byte):
    project = user.project()
    twin.fault("run_sse", "drop", at_byte=at_byte)
    received, error = project.cut("animate this photo")
    assert len(received) == at_byte
    assert error is httpx.RemoteProtocolError
    assert project.ended_turn()["outcome"] == "completed"
    assert len(project.state()["draft"]["t"]) == 4
    assert project.charges() == [("generate", 100, "charged")]


def test_drop_and_the_work_never_was(twin, user):
    project = user.project()
    twin.fault("run_sse", "drop", at_byte=100, work="canceled")
    project.cut("animate this photo")
    assert project.ended_turn()["outcome"] == "canceled"
    assert project.state()["draft"] == {}
    assert user.balance() == {"available": 1000, "frozen": 0, "total": 1000}


def test_drop_late_and_the_work_is_undone(twin, user):
    project = user.project()
    twin.settings(heartbeat="none", speed=500)
    between_the_stages = project.say("animate this photo").index(b"transferToAgent")
    other = user.project()
    twin.fault("run_sse", "drop", at_byte=between_the_stages, work="cancelled")
    other.cut("animate this photo")
    assert other.ended_turn()["outcome"] == "canceled"
    assert other.state()["draft"] == {}
    assert other.charges() == [("generate", 100, "released")]


def test_drop_and_the_work_is_half_done(twin, user):
    project = user.project()
    twin.fault("run_sse", "drop", at_byte=100, work="partial")
    project.cut("animate this photo")
    assert project.ended_turn()["outcome"] == "partial"
    assert [track["tt"] for track in project.state()["draft"]["t"]] == [0]
    assert project.charges() == [("generate", 100, "charged")]


def test_drop_by_reset(twin, user):
    project = user.project()
    twin.fault("run_sse", "drop", at_byte=50, reset=True)
    assert project.cut("animate this photo")[1] is httpx.ReadError
    assert project.ended_turn()["outcome"] == "completed"


def test_drop_of_a_film_leaves_it_short(twin, user):
    project = user.project()
    project.say("animate this photo, 1 second")
    project.submit()
    url = project.rendered()["outputUrl"]
    twin.fault("cdn", "drop", at_byte=1000)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(url, **LOCAL)
    assert httpx.get(url, **LOCAL).status_code == 200


def test_silence_holds_even_heartbeats_back(twin, user):
    project = user.project()
    twin.settings(speed=100, heartbeat_seconds=1.0)
    twin.fault("run_sse", "silence", seconds=10_000.0, after_bytes=10)
    with (
        httpx.Client(base_url=twin.url, **LOCAL, timeout=httpx.Timeout(20, read=0.5)) as client,
        project.open("animate this photo", client=client) as stream,
        pytest.raises(httpx.ReadTimeout),
    ):
        next(stream.iter_raw())
    twin.settings(speed=2000)
    assert project.ended_turn()["outcome"] == "completed"


def test_after_the_silence_everything_comes(twin, user):
    project = user.project()
    twin.fault("run_sse", "silence", seconds=600.0)
    events = project.events("add a title 'A'")
    assert events[-1]["content"]["parts"]
    assert project.turns()[0]["disconnected"] is False


def test_hang_until_the_client_gives_up(twin, user):
    twin.fault("credits", "hang")
    with httpx.Client(base_url=twin.url, **LOCAL, timeout=0.3) as client, pytest.raises(httpx.ReadTimeout):
        client.get("/api/credits/balance/simple", headers=user.headers)
    twin.fault("credits", "hang", seconds=100)
    assert user.balance()["available"] == 1000


def test_reset_before_and_after_processing(twin, user):
    def create():
        with httpx.Client(base_url=twin.url, **LOCAL) as client:
            client.post("/api/tasks/me/with-session/nemo_agent", json={}, headers=user.headers)

    twin.fault("create_session", "reset_before")
    # Not `ReadError`: a reset that meets the client while it still writes is swallowed there and read as an end.
    with pytest.raises(httpx.TransportError):
        create()
    assert twin.ledger()["sessions"] == []
    twin.fault("create_session", "reset_after")
    with pytest.raises(httpx.ReadError):
        create()
    assert len(twin.ledger()["sessions"]) == 1


def test_a_reset_is_a_tcp_reset(twin, user):
    twin.fault("credits", "reset_before")
    address = httpx.URL(twin.url)
    with socket.create_connection((address.host, address.port), timeout=20) as raw:
        raw.sendall(b"GET /api/credits/balance/simple HTTP/1.1\r\nHost: twin\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            raw.recv(1)


def test_reset_after_a_turn_has_started(twin, user):
    project = user.project()
    twin.fault("run_sse", "reset_after")
    assert project.cut("animate this photo") == (b"", httpx.ReadError)
    assert project.ended_turn()["outcome"] == "completed"
    twin.fault("run_sse", "reset_before")
    project.cut("add a title 'A'")
    assert len(project.turns()) == 1
    twin.fault("run_sse", "reset_after", work="cancelled")
    project.cut("add a title 'B'")
    assert project.ended_turn()["outcome"] == "canceled"


def test_a_render_whose_answer_was_lost_exists(twin, user):
    project = user.project()
    project.say("animate this photo, 1 second")
    twin.fault("render_submit", "reset_after")
    with pytest.raises(httpx.ReadError):
        project.submit()
    assert project.rendered()["status"] == "completed"


def test_truncated_json(twin, user):
    whole = user.get("/api/credits/balance/simple").content
    twin.fault("credits", "truncated_json")
    answer = user.get("/api/credits/balance/simple")
    assert answer.status_code == 200
    assert answer.content == whole[: len(whole) // 2]
    with pytest.raises(ValueError):
        answer.json()


@pytest.mark.parametrize(
    ("endpoint", "status", "progress"), [("render_submit", "pending", 5), ("render_status", "processing", 50)]
)
def test_a_stuck_render(twin, user, endpoint, status, progress):
    project = user.project()
    project.say("animate this photo, 1 second")
    twin.settings(speed=1)
    twin.fault(endpoint, "stuck_render", status=status)
    project.submit()
    project.poll()
    twin.settings(speed=2000)
    twin.control("clock", advance=3600)
    for _ in range(3):
        data = project.poll()["data"]
        assert (data["status"], data["progress"]) == (status, progress)
    assert project.submit("render_2").json()["success"] is True
    assert project.rendered("render_2")["status"] == "completed"


def test_a_turn_error(twin, user):
    project = user.project()
    twin.fault("run_sse", "turn_error")
    received = project.say("add a title 'A'")
    assert decoded(received)[-1] == {"error": 'RuntimeError: the tool said "no"'}


def test_faults_can_be_listed_and_taken_back(twin, user):
    armed = twin.fault("state", "drop", count=None, at_byte=3)
    listed = twin.http.get("/_twin/faults").json()
    assert [fault["id"] for fault in listed["armed"]] == [armed["id"]]
    known = listed["known"]["drop"]
    assert set(known) == {"says", "endpoints", "contract", "parameters"}
    assert set(known["parameters"]) == {"at_byte", "work", "reset"}
    assert known["parameters"]["work"]["default"] == "continuing"
    assert known["parameters"]["work"]["enum"] == ["continuing", "canceled", "partial"]
    assert {"run_sse", "cdn"} <= set(known["endpoints"])
    assert {"429", "500", "502", "503", "1001", "1002", "2001", "402", "4001", "4002"} <= set(listed["known"])
    assert twin.http.delete("/_twin/faults", params={"id": armed["id"]}).json() == {"disarmed": 1}
    assert twin.http.get("/_twin/faults").json()["armed"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"endpoint": "state", "fault": "418"},
        {"endpoint": "nowhere", "fault": "500"},
        {"endpoint": "run_sse", "fault": "drop", "at_byt": 1},
        {"endpoint": "run_sse", "fault": "drop", "work": "maybe"},
        {"endpoint": "run_sse", "fault": "drop", "count": 0},
        {"endpoint": "credits", "fault": "turn_error"},
        {"endpoint": "*", "fault": "drop", "also": [{"fault": "418"}]},
        {"endpoint": "state", "fault": "drop", "also": [{"fault": "turn_error"}]},
        {"endpoint": "run_sse", "fault": "drop", "also": [{"fault": "turn_error", "at_byte": 1}]},
        {"fault": "500"},
    ],
)
def test_a_bad_fault_is_refused(twin: Twin, body):
    assert twin.http.post("/_twin/faults", json=body).status_code == 422
    assert twin.http.get("/_twin/faults").json()["armed"] == []


def test_control_is_not_struck(twin):
    twin.fault("*", "500", count=None)
    assert twin.http.get("/healthz").json()["status"] == "ok"
    assert twin.http.get("/api/credits/balance/simple").status_code == 500
    assert until(lambda: twin.http.delete("/_twin/faults").json()) == {"disarmed": 1}
