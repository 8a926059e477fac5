"""No secret is ever written where it can be read later: not to a log, not to the broker."""

from __future__ import annotations

import secrets

import httpx

from fakes.live_customer import Customer, create
from fakes.live_stack import LiveStack
from fakes.live_twin import Twin
from fakes.receivers import Reply, WebhookReceiver
from fixtures.eventually import Eventually


def test_no_secret_is_in_a_log_or_in_the_broker(
    stack: LiveStack, twin: Twin, customer: Customer, marker: str, eventually: Eventually
) -> None:
    hidden = f"canary{secrets.token_hex(12)}"
    stack.canaries.add(hidden)
    wrong_key = customer.key.rpartition("_")[0] + f"_{hidden}"
    refused = httpx.get(f"{stack.base_url}/v1/jobs", headers={"Authorization": f"Bearer {wrong_key}"}, trust_env=False)
    assert refused.status_code == 401
    mistaken = customer.post(instruction=create(marker), webhook_secret=f"whsec_{hidden}")
    assert mistaken.status_code == 422
    assert hidden not in refused.text + mistaken.text

    # A turn that fails with the token in hand, a receiver that says the secret back, a URL that holds one.
    with WebhookReceiver(Reply(status=500, body=customer.webhook_secret.encode())) as receiver:
        url = f"{receiver.url}?key={hidden}"
        with twin.fault("run_sse", 1001):
            job = customer.submit(instruction=create(marker), webhook_url=url)
            assert customer.finished(job["id"])["status"] == "failed"
        eventually(lambda: len(receiver.hooks(job["id"])) == 2, 20)
        assert receiver.hooks()[0].path == f"/hook?key={hidden}"
        source = customer.post(instruction=create(marker), inputs=[f"http://127.0.0.1:9/photo.png?signature={hidden}"])
        assert source.json()["code"] == "source_unreachable"

    logs = {path.name: path.read_text(errors="replace") for path in (stack.data / "logs").glob("*.log")}
    assert set(logs) >= {"gateway.log", "worker-stream.log", "worker-step.log", "worker-webhook.log", "postgres.log"}
    assert job["id"] in logs["worker-stream.log"]
    assert job["id"] in logs["worker-webhook.log"]
    assert {customer.token, customer.webhook_secret.removeprefix("whsec_"), stack.secret_key} <= stack.canaries
    assert stack.leaks() == []

    with stack.broker() as broker:
        kept = b"".join(broker.dump(key) or b"" for key in broker.scan_iter())
    assert [canary[:6] for canary in stack.canaries if canary.encode() in kept] == []
    metrics = httpx.get(f"{stack.base_url}/metrics", trust_env=False)
    assert metrics.status_code == 200
    assert [canary[:6] for canary in stack.canaries if canary in metrics.text] == []
