"""The agent asks, the owner answers, several outputs come of it, and the retry of a forbidden export is free."""

from __future__ import annotations

from fakes.live_customer import Customer, Customers, File, animate
from fakes.live_twin import Twin
from fakes.receivers import WebhookReceiver
from fixtures.eventually import Eventually


def test_a_question_goes_out_by_webhook_and_its_answer_makes_the_video(
    twin: Twin, customer: Customer, photo: File, marker: str, receiver: WebhookReceiver, eventually: Eventually
) -> None:
    endpoint = {"url": receiver.url, "event_types": ["job.requires_input"]}
    assert customer.http.post("/v1/webhook-endpoints", json=endpoint).status_code == 201
    asked = f'Animate this photo into a 1-second video, but ask me about the style of "{marker}" first'
    job_id = customer.submit(instruction=asked, files=[photo])["id"]
    job = customer.until_status(job_id, "requires_input")
    assert job["waiting"]["reason"] == "answer"
    (hook,) = eventually(lambda: receiver.hooks(job_id))
    assert (hook.type, hook.job["question"]["text"]) == ("job.requires_input", job["question"]["text"])

    answer = {"text": "Cinematic, slow zoom.", "asked_at": job["question"]["asked_at"]}
    assert customer.http.post(f"/v1/jobs/{job_id}/answer", json=answer).status_code == 202
    assert customer.http.post(f"/v1/jobs/{job_id}/answer", json=answer).status_code == 409
    done = customer.succeeded(job_id)
    assert [receipt["outcome"] for receipt in done["receipts"]][:1] == ["question"]
    assert [one["text"] for one in done["answers"]] == ["Cinematic, slow zoom."]
    assert done["receipts"][-1]["verdict"] == "changed"


def test_the_first_clip_is_told_before_the_end_of_the_turn(
    customer: Customer, twin: Twin, photo: File, marker: str
) -> None:
    # Some seconds of ours: the clip lies there for no longer than the turn goes on.
    with twin.settings(generation_seconds=(900, 900)):
        job = customer.succeeded(customer.submit(instruction=animate(marker), files=[photo])["id"])
    kinds = [event["type"] for event in customer.events(job["id"])]
    assert kinds.count("job.preview_ready") == 1
    assert kinds.index("job.preview_ready") < kinds.index("job.rendering")
    said = [event["data"]["text"] for event in customer.events(job["id"]) if event["type"] == "job.progress"]
    assert not [text for text in said if text and "Export button" in text]


def test_one_generation_is_exported_several_times(twin: Twin, customer: Customer, photo: File, marker: str) -> None:
    wanted = [{"quality": "low"}, {"quality": "high"}]
    with twin.settings(instant=True):
        job = customer.succeeded(customer.submit(instruction=animate(marker), files=[photo], outputs=wanted)["id"])
    assert [one["status"] for one in job["outputs"]] == ["succeeded", "succeeded"]
    for number in (1, 2):
        film = customer.http.get(f"/v1/jobs/{job['id']}/outputs/{number}/result")
        assert film.content[4:8] == b"ftyp"
    assert len(twin.turns(marker)) == 1
    assert len(twin.seen(marker, "renders")["renders"]) == 2


def test_the_retry_of_an_export_that_the_plan_forbade_sends_no_turn(
    twin: Twin, customers: Customers, photo: File, marker: str
) -> None:
    customer = customers.make(plan="free")
    with twin.settings(export_rule="free_plan", instant=True):
        failed = customer.finished(customer.submit(instruction=animate(marker), files=[photo])["id"])
    assert failed["error"]["code"] == "upstream_export_blocked"
    with twin.settings(instant=True):
        again = customer.http.post(f"/v1/jobs/{failed['id']}/retry")
        assert again.status_code == 202, again.text
        job = customer.succeeded(again.json()["id"])
    assert (job["retried_from"], job["billing"]["spent"]) == (failed["id"], 0)
    assert job["retry"] == {"from": "rendering", "free": True}
    assert len(twin.turns(marker)) == 1
