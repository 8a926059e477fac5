"""An endpoint's life: a sample, headers of its own, both schemes, a secret replaced, off and on again."""

from __future__ import annotations

import base64
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook

from fakes.live_customer import Customer
from fakes.receivers import Hook, WebhookReceiver
from fixtures.eventually import Eventually

HEADER = "gate-canary-2b7e151628aed2a6"


def sample(customer: Customer, endpoint: dict[str, Any], kind: str) -> dict[str, Any]:
    answer = customer.http.post(endpoint["links"]["self"] + "/test", json={"type": kind})
    assert answer.status_code == 202, answer.text
    sent: dict[str, Any] = answer.json()
    return sent


def arrived(receiver: WebhookReceiver, sent: dict[str, Any], eventually: Eventually) -> Hook:
    [hook] = eventually(lambda: [hook for hook in receiver.hooks() if hook.id == sent["event"]])
    return hook


def verify_v1a(public_key: str, hook: Hook) -> None:
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    [signature] = [
        one.removeprefix("v1a,") for one in hook.headers["webhook-signature"].split(" ") if one.startswith("v1a,")
    ]
    key.verify(base64.b64decode(signature), f"{hook.id}.{hook.timestamp}.".encode() + hook.body)


def test_an_endpoint_from_its_first_sample_to_its_second_secret(
    customer: Customer, receiver: WebhookReceiver, eventually: Eventually
) -> None:
    wanted = {"url": receiver.url, "headers": {"X-Gate": HEADER}, "signing": ["v1", "v1a"]}
    endpoint = customer.http.post("/v1/webhook-endpoints", json=wanted).json()
    customer.stack.canaries |= {HEADER, endpoint["secret"].removeprefix("whsec_")}

    hook = arrived(receiver, sample(customer, endpoint, "job.succeeded"), eventually)
    assert (hook.type, hook.headers["x-gate"]) == ("job.succeeded", HEADER)
    assert hook.document["data"]["delivery_seq"] == 1
    Webhook(endpoint["secret"]).verify(hook.body, dict(hook.headers))
    verify_v1a(endpoint["public_key"], hook)

    answer = customer.http.post(endpoint["links"]["self"] + "/rotate-secret").json()
    customer.stack.canaries.add(answer["secret"].removeprefix("whsec_"))
    changes = {"headers": {}, "signing": ["v1"]}
    assert customer.http.patch(endpoint["links"]["self"], json=changes).status_code == 200
    hook = arrived(receiver, sample(customer, endpoint, "upstream.degraded"), eventually)
    assert "x-gate" not in hook.headers
    for secret in (endpoint["secret"], answer["secret"]):
        Webhook(secret).verify(hook.body, dict(hook.headers))
    assert "v1a," not in hook.headers["webhook-signature"]

    assert customer.http.patch(endpoint["links"]["self"], json={"state": "disabled"}).json()["state"] == "disabled"
    refused = customer.http.post(endpoint["links"]["self"] + "/test", json={"type": "job.failed"})
    assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_not_listening")
    assert customer.http.patch(endpoint["links"]["self"], json={"state": "enabled"}).json()["state"] == "enabled"
    hook = arrived(receiver, sample(customer, endpoint, "job.failed"), eventually)
    assert hook.document["data"]["delivery_seq"] == 3
