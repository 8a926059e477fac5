"""All of NemoVideo is down for a while, under a stack of its own.

A breaker weighs failures against what was answered in the minute before. On the shared stack that minute holds the
sessions of a dozen other tests, and a job's tries, sped up, are over before they outweigh those.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakes.live_customer import Customer, Customers, create
from fakes.live_stack import LiveStack
from fakes.receivers import WebhookReceiver
from fixtures.eventually import Eventually


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    live = LiveStack(tmp_path_factory.mktemp("outage") / "stack", speed=150)
    try:
        live.start()
        yield live
    finally:
        live.stop()
    assert live.leaks() == []


@pytest.fixture
def tenant(own: LiveStack) -> Iterator[Customer]:
    made = Customers(own)
    yield made.make()
    made.close()


def _phases(customer: Customer) -> dict[str, str]:
    """How each phase stands, by the API."""
    answer = customer.http.get("/v1/upstream")
    assert answer.status_code == 200, answer.text
    return {one["phase"]: one["state"] for one in answer.json()["phases"]}


def _outage(customer: Customer) -> list[tuple[str, str]]:
    """What the feed tells of outages, in its order."""
    answer = customer.http.get("/v1/events", params={"limit": 100})
    assert answer.status_code == 200, answer.text
    events = [one for one in answer.json()["data"] if one["type"].startswith("upstream.")]
    return [(one["type"], one["data"]["phase"]) for one in events]


@pytest.mark.timeout(240)
def test_while_all_of_nemovideo_is_down_jobs_wait_and_afterwards_each_is_paid_once(
    own: LiveStack, tenant: Customer, receiver: WebhookReceiver, marker: str, eventually: Eventually
) -> None:
    twin = own.twin
    made = tenant.http.post(
        "/v1/webhook-endpoints",
        json={"url": receiver.url, "event_types": ["upstream.degraded", "upstream.recovered"]},
    )
    assert made.status_code == 201, made.text
    tenant.stack.canaries.add(made.json()["secret"].removeprefix("whsec_"))
    with twin.settings(instant=True):
        with twin.fault("*", 503, count=None) as outage:
            jobs = [tenant.submit(instruction=create(f"{marker}-{n}"))["id"] for n in range(6)]
            eventually(lambda: {_reason(tenant, job) for job in jobs} == {"upstream_degraded"}, 30)
            assert _phases(tenant)["session"] in ("open", "half_open")
            struck = twin.struck(outage)
            # A probe finds it down: one job's call at a time, and nobody fails by it.
            eventually(lambda: twin.struck(outage) > struck, 30)
            assert {tenant.job(job)["status"] for job in jobs} == {"queued"}
            assert twin.turns(marker) == []
            eventually(lambda: _outage(tenant) == [("upstream.degraded", "session")], 15)
        for job in jobs:
            tenant.succeeded(job)
    assert _phases(tenant)["session"] == "closed"
    told = [("upstream.degraded", "session"), ("upstream.recovered", "session")]
    eventually(lambda: _outage(tenant) == told, 15)
    eventually(lambda: [hook.type for hook in receiver.hooks()] == [kind for kind, _ in told], 15)
    seen = twin.seen(marker, "charges")
    assert [turn["outcome"] for turn in seen["turns"]] == ["completed"] * len(jobs)
    assert [charge["outcome"] for charge in seen["charges"]] == ["charged"] * len(jobs)
    assert len(twin.requests(tenant.fingerprint, "run_sse")) == len(jobs)


def _reason(customer: Customer, job_id: str) -> str | None:
    waiting = customer.job(job_id)["waiting"]
    return None if waiting is None else str(waiting["reason"])
