"""A chat about one timeline, free exports of its versions, and a batch, on the running command."""

from __future__ import annotations

from typing import Any

from fakes.live_customer import Customer, File, animate
from fakes.live_twin import Twin
from fakes.receivers import WebhookReceiver
from fixtures.eventually import Eventually, wait_until


def say(customer: Customer, project: str, text: str, **members: Any) -> list[dict[str, Any]]:
    answer = customer.http.post(f"/v1/projects/{project}/messages", json={"message": text, **members})
    assert answer.is_success, answer.text
    did: list[dict[str, Any]] = answer.json()["did"]
    return did


def test_a_chat_about_one_timeline(twin: Twin, customer: Customer, photo: File, marker: str) -> None:
    project = customer.http.post("/v1/projects", json={"name": marker}).json()["id"]
    asset = customer.http.post("/v1/assets", files=[("files", photo)]).json()["data"][0]["id"]
    with twin.settings(instant=True):
        [sent, made] = say(customer, project, animate(f"{marker}-1"), inputs=[asset])
        assert (sent["intent"], made["intent"]) == ("upload", "agent")
        [title, export] = say(customer, project, f'add the title "{marker}-2", then export')
        waiting = customer.job(title["job"]["id"])
        assert waiting["status"] == "queued" or waiting["receipts"]
        first, second = (customer.succeeded(deed["job"]["id"]) for deed in (made, title))
    assert (first["outputs"], len(second["outputs"]), export["job"]["id"]) == ([], 1, second["id"])
    assert first["project"] == second["project"] == project
    [status] = say(customer, project, "现在什么样了")
    assert status["timeline"]["version"] == 2
    assert f"{marker}-2" in status["timeline"]["text"]
    live = customer.http.get(f"/v1/projects/{project}/timeline?live=true").json()
    assert live["tracks"] == status["timeline"]["tracks"]
    [balance] = say(customer, project, "how many credits are left?")
    assert balance["credits"]["available"] is not None

    before = len(twin.turns(marker))
    with twin.settings(instant=True):
        old = customer.http.post(f"/v1/projects/{project}/exports", json={"version": 1}).json()
        done = customer.succeeded(old["id"])
    assert (done["billing"]["spent"], len(twin.turns(marker))) == (0.0, before)
    film = customer.http.get(f"/v1/jobs/{old['id']}/result").content
    assert film[4:8] == b"ftyp"
    link = customer.http.post(f"/v1/projects/{project}/claim-link").json()
    assert "clm_" in link["url"]
    assert customer.token not in link["url"]


def test_a_question_in_a_project_is_answered_by_a_message(
    twin: Twin, customer: Customer, photo: File, marker: str
) -> None:
    project = customer.http.post("/v1/projects").json()["id"]
    asked = f'Animate this photo into a 1-second video, but ask me about the style of "{marker}" first'
    job = customer.submit(instruction=asked, files=[photo], project=project)
    question = customer.until_status(job["id"], "requires_input")["question"]
    with twin.settings(instant=True):
        [deed] = say(customer, project, "Cinematic, slow zoom.", asked_at=question["asked_at"])
        assert (deed["answered"], deed["job"]["id"]) == (True, job["id"])
        customer.succeeded(job["id"])


def test_a_batch_is_done_and_tells_of_it_once(
    twin: Twin, customer: Customer, photo: File, marker: str, receiver: WebhookReceiver, eventually: Eventually
) -> None:
    asset = customer.http.post("/v1/assets", files=[("files", photo)]).json()["data"][0]["id"]
    wishes = [{"instruction": animate(f"{marker}-{number}")} for number in range(4)]
    body = {"jobs": wishes, "defaults": {"inputs": [asset], "output": None}, "webhook_url": receiver.url}
    with twin.settings(instant=True):
        batch = customer.http.post("/v1/batches", json=body).json()
        done = wait_until(
            lambda: (now := customer.http.get(f"/v1/batches/{batch['id']}").json())["finished_at"] and now, 60
        )
    assert (done["counts"]["succeeded"], done["progress"], done["status"]) == (4, 100, "completed")
    [hook] = eventually(receiver.hooks)
    assert (hook.type, hook.document["data"]["batch"]["id"]) == ("batch.completed", batch["id"])
    assert len(twin.turns(marker)) == 4
