"""`Prefer: wait=N`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from fakes.gateway import RunningGateway, TenantClient
from fixtures.eventually import Eventually
from reelqueue.domain.jobs import Status


def in_background(call: Callable[[], httpx.Response]) -> tuple[threading.Thread, list[httpx.Response]]:
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(call()), daemon=True)
    thread.start()
    return thread, answers


def test_the_answer_comes_when_the_job_has_ended(
    tenant: TenantClient, gateway: RunningGateway, eventually: Eventually
) -> None:
    thread, answers = in_background(
        lambda: tenant.post("/v1/jobs", json={"instruction": "x"}, headers={"Prefer": "respond-async, wait=60"})
    )
    job: dict[str, Any] = eventually(lambda: (tenant.jobs() or [None])[0])
    eventually(lambda: job["id"] in gateway.app.state.gateway.hub._watches)
    gateway.driver.move(job["id"], Status.UPLOADING, Status.INSTRUCTING)
    assert thread.is_alive()
    gateway.driver.move(job["id"], Status.CANCELED)
    thread.join(20)
    (answer,) = answers
    assert answer.status_code == 200
    assert answer.json()["status"] == "canceled"
    assert answer.headers["preference-applied"] == "wait=60"
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"


def test_the_answer_is_202_when_the_time_is_over(tenant: TenantClient) -> None:
    answer = tenant.post("/v1/jobs", json={"instruction": "x"}, headers={"Prefer": "wait=0"})
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert answer.headers["preference-applied"] == "wait=0"
    assert answer.headers["retry-after"] == "5"


def test_a_read_can_wait_too(tenant: TenantClient, gateway: RunningGateway, eventually: Eventually) -> None:
    job = tenant.job()["id"]
    thread, answers = in_background(lambda: tenant.get(f"/v1/jobs/{job}", headers={"Prefer": "wait=60"}))
    eventually(lambda: job in gateway.app.state.gateway.hub._watches)
    gateway.driver.move(job, Status.CANCELED)
    thread.join(20)
    assert (answers[0].status_code, answers[0].json()["status"]) == (200, "canceled")


def test_a_lost_notice_costs_a_look_not_the_answer(
    tenant: TenantClient, gateway: RunningGateway, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reelqueue.gateway.hub.LOOK_AGAIN_S", 0.1)
    monkeypatch.setattr("reelqueue.gateway.hub.CHANNELS", ())
    job = tenant.job()["id"]
    thread, answers = in_background(lambda: tenant.get(f"/v1/jobs/{job}", headers={"Prefer": "wait=60"}))
    eventually(lambda: job in gateway.app.state.gateway.hub._watches)
    gateway.driver.move(job, Status.CANCELED)
    thread.join(20)
    assert [answer.json()["status"] for answer in answers] == ["canceled"]


def test_an_ended_job_is_not_waited_for(tenant: TenantClient, gateway: RunningGateway) -> None:
    job = tenant.job()["id"]
    gateway.driver.move(job, Status.CANCELED)
    answer = tenant.get(f"/v1/jobs/{job}", headers={"Prefer": "wait=60"})
    assert answer.json()["status"] == "canceled"


def test_a_wait_longer_than_allowed_is_cut(run_gateway: Callable[..., RunningGateway]) -> None:
    with run_gateway(max_wait_s=0).tenant() as tenant:
        answer = tenant.post("/v1/jobs", json={"instruction": "x"}, headers={"Prefer": "wait=100000"})
    assert answer.headers["preference-applied"] == "wait=0"


def test_preferences_that_make_no_sense_are_ignored(tenant: TenantClient) -> None:
    answer = tenant.post("/v1/jobs", json={"instruction": "x"}, headers={"Prefer": "wait=soon; handling=lenient"})
    assert answer.status_code == 202
    assert "preference-applied" not in answer.headers
