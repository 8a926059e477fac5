"""The ledger, the control routes, persistence and scale."""

import asyncio
import json
import signal

import httpx

from fakes.twin import ATTRIBUTION, LOCAL, Project, User, picture, until


def test_it_lists_everything(twin, user):
    project = user.project()
    project.say("animate this photo, 1 second")
    project.say("add a title 'A'")
    project.say("add a title 'A'")
    project.submit()
    project.rendered()
    book = twin.ledger()
    assert [len(book[name]) for name in ("tokens", "sessions", "turns", "uploads", "renders", "charges")] == [
        1,
        1,
        3,
        1,
        1,
        2,
    ]
    for name in ("sessions", "turns", "uploads", "renders"):
        for line in book[name]:
            assert line["token"] == book["tokens"][0]["token"]
            assert line["attributed"] is True
            assert line["headers"]["x-skill-source"] == "tests"
            assert line["at"] > 0
            assert line["real_at"] > 0
    first, second, third = book["turns"]
    assert first["message"] == "animate this photo, 1 second"
    assert first["snake_case"] is True
    assert [turn["duplicate_of"] for turn in (first, second, third)] == [None, None, second["turn_id"]]
    assert book["charges"][0]["turn_id"] == first["turn_id"]
    assert {request["endpoint"] for request in book["requests"]} >= {"create_session", "upload", "run_sse", "state"}
    assert user.token not in json.dumps(book)


def test_it_can_be_narrowed(twin, user):
    one, other = user.project(), user.project()
    one.say("add a title 'A'")
    other.say("add a title 'B'")
    book = twin.ledger(only="turns,charges", session_id=other.session_id)
    assert set(book) == {"turns", "charges"}
    assert [turn["message"] for turn in book["turns"]] == ["add a title 'B'"]


def test_tokens_in_urls_are_caught_without_being_told(twin, user):
    user.get(f"/api/credits/balance/simple?token={user.token}")
    book = twin.ledger()
    assert len(book["tokens_in_urls"]) == 1
    assert book["tokens"][0]["token"] in book["tokens_in_urls"][0]["path"]
    assert user.token not in json.dumps(book)


def test_a_bearer_at_the_other_origin_is_caught(twin, user):
    info = user.session().upload(("a.png", picture()))["data"]["files"][0]
    assert httpx.get(info["cdn_url"], **LOCAL).status_code == 200
    assert twin.ledger()["bearers_at_cdn"] == []
    assert httpx.get(info["cdn_url"], headers=user.headers, **LOCAL).status_code == 200
    caught = twin.ledger()["bearers_at_cdn"]
    assert [entry["token"] for entry in caught] == [twin.ledger()["tokens"][0]["token"]]
    twin.settings(cdn_refuses_bearer=True)
    assert httpx.get(info["cdn_url"], headers=user.headers, **LOCAL).status_code == 400


def test_missing_attribution_is_noted(twin, user):
    User(twin, user.token, {}).session()
    assert twin.ledger()["sessions"][0]["attributed"] is False


def test_the_other_origin_serves_only_what_it_should(twin, user):
    info = user.session().upload(("a.png", picture()))["data"]["files"][0]
    stored = info["cdn_url"].split("/")[4]
    with httpx.Client(base_url=twin.cdn_url, **LOCAL) as cdn:
        assert cdn.get(f"/uploads/{stored}/x").status_code == 200
        for path in (
            "/uploads/..%2fstate.json/x",
            f"/uploads/{stored[:-1]}/x",
            "/render-result/x.mp4",
            "/_twin/ledger",
        ):
            assert cdn.get(path).status_code == 404


def test_bad_settings_are_refused(twin):
    for body in ({"silent_rate": 2}, {"nothing": 1}, [], "x"):
        assert twin.http.post("/_twin/settings", json=body).status_code == 422
    assert twin.http.get("/_twin/settings").json()["silent_rate"] == 0.0


def test_reset_forgets_everything(twin, user):
    user.project().say("add a title 'A'")
    twin.fault("*", "500", count=None)
    twin.control("reset")
    book = twin.ledger()
    assert all(not lines for lines in book.values())
    assert user.get("/api/credits/balance/simple").json()["code"] == 1001
    assert twin.http.get("/_twin/settings").json()["silent_rate"] == 0.3


def test_credits_can_be_set(twin, user):
    twin.control("tokens/credits", token=user.token, available=7)
    assert user.balance()["available"] == 7
    assert twin.http.post("/_twin/tokens/credits", json={"token": "x", "available": 1}).status_code == 404


def test_the_clock_tells_whether_anything_is_to_come(twin, user):
    def clock():
        return twin.http.get("/_twin/clock").json()

    assert (clock()["next"], clock()["at_work"]) == (None, False)
    twin.settings(generation_seconds=[1e6, 1e6])
    user.project().leave("animate this photo")
    assert clock()["at_work"]
    assert 0 <= clock()["next"] < 1e6
    until(lambda: not twin.control("clock", advance=1e6)["at_work"])
    until(lambda: clock()["next"] is None)


def test_memory_outlives_a_restart(start, tmp_path):
    arguments = ("--speed", "2000", "--film-max-side", "64", "--data", str(tmp_path / "data"), "--silent-rate", "0")
    first = start(*arguments)
    user = first.user()
    project = user.project()
    project.say("animate this photo, 1 second")
    project.submit()
    project.rendered()
    state, book, balance = project.state(), first.ledger(), user.balance()
    now = first.http.get("/_twin/clock").json()["now"]
    assert first.process.stop() == (0, "")

    second = start(*arguments)
    again = Project(User(second, user.token), project.session_id, project.task_id)
    assert again.state() == state
    assert again.user.balance() == balance
    kept = second.ledger()
    assert kept["turns"] == book["turns"]
    assert kept["renders"] == book["renders"]
    assert second.http.get("/_twin/clock").json()["now"] >= now
    (tmp_path / "data" / "uploads" / "secret.png").write_bytes(b"not an upload")
    assert httpx.get(f"{second.cdn_url}/uploads/secret.png/x", **LOCAL).status_code == 404
    film = httpx.get(again.poll()["data"]["outputUrl"], **LOCAL)
    assert film.content[4:8] == b"ftyp"
    again.say("add a title 'A'")
    assert len(again.state()["draft"]["t"]) == len(state["draft"]["t"]) + 1
    duplicate = again.submit()
    assert duplicate.status_code == 409


def test_a_crash_loses_running_turns_and_gives_their_credits_back(start, tmp_path):
    arguments = ("--speed", "10", "--film-max-side", "64", "--data", str(tmp_path / "data"))
    first = start(*arguments)
    user = first.user()
    project = user.project()
    project.leave("animate this photo")
    draft = '{"t":[{"tt":0,"sg":[{"d":500}]}]}'
    user.post("/api/render/proxy/lambda", json={"id": "r", "sessionId": project.session_id, "draft": draft})
    state_file = tmp_path / "data" / "state.json"
    until(lambda: state_file.exists() and len(json.loads(state_file.read_text())["renders"]) == 1)
    assert state_file.stat().st_mode & 0o077 == 0
    first.process.stop(signal.SIGKILL)

    second = start(*arguments)
    again = Project(User(second, user.token), project.session_id, project.task_id)
    assert again.turns()[0]["outcome"] == "lost"
    assert again.user.balance() == {"available": 1000, "frozen": 0, "total": 1000}
    second.settings(speed=2000)
    assert again.rendered("r")["status"] == "completed"


def test_two_hundred_streams_at_once(twin):
    twin.settings(speed=1)
    user = twin.user(credits=100_000)
    projects = [user.project() for _ in range(4)]
    address = httpx.URL(twin.url)

    async def stream(number):
        """Plain sockets: a client library would spend most of the test on itself."""
        body = json.dumps(projects[number % 4].body(f"animate this photo {number}")).encode()
        head = f"POST /run_sse HTTP/1.1\r\nHost: twin\r\nConnection: close\r\nAuthorization: Bearer {user.token}\r\n"
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        received = await reader.read()
        writer.close()
        return received.startswith(b"HTTP/1.1 200") and received.endswith(b"\r\n0\r\n\r\n")

    async def everyone():
        running = [asyncio.create_task(stream(number)) for number in range(200)]
        await asyncio.to_thread(until, lambda: twin.http.get("/healthz").json()["turns"] == 200)
        assert user.balance() == {"available": 80_000, "frozen": 20_000, "total": 100_000}
        twin.settings(speed=2000)
        return await asyncio.gather(*running)

    assert all(asyncio.run(everyone()))
    turns = twin.ledger(only="turns")["turns"]
    assert len({turn["message"] for turn in turns}) == 200
    assert {turn["outcome"] for turn in turns} == {"completed"}
    assert user.balance() == {"available": 80_000, "frozen": 0, "total": 80_000}


def test_the_headers_of_the_fixture_are_the_three_of_the_contract():
    assert {name.lower() for name in ATTRIBUTION} == {"x-skill-source", "x-skill-version", "x-skill-platform"}
