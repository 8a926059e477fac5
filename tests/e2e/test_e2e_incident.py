"""One bad half minute: two receivers are down, a live turn runs, and then every process of ours is killed at once.

The incident happens once, since a lease takes thirty seconds to run out; each test looks at one part of it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from fakes.live_customer import Customer, Customers, File, animate, create, new_marker
from fakes.live_stack import LiveStack
from fakes.receivers import Hook, Reply, WebhookReceiver
from fixtures.eventually import wait_until

pytestmark = pytest.mark.timeout(300)

OURS = ("worker-stream", "worker-step", "worker-webhook", "dispatcher", "gateway")
TRIES = """
SELECT a.*, m.event_id FROM webhook_attempts a JOIN messages m ON m.id = a.message_id
WHERE m.job_id = %s ORDER BY attempt
"""
SLOTS_S = (5.0, 300.0, 1_800.0)
"""The waits before the second, third and fourth try, at speed 1."""


@dataclass(frozen=True, kw_only=True)
class Incident:
    """What was going on, who was killed, and what became of it. Jobs are as they ended."""

    customer: Customer
    marker: str
    killed: dict[str, int]
    revived: dict[str, int]
    jobs: dict[str, dict[str, Any]]
    hooks: dict[str, list[Hook]]
    replayed: httpx.Response
    first_answer: dict[str, Any]


@pytest.fixture(scope="module")
def incident(stack: LiveStack, customers: Customers, photo: File) -> Iterator[Incident]:
    customer, marker, twin = customers.make(), new_marker(), stack.twin
    held = threading.Event()
    receivers = {
        "refused": WebhookReceiver(listening=False),
        "erring": WebhookReceiver(Reply(status=500), Reply(cut=True), Reply(status=503)),
        "delivering": WebhookReceiver(Reply(until=held)),
    }
    sent: dict[str, str] = {}

    def send(name: str, **how: Any) -> dict[str, Any]:
        url = {"webhook_url": receivers[name].url} if name in receivers else {}
        job = customer.submit(**{"instruction": create(f"{marker}-{name}"), **url, **how})
        sent[name] = job["id"]
        return job

    try:
        # Three tries have failed at two receivers, and a third is about to answer.
        with twin.settings(instant=True):
            for name in receivers:
                send(name)
            for name in ("refused", "erring"):
                wait_until(lambda name=name: len(stack.sql(TRIES, sent[name])) == 3, 40, interval=0.1)
            receivers["refused"].listen()
            wait_until(receivers["delivering"].hooks, 20)
        # A worker waits for an answer to its upload, another listens to a turn of which it has heard the beginning.
        with twin.fault("upload", "hang") as hang, twin.settings(generation_seconds=(1_500, 1_500)):
            send("uploading", files=[photo], instruction=animate(f"{marker}-uploading"))
            wait_until(lambda: twin.struck(hang), 20, interval=0.05)
            send("streaming")
            customer.until_streaming(sent["streaming"], f"{marker}-streaming")
            killed = {role: stack.pid_of(role) for role in OURS}
            first_answer = send("accepted", headers={"Idempotency-Key": marker})
            for role in OURS:
                stack.signal(role, signal.SIGKILL)
        held.set()
        revived = {role: stack.wait_revived(role, pid) for role, pid in killed.items()}
        stack.wait_ready()
        replayed = customer.post(instruction=create(f"{marker}-accepted"), headers={"Idempotency-Key": marker})
        send("afterwards")
        jobs = {name: customer.finished(job_id, timeout=90) for name, job_id in sent.items()}
        ids = list(sent.values())
        untold = "SELECT 1 FROM feed_events WHERE job_id = ANY (%s) AND seq IS NULL"
        unsent = "SELECT 1 FROM messages WHERE job_id = ANY (%s) AND state = 'pending'"
        wait_until(lambda: not stack.sql(untold, ids) and not stack.sql(unsent, ids), 60, interval=0.2)
        yield Incident(
            customer=customer,
            marker=marker,
            killed=killed,
            revived=revived,
            jobs=jobs,
            hooks={name: receiver.hooks(sent[name]) for name, receiver in receivers.items()},
            replayed=replayed,
            first_answer=first_answer,
        )
    finally:
        held.set()
        for receiver in receivers.values():
            receiver.close()


def test_every_killed_process_is_started_again(incident: Incident) -> None:
    assert set(incident.revived) == set(OURS)
    assert {role for role in OURS if incident.revived[role] == incident.killed[role]} == set()


def test_every_job_ends_well(incident: Incident) -> None:
    assert {name: job["error"] for name, job in incident.jobs.items() if job["status"] != "succeeded"} == {}


def test_a_turn_whose_worker_was_killed_is_recovered_and_not_sent_again(stack: LiveStack, incident: Incident) -> None:
    seen = stack.twin.seen(f"{incident.marker}-streaming", "charges")
    assert [(turn["outcome"], turn["disconnected"]) for turn in seen["turns"]] == [("completed", True)]
    assert [charge["outcome"] for charge in seen["charges"]] == ["charged"]
    job = incident.jobs["streaming"]
    assert [(one["verdict"], one["recovered"]) for one in job["receipts"]] == [("changed", True)]
    (row,) = stack.sql("SELECT lease_epoch FROM jobs WHERE id = %s", job["id"])
    (turn,) = stack.sql("SELECT epoch, state FROM turns WHERE job_id = %s", job["id"])
    assert turn["state"] == "finished"
    assert turn["epoch"] < row["lease_epoch"]


def test_no_instruction_left_twice(stack: LiveStack, incident: Incident) -> None:
    sent = [turn["message"] for turn in stack.twin.turns(incident.marker)]
    assert len(sent) == len(set(sent)) == len(incident.jobs)
    assert len(stack.twin.requests(incident.customer.fingerprint, "run_sse")) == len(incident.jobs)


def test_an_upload_whose_worker_was_killed_is_made_once(stack: LiveStack, incident: Incident) -> None:
    seen = stack.twin.seen(f"{incident.marker}-uploading", "uploads", "renders")
    assert [len(seen[kind]) for kind in ("uploads", "renders")] == [1, 1]


def test_a_delivery_whose_worker_was_killed_is_made_again_under_the_same_id(incident: Incident) -> None:
    hooks = incident.hooks["delivering"]
    assert len(hooks) == 2
    assert len({hook.id for hook in hooks}) == 1
    assert hooks[0].body == hooks[1].body
    assert hooks[1].timestamp > hooks[0].timestamp


@pytest.mark.parametrize(
    ("name", "failures"),
    [
        ("refused", [(None, "connect")] * 3),
        ("erring", [(500, "status"), (None, "wait"), (503, "status")]),
    ],
)
def test_a_receiver_that_was_down_for_three_tries_gets_the_fourth(
    stack: LiveStack, incident: Incident, name: str, failures: list[tuple[int | None, str]]
) -> None:
    tries = stack.sql(TRIES, incident.jobs[name]["id"])
    assert [(one["status"], one["error_class"]) for one in tries] == [*failures, (204, None)]
    for slot, (earlier, later) in zip(SLOTS_S, pairwise(tries), strict=True):
        assert (later["started_at"] - earlier["started_at"]).total_seconds() >= 0.8 * slot / stack.speed
    hooks = incident.hooks[name]
    assert len(hooks) == (1 if name == "refused" else 4)
    assert {hook.id for hook in hooks} == {tries[0]["event_id"]}
    assert len({hook.body for hook in hooks}) == 1
    assert [hook.timestamp for hook in hooks] == sorted(hook.timestamp for hook in hooks)
    assert hooks[-1].timestamp > incident_start(tries)
    for hook in hooks:
        Webhook(incident.customer.webhook_secret).verify(hook.body, dict(hook.headers))
    assert hooks[-1].job == incident.jobs[name]


def incident_start(tries: list[dict[str, Any]]) -> float:
    """When the first try was made, in epoch seconds."""
    return float(tries[0]["started_at"].timestamp())


def test_a_202_outlives_the_gateway_that_gave_it_and_its_key_too(incident: Incident) -> None:
    assert incident.first_answer["status"] == "queued"
    assert incident.replayed.status_code == 202
    assert incident.replayed.headers["idempotent-replayed"] == "true"
    assert incident.replayed.json()["id"] == incident.first_answer["id"]
    reused = incident.customer.post(instruction="another thing", headers={"Idempotency-Key": incident.marker})
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
