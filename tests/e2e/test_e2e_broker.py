"""The broker carries doorbells and nothing else: it may be emptied, frozen or killed at any time."""

from __future__ import annotations

import signal

from fakes.live_customer import Customer, create
from fakes.live_stack import LiveStack
from fakes.live_twin import Twin
from fixtures.eventually import Eventually

JOBS = 50


def test_flushall_with_fifty_jobs_queued_loses_none_and_doubles_none(
    stack: LiveStack, twin: Twin, customer: Customer, marker: str, eventually: Eventually
) -> None:
    with twin.settings(instant=True), stack.broker() as broker:
        with stack.frozen("worker-step"):
            sent = []
            for number in range(JOBS):
                sent.append(customer.submit(instruction=create(f"{marker}-{number:02}"))["id"])
                assert customer.job(sent[-1])["status"] == "queued"
            eventually(lambda: broker.llen("step") >= 10, 20)
            broker.flushall()
            assert broker.llen("step") == 0
        ended = "SELECT count(*) AS n FROM jobs WHERE id = ANY (%s) AND finished_at IS NOT NULL"
        eventually(lambda: stack.sql(ended, sent)[0]["n"] >= JOBS // 2, 60, interval=0.1)
        broker.flushall()
        for job_id in sent:
            customer.succeeded(job_id, timeout=60)
    messages = sorted(turn["message"] for turn in twin.turns(marker))
    assert messages == [create(f"{marker}-{number:02}") for number in range(JOBS)]


def test_without_a_broker_jobs_are_taken_and_done_once_it_is_back(
    stack: LiveStack, twin: Twin, customer: Customer, marker: str, eventually: Eventually
) -> None:
    with twin.settings(instant=True):
        with stack.frozen("valkey") as frozen:
            ready = eventually(lambda: (told := stack.ready()) and told["http"] == 503 and told, 30)
            assert ready["checks"] == {"database": "ok", "migrations": "ok", "roles": "ok", "broker": "down"}
            sent = [customer.submit(instruction=create(f"{marker}-{number}"))["id"] for number in range(3)]
            assert [customer.job(job_id)["status"] for job_id in sent] == ["queued"] * 3
            stack.signal("valkey", signal.SIGKILL)
        stack.wait_revived("valkey", frozen)
        for job_id in sent:
            customer.succeeded(job_id, timeout=60)
    assert len(twin.turns(marker)) == 3
    stack.wait_ready()
