"""A job is canceled before anything was paid, and in the middle of what is being paid."""

from __future__ import annotations

from standardwebhooks import Webhook

from fakes.live_customer import Customer, Customers, create
from fakes.live_stack import LiveStack
from fakes.live_twin import Twin
from fakes.receivers import WebhookReceiver
from fixtures.eventually import Eventually


def test_a_queued_job_is_canceled_at_once_and_never_called_the_upstream(
    stack: LiveStack,
    twin: Twin,
    customers: Customers,
    receiver: WebhookReceiver,
    marker: str,
    eventually: Eventually,
) -> None:
    customer = customers.make(max_running=0)
    job = customer.submit(instruction=create(marker), webhook_url=receiver.url)
    answer = customer.http.post(job["links"]["cancel"])
    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert customer.finished(job["id"])["billing"]["spent"] == 0
    again = customer.http.post(job["links"]["cancel"])
    assert (again.status_code, again.json()) == (200, answer.json())
    assert [event["type"] for event in customer.events(job["id"])] == ["job.queued", "job.canceled"]
    _check_hook(customer, receiver, job["id"], eventually)
    assert twin.requests(customer.fingerprint) == []


def test_a_live_turn_is_canceled_and_told_as_it_is(
    stack: LiveStack,
    twin: Twin,
    customer: Customer,
    receiver: WebhookReceiver,
    marker: str,
    eventually: Eventually,
) -> None:
    with twin.settings(generation_seconds=(6_000, 6_000)):
        job = customer.submit(instruction=create(marker), webhook_url=receiver.url)
        customer.until_streaming(job["id"], marker)
    answer = customer.http.post(job["links"]["cancel"])
    assert answer.status_code == 202
    assert answer.json()["cancel_requested_at"] is not None
    job = customer.finished(job["id"])
    assert job["status"] == "canceled"
    # Nobody knows yet what the turn will cost: it runs on upstream.
    assert job["billing"]["at_risk"] == 100
    eventually(lambda: [turn["disconnected"] for turn in twin.turns(marker)] == [True])
    _check_hook(customer, receiver, job["id"], eventually)
    twin.finish_turns(marker)
    assert len(twin.requests(customer.fingerprint, "run_sse")) == 1
    late = customer.http.post(f"/v1/jobs/{job['id']}/cancel")
    assert (late.status_code, late.json()["status"]) == (200, "canceled")


def test_what_a_canceled_turn_still_makes_is_kept_and_can_be_exported(
    twin: Twin, customer: Customer, receiver: WebhookReceiver, marker: str, eventually: Eventually
) -> None:
    with twin.settings(generation_seconds=(6_000, 6_000)):
        job = customer.submit(instruction=create(marker), webhook_url=receiver.url)
        customer.until_streaming(job["id"], marker)
    customer.http.post(job["links"]["cancel"])
    customer.finished(job["id"])
    twin.finish_turns(marker)
    recovered = eventually(lambda: customer.job(job["id"])["recovered"])
    late = customer.finished(job["id"])
    assert (late["status"], late["billing"]["spent"], late["billing"]["at_risk"]) == ("canceled", 100, 0)
    assert customer.events(job["id"])[-1]["type"] == "job.recovered"
    eventually(lambda: [hook.type for hook in receiver.hooks(job["id"])] == ["job.canceled", "job.recovered"])
    with twin.settings(instant=True):
        wish = {"version": recovered["version"]}
        export = customer.http.post(f"/v1/projects/{late['project']}/exports", json=wish).json()
        done = customer.succeeded(export["id"])
    assert done["billing"]["spent"] == 0
    assert customer.http.get(f"/v1/jobs/{export['id']}/result").content[4:8] == b"ftyp"
    assert len(twin.turns(marker)) == 1


def test_a_job_that_is_over_cannot_be_canceled(twin: Twin, customer: Customer, marker: str) -> None:
    with twin.settings(instant=True):
        job = customer.succeeded(customer.submit(instruction=create(marker))["id"])
    answer = customer.http.post(f"/v1/jobs/{job['id']}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "state_conflict")
    assert customer.job(job["id"]) == job


def _check_hook(customer: Customer, receiver: WebhookReceiver, job_id: str, eventually: Eventually) -> None:
    (hook,) = eventually(lambda: receiver.hooks(job_id))
    Webhook(customer.webhook_secret).verify(hook.body, dict(hook.headers))
    assert hook.type == "job.canceled"
    assert hook.job == customer.job(job_id)
