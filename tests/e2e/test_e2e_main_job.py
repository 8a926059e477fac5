"""What the service is for: pictures and instructions go in, a playable MP4 and a verified webhook come out."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import httpx
import pytest
from standardwebhooks import Webhook

from fakes.live_customer import Customer, Customers, File, animate, create, new_marker, picture
from fakes.live_stack import LiveStack
from fakes.live_twin import Twin
from fakes.receivers import WebhookReceiver
from fakes.workshops import corners, photograph, saved
from fixtures.eventually import Eventually


def test_pictures_become_a_playable_video_and_a_verified_webhook(
    stack: LiveStack,
    twin: Twin,
    customer: Customer,
    receiver: WebhookReceiver,
    examples: list[Path],
    marker: str,
    eventually: Eventually,
) -> None:
    pictures = [picture(path) for path in examples[:2]]
    with twin.settings(film_max_side=1920, film_fps=12):
        answer = customer.post(instruction=animate(marker, seconds=2), files=pictures, webhook_url=receiver.url)
        assert answer.status_code == 202
        assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
        job = customer.succeeded(answer.json()["id"])

    # The file: as the receipt says, as the upstream's file host serves it, playable to the last frame.
    video = customer.http.get(job["links"]["result"])
    assert video.status_code == 200
    assert video.headers["content-type"] == "video/mp4"
    assert hashlib.sha256(video.content).hexdigest() == job["result"]["sha256"]
    assert len(video.content) == job["result"]["bytes"]
    (render,) = stack.sql("SELECT id, url, state FROM renders WHERE job_id = %s", job["id"])
    assert httpx.get(render["url"], trust_env=False).content == video.content
    with av.open(io.BytesIO(video.content)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert (stream.codec_context.width, stream.codec_context.height) == (1080, 1920)
        assert sum(1 for _ in container.decode(stream)) >= 12
    assert (job["result"]["width"], job["result"]["height"]) == (1080, 1920)

    part = customer.http.get(job["links"]["result"], headers={"Range": "bytes=100-299"})
    assert part.status_code == 206
    assert part.content == video.content[100:300]
    assert part.headers["content-range"] == f"bytes 100-299/{len(video.content)}"

    # The webhook: the signature by the reference library, and the job as GET shows it.
    (hook,) = eventually(lambda: receiver.hooks(job["id"]))
    verified = Webhook(customer.webhook_secret).verify(hook.body, dict(hook.headers))
    assert verified["type"] == "job.succeeded"
    assert verified["data"]["job"] == job
    assert verified["data"]["seq"] == len(customer.events(job["id"]))
    delivered = "SELECT event_id, state, attempts FROM messages WHERE job_id = %s"
    message = eventually(lambda: [row for row in stack.sql(delivered, job["id"]) if row["state"] == "delivered"])
    assert message == [{"event_id": hook.id, "state": "delivered", "attempts": 1}]

    # The ledger: one of everything, each with who we are, no token where it does not belong.
    seen = twin.seen(marker, "sessions", "uploads", "renders", "charges")
    assert [len(seen[kind]) for kind in ("sessions", "turns", "renders", "charges")] == [1, 1, 1, 1]
    assert seen["charges"][0]["outcome"] == "charged"
    assert sorted(one["sha256"] for one in seen["uploads"]) == sorted(
        hashlib.sha256(content).hexdigest() for _, content, _ in pictures
    )
    assert seen["renders"][0]["render_id"] == render["id"]
    assert seen["renders"][0]["draft_verbatim"]
    requests = twin.requests(customer.fingerprint)
    assert {line["endpoint"] for line in requests} >= {"create_session", "upload", "run_sse", "state", "render_submit"}
    assert [line["path"] for line in requests if not line["attributed"]] == []
    strays = twin.ledger("bearers_at_cdn", "tokens_in_urls")
    assert strays == {"bearers_at_cdn": [], "tokens_in_urls": []}

    # The bill and the receipt.
    assert job["billing"]["spent"] == seen["charges"][0]["amount"]
    assert [receipt["verdict"] for receipt in job["receipts"]] == ["changed"]
    assert job["receipts"][0]["recovered"] is False


class _OnePicture:
    """Serves one picture and notes who asked for it."""

    def __init__(self, content: bytes) -> None:
        asked = self.asked_by = []  # type: list[str]

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.headers.get("user-agent", ""))
                self.send_response(200)
                self.send_header("content-type", "image/png")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/holiday.png"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def source(photo: File) -> Iterator[_OnePicture]:
    made = _OnePicture(photo[1])
    yield made
    made.close()


def test_a_url_is_fetched_by_us_before_the_job_is_taken(
    customer: Customer, twin: Twin, source: _OnePicture, photo: File, marker: str
) -> None:
    job = customer.submit(instruction=animate(marker), inputs=[{"url": source.url}])
    assert len(source.asked_by) == 1
    assert job["inputs"][0]["asset"] is not None
    customer.succeeded(job["id"])
    (upload,) = twin.seen(marker, "uploads")["uploads"]
    assert (upload["mode"], upload["sha256"]) == ("multipart", hashlib.sha256(photo[1]).hexdigest())
    assert len(source.asked_by) == 1


def test_a_picture_of_another_format_is_repaired_and_the_job_says_so(
    customer: Customer, twin: Twin, marker: str
) -> None:
    heic = saved(corners(640, 480), "heic")
    with twin.settings(instant=True):
        answer = customer.post(instruction=animate(marker), files=[("IMG_0042.HEIC", heic, "image/heic")])
        job = customer.succeeded(answer.json()["id"])
    assert job["inputs"][0]["repairs"] == [
        {"kind": "converted", "from": "heic", "to": "jpg"},
        {"kind": "renamed", "from": "IMG_0042.HEIC", "to": "IMG_0042.jpg"},
    ]
    asset = customer.http.get(f"/v1/assets/{job['inputs'][0]['asset']}").json()
    (upload,) = twin.seen(marker, "uploads")["uploads"]
    assert upload["sha256"] == asset["sha256"] != asset["source_sha256"] == hashlib.sha256(heic).hexdigest()
    assert upload["filename"].endswith(".jpg")


def test_a_url_can_be_left_to_the_upstream(
    customer: Customer, twin: Twin, source: _OnePicture, photo: File, marker: str
) -> None:
    with twin.settings(instant=True):
        job = customer.submit(instruction=animate(marker), inputs=[{"url": source.url, "fetch": "upstream"}])
        assert job["inputs"] == [{"asset": None, "url": source.url, "uploaded": False, "repairs": []}]
        job = customer.succeeded(job["id"])
    assert job["inputs"][0]["uploaded"] is True
    (upload,) = twin.seen(marker, "uploads")["uploads"]
    assert (upload["mode"], upload["sha256"]) == ("url", hashlib.sha256(photo[1]).hexdigest())


def test_a_kept_asset_makes_two_videos_and_an_endpoint_hears_every_event_of_both(
    customer: Customer, twin: Twin, receiver: WebhookReceiver, photo: File, marker: str, eventually: Eventually
) -> None:
    endpoint = customer.http.post("/v1/webhook-endpoints", json={"url": receiver.url, "event_types": ["job.*"]}).json()
    customer.stack.canaries.add(endpoint["secret"].removeprefix("whsec_"))
    (asset,) = customer.http.post("/v1/assets", files=[("files", photo)]).json()["data"]
    with twin.settings(instant=True):
        sent = [customer.submit(instruction=animate(f"{marker}-{n}"), inputs=[asset["id"]])["id"] for n in (1, 2)]
        for job_id in sent:
            customer.succeeded(job_id)
    for job_id in sent:
        told = {event["seq"]: event["type"] for event in customer.events(job_id)}
        eventually(lambda job_id=job_id, told=told: len(receiver.hooks(job_id)) >= len(told), 20)
        verifier = Webhook(endpoint["secret"])
        heard = {hook.seq: verifier.verify(hook.body, dict(hook.headers))["type"] for hook in receiver.hooks(job_id)}
        assert heard == told
    assert len({hook.id for hook in receiver.hooks()}) == len(receiver.hooks())
    assert [upload["sha256"] for upload in twin.seen(marker, "uploads")["uploads"]] == [asset["sha256"]] * 2


def test_two_instructions_run_in_order_in_one_session(customer: Customer, twin: Twin, photo: File, marker: str) -> None:
    words = [animate(f"{marker}-1"), f'add upbeat music and the title "{marker}-2"']
    job = customer.succeeded(customer.submit(instructions=words, files=[photo])["id"])
    seen = twin.seen(marker, "sessions", "renders", "charges")
    assert [turn["message"] for turn in seen["turns"]] == words
    assert [len(seen[kind]) for kind in ("sessions", "renders", "charges")] == [1, 1, 2]
    assert [(one["instruction"], one["verdict"]) for one in job["receipts"]] == [(1, "changed"), (2, "changed")]
    assert job["billing"]["spent"] == sum(charge["amount"] for charge in seen["charges"])
    kinds = [event["type"] for event in customer.events(job["id"])]
    assert kinds.count("job.instructing") == 2


def test_an_edit_without_a_word_is_settled_by_what_it_did(
    customer: Customer, twin: Twin, photo: File, marker: str
) -> None:
    words = [animate(marker), f'add jazz music and the title "{marker}-2"']
    with twin.settings(silent_rate=1.0):
        job = customer.succeeded(customer.submit(instructions=words, files=[photo], output=None)["id"])
    turns = twin.turns(marker)
    assert [turn["silent"] for turn in turns] == [False, True]
    assert job["receipts"][1]["texts"] == []
    assert job["receipts"][1]["verdict"] == "changed"
    assert job["receipts"][1]["timeline"] is not None
    assert job["result"] is None


def test_a_client_may_wait_for_the_end_instead_of_polling(customer: Customer, twin: Twin, marker: str) -> None:
    with twin.settings(instant=True):
        answer = customer.post(instruction=create(marker), headers={"Prefer": "wait=25"})
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=25"
    assert answer.json()["status"] == "succeeded"
    assert len(twin.turns(marker)) == 1


def test_a_client_follows_a_job_by_its_event_stream_and_comes_back_where_it_left(
    customer: Customer, marker: str
) -> None:
    job = customer.submit(instruction=create(marker))
    heard = list(_stream(customer, job["id"]))
    durable = [(int(event["id"]), event["event"]) for event in heard if "id" in event]
    progress = [json.loads(event["data"])["progress"] for event in heard if event.get("event") == "progress"]
    assert durable == [(event["seq"], event["type"]) for event in customer.events(job["id"])]
    assert durable[-1][1] == "job.succeeded"
    assert progress == sorted(progress)
    assert len(set(progress)) > 2

    again = [int(event["id"]) for event in _stream(customer, job["id"], last_event_id=2) if "id" in event]
    assert again == list(range(3, len(durable) + 1))
    over = _open_stream(customer, job["id"], last_event_id=len(durable))
    assert over.status_code == 204


def _open_stream(customer: Customer, job_id: str, *, last_event_id: int) -> httpx.Response:
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(last_event_id)}
    return customer.http.get(f"/v1/jobs/{job_id}/events", headers=headers)


def _stream(customer: Customer, job_id: str, *, last_event_id: int = 0) -> Iterator[dict[str, str]]:
    """The events of a stream until it ends, each as its fields."""
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(last_event_id)}
    with customer.http.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as answer:
        assert answer.status_code == 200
        event: dict[str, str] = {}
        for line in answer.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                event[name] = value
            elif event:
                yield event
                event = {}


def test_what_is_refused_leaves_nothing_behind(
    stack: LiveStack,
    customer: Customer,
    customers: Customers,
    twin: Twin,
    photo: File,
    marker: str,
    eventually: Eventually,
) -> None:
    other = customers.make()
    with twin.settings(instant=True):
        theirs = other.submit(instruction=create(new_marker()))
    nobody = httpx.Client(base_url=stack.base_url, trust_env=False)
    words = {"instruction": animate(marker)}
    clip = b"\0\0\0\x18ftypmp42" + bytes(20_000_001)
    heic = photograph("heic").replace(b"hvc1", b"zzz1")
    refused = [
        (nobody.post("/v1/jobs", json=words), 401, "authentication_required"),
        (customer.post(**words, colour="red"), 422, "validation_failed"),
        (customer.post(**words, files=[("notes.txt", b"hello", "text/plain")]), 415, "file_type_not_allowed"),
        (customer.post(**words, files=[("photo.jpg", photo[1][:-9], "image/jpeg")]), 422, "file_content_mismatch"),
        (customer.post(**words, files=[("photo.heic", heic, "image/heic")]), 422, "image_unreadable"),
        (customer.post(**words, inputs=["http://10.0.0.1/photo.png"]), 422, "destination_not_allowed"),
        (customer.post(**words, webhook_url="http://169.254.169.254/"), 422, "destination_not_allowed"),
        (customer.post(**words, inputs=["http://127.0.0.1:9/photo.png"]), 422, "source_unreachable"),
        (customer.post(**words, files=[("clip.mp4", clip, "video/mp4")]), 413, "file_too_large"),
        (customer.http.get(f"/v1/jobs/{theirs['id']}"), 404, "not_found"),
        (customer.http.post(f"/v1/jobs/{theirs['id']}/cancel"), 404, "not_found"),
    ]
    nobody.close()
    got = [(answer.status_code, answer.json().get("code")) for answer, _, _ in refused]
    assert got == [(status, code) for _, status, code in refused]
    assert {answer.headers["content-type"] for answer, _, _ in refused} == {"application/problem+json"}
    assert stack.sql("SELECT id FROM jobs WHERE tenant_id = %s", customer.id) == []
    assert _files(stack, customer.id) == set()
    assert twin.turns(marker) == []
    other.succeeded(theirs["id"])
    eventually(lambda: not list((stack.data / "files" / "tmp").glob("*")))


def _files(stack: LiveStack, tenant: str) -> set[Path]:
    """What is kept of a tenant."""
    return {path for path in (stack.data / "files" / "t" / tenant).rglob("*") if path.is_file()}
