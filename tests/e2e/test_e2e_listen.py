"""`reelqueue listen` and `trigger` on the running service."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from fakes.command_line import run_command as run
from fakes.listening import Listening
from fakes.live_customer import Customer, create
from fakes.live_stack import LiveStack, plain_environment
from fakes.live_twin import Twin
from fakes.receivers import WebhookReceiver
from fixtures.eventually import Eventually

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def environment(customer: Customer, stack: LiveStack, tmp_path: Path) -> dict[str, str]:
    ours = {"REELQUEUE_URL": stack.base_url, "REELQUEUE_API_KEY": customer.key, "XDG_CONFIG_HOME": str(tmp_path)}
    return {**plain_environment(), **ours}


@pytest.fixture
def listening(environment: dict[str, str], receiver: WebhookReceiver, eventually: Eventually) -> Iterator[Listening]:
    one = Listening(["--forward-to", receiver.url], environment, terminal=False)
    eventually(lambda: one.rows, 30)
    yield one
    one.close()


def feed_of(customer: Customer) -> list[dict[str, Any]]:
    answer = customer.http.get("/v1/events", params={"limit": 100})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


def test_what_is_forwarded_is_the_feed_whole_and_in_order_over_a_restart_of_the_gateway(
    customer: Customer,
    stack: LiveStack,
    twin: Twin,
    marker: str,
    listening: Listening,
    receiver: WebhookReceiver,
    tmp_path: Path,
    eventually: Eventually,
) -> None:
    with twin.settings(instant=True):
        first = customer.succeeded(customer.submit(instruction=create(f"{marker}-1"))["id"])
        eventually(lambda: [hook for hook in receiver.hooks(first["id"]) if hook.type == "job.succeeded"], 30)
        stack.wait_revived("gateway", stack.signal("gateway", signal.SIGKILL))
        stack.wait_ready()
        second = customer.succeeded(customer.submit(instruction=create(f"{marker}-2"))["id"])
        eventually(lambda: [hook for hook in receiver.hooks(second["id"]) if hook.type == "job.succeeded"], 60)

    feed, hooks = feed_of(customer), receiver.hooks()
    secret = (tmp_path / "reelqueue" / "webhook_secret").read_text().strip()
    assert [hook.id for hook in hooks] == [event["id"] for event in feed]
    assert [event["seq"] for event in feed] == list(range(1, len(feed) + 1))
    for number, (hook, event) in enumerate(zip(hooks, feed, strict=True), start=1):
        body = Webhook(secret).verify(hook.body, dict(hook.headers))
        data = {**event["data"], "delivery_seq": number}
        assert body == {"type": event["type"], "timestamp": event["timestamp"], "data": data}
    assert hooks[-1].job == second
    assert listening.end() == 0
    assert listening.rows[-1] == {"sent": len(feed), "failed": 0, "next": len(feed) + 1}
    assert "Traceback" not in listening.text


def test_what_is_forwarded_has_the_very_bytes_of_what_an_endpoint_gets(
    customer: Customer,
    marker: str,
    listening: Listening,
    receiver: WebhookReceiver,
    receivers: Any,
    eventually: Eventually,
) -> None:
    endpoint = receivers()
    made = customer.http.post("/v1/webhook-endpoints", json={"url": endpoint.url, "event_types": ["*"]})
    assert made.status_code == 201, made.text
    job = customer.succeeded(customer.submit(instruction=create(marker))["id"])

    def arrived(at: WebhookReceiver) -> dict[str, bytes]:
        found = {hook.id: hook.body for hook in at.hooks()}
        assert any(json.loads(body)["type"] == "job.succeeded" for body in found.values())
        return found

    theirs = eventually(lambda: arrived(endpoint), 30)
    ours = eventually(lambda: arrived(receiver), 30)
    assert {json.loads(body)["data"]["job"]["id"] for body in ours.values()} == {job["id"]}
    assert ours == theirs


def test_a_sample_is_sent_to_an_endpoint_by_the_service_and_is_not_in_the_feed(
    customer: Customer, environment: dict[str, str], receiver: WebhookReceiver, eventually: Eventually
) -> None:
    made = customer.http.post("/v1/webhook-endpoints", json={"url": receiver.url})
    assert made.status_code == 201, made.text
    done = run(["trigger", "job.failed", "--endpoint", made.json()["id"]], environment)
    assert done.returncode == 0, done.stderr
    [hook] = eventually(receiver.hooks, 30)
    assert Webhook(made.json()["secret"]).verify(hook.body, dict(hook.headers))["type"] == "job.failed"
    assert json.loads(done.stdout)["event"] == hook.id
    assert feed_of(customer) == []

    unknown = run(["trigger", "job.failed", "--endpoint", f"whe_{'0' * 26}"], environment)
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("reelqueue: not_found: ")
