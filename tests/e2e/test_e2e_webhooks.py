"""What a consumer may build on: nothing is missed, who is gone gets nothing more, a dead receiver hurts itself."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
from standardwebhooks import Webhook

from fakes.live_customer import Customer, Customers, create
from fakes.live_stack import LiveStack
from fakes.live_twin import Twin
from fakes.receivers import Hook, Reply, WebhookReceiver
from fixtures.eventually import Eventually
from reelqueue.domain.outgoing import BATCH

Receivers = Callable[..., WebhookReceiver]

FEED = "SELECT id, seq, type, job_id, job_seq FROM feed_events WHERE tenant_id = %s ORDER BY seq"
PENDING = "SELECT id FROM messages WHERE tenant_id = %s AND state = 'pending'"
UNNUMBERED = "SELECT id FROM feed_events WHERE tenant_id = %s AND seq IS NULL"
DEAD_ENDPOINTS = 3


def subscribe(customer: Customer, receiver: WebhookReceiver) -> dict[str, Any]:
    """An endpoint that gets everything."""
    answer = customer.http.post("/v1/webhook-endpoints", json={"url": receiver.url, "event_types": ["*"]})
    assert answer.status_code == 201, answer.text
    endpoint: dict[str, Any] = answer.json()
    customer.stack.canaries.add(endpoint["secret"].removeprefix("whsec_"))
    return endpoint


def run_jobs(customer: Customer, marker: str, count: int) -> list[str]:
    """Jobs, to their end. Whichever it is, there is something to tell."""
    jobs = [customer.submit(instruction=create(f"{marker}-{number}"))["id"] for number in range(count)]
    for job_id in jobs:
        customer.finished(job_id, timeout=120)
    return jobs


def all_sent(customer: Customer) -> bool:
    """Nothing that was told waits for anybody."""
    return not any(customer.stack.sql(statement, customer.id) for statement in (UNNUMBERED, PENDING))


def first_tries(hooks: list[Hook]) -> list[Hook]:
    """The first POST of each event, in the order in which they came."""
    found: dict[str, Hook] = {}
    for hook in hooks:
        found.setdefault(hook.id, hook)
    return list(found.values())


@pytest.mark.timeout(240)
def test_a_worker_killed_in_the_middle_of_a_delivery_loses_nothing(
    stack: LiveStack, twin: Twin, customer: Customer, receivers: Receivers, marker: str, eventually: Eventually
) -> None:
    held = threading.Event()
    receiver = receivers(*[Reply()] * 3, Reply(until=held))
    endpoint = subscribe(customer, receiver)
    with twin.settings(instant=True):
        jobs = run_jobs(customer, marker, 3)
    eventually(lambda: len(receiver.hooks()) > 3, 30)
    pid = stack.signal("worker-webhook", signal.SIGKILL)
    held.set()
    stack.wait_revived("worker-webhook", pid)
    # Until the dead worker's lease has run out, its lane is nobody's.
    eventually(lambda: all_sent(customer), 120, interval=0.2)

    feed, hooks = stack.sql(FEED, customer.id), receiver.hooks()
    first = first_tries(hooks)
    assert [event["seq"] for event in feed] == list(range(1, len(feed) + 1))
    assert {hook.id for hook in first} == {event["id"] for event in feed}
    assert {event["job_id"] for event in feed} == set(jobs)
    assert 1 <= len(hooks) - len(first) <= BATCH
    for hook in hooks:
        Webhook(endpoint["secret"]).verify(hook.body, dict(hook.headers))
    # A repeat is the same event with the same body, whoever makes it.
    assert len({(hook.id, hook.body) for hook in hooks}) == len(first)
    # The order in which events of a job were first tried, and the endpoint's own numbers.
    for job_id in jobs:
        seqs = [hook.seq for hook in first if hook.job["id"] == job_id]
        assert seqs == list(range(1, len(seqs) + 1))
    numbers = [hook.document["data"]["delivery_seq"] for hook in first]
    assert sorted(numbers) == list(range(1, len(feed) + 1))


def test_a_receiver_that_is_gone_gets_nothing_more(
    twin: Twin, customer: Customer, receivers: Receivers, marker: str, eventually: Eventually
) -> None:
    gone, other = receivers(*[Reply(status=410)] * 100), receivers()
    disabled = subscribe(customer, gone)["id"]
    subscribe(customer, other)
    with twin.settings(instant=True):
        run_jobs(customer, marker, 1)
        eventually(lambda: all_sent(customer), 60, interval=0.1)
        shown = customer.http.get(f"/v1/webhook-endpoints/{disabled}").json()
        assert (shown["state"], shown["disabled_reason"]) == ("disabled", "status 410")
        run_jobs(customer, f"{marker}-later", 1)
    eventually(lambda: all_sent(customer), 60, interval=0.1)
    assert len(gone.hooks()) == 1
    # The tenant's other endpoint has everything, and hears of it once.
    feed = customer.stack.sql(FEED, customer.id)
    assert sorted(hook.id for hook in other.hooks()) == sorted(event["id"] for event in feed)
    (told,) = [hook.document for hook in other.hooks() if hook.type == "endpoint.disabled"]
    assert told["data"]["endpoint"] == disabled


def test_dead_receivers_do_not_keep_a_healthy_one_waiting(
    stack: LiveStack, twin: Twin, customers: Customers, receivers: Receivers, marker: str, eventually: Eventually
) -> None:
    never = threading.Event()
    unlucky, healthy = customers.make(), customers.make()
    dead = [receivers(*[Reply(until=never)] * 100) for _ in range(DEAD_ENDPOINTS)]
    receiver = receivers()
    for one in dead:
        subscribe(unlucky, one)
    subscribe(healthy, receiver)
    with twin.settings(instant=True):
        unlucky.submit(instruction=create(f"{marker}-unlucky"))
        for one in dead:
            eventually(one.hooks, 30)
        job = healthy.submit(instruction=create(f"{marker}-healthy"))["id"]
        eventually(lambda: receiver.hooks(job), 60)
        unanswered = [len(one.hooks()) for one in dead]
        healthy.finished(job, timeout=120)
    eventually(lambda: all_sent(healthy), 60, interval=0.1)
    # The first of them came while each of the dead ones still held its first.
    assert unanswered == [1] * DEAD_ENDPOINTS
    feed = stack.sql(FEED, healthy.id)
    assert [hook.id for hook in receiver.hooks()] == [event["id"] for event in feed]
    assert not stack.sql("SELECT id FROM messages WHERE tenant_id = %s AND state = 'delivered'", unlucky.id)
    never.set()
