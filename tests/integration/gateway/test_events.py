"""`GET /v1/jobs/{id}/events`: a list, or a stream that can be resumed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from fakes.event_streams import EventStream
from fakes.gateway import RunningGateway, TenantClient, assert_problem, violations
from fakes.gateway_jobs import TO_SUCCESS
from fakes.job_rows import counting
from fixtures.eventually import Eventually
from reelqueue.domain.jobs import Status
from reelqueue.gateway.schemas.documents import JobEvent
from reelqueue.kit.ids import new_id


@pytest.fixture(scope="module")
def gateway(run_gateway: Callable[..., RunningGateway]) -> RunningGateway:
    return run_gateway(sse_ping_s=0.2)


@contextmanager
def streaming(tenant: TenantClient, job_id: str, **headers: str) -> Iterator[EventStream]:
    headers = {"Accept": "text/event-stream", **{name.replace("_", "-"): value for name, value in headers.items()}}
    with tenant.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        yield EventStream(response)


def test_a_list_of_what_happened(tenant: TenantClient, gateway: RunningGateway) -> None:
    job = tenant.job()["id"]
    gateway.driver.move(job, Status.UPLOADING, Status.INSTRUCTING)
    page = tenant.get(f"/v1/jobs/{job}/events?limit=2").json()
    assert [(one["seq"], one["type"]) for one in page["data"]] == [(1, "job.queued"), (2, "job.uploading")]
    assert page["has_more"] is True
    rest = tenant.get(f"/v1/jobs/{job}/events?after=2").json()
    assert [(one["seq"], one["type"]) for one in rest["data"]] == [(3, "job.instructing")]
    assert rest["has_more"] is False
    JobEvent.model_validate(rest["data"][0], strict=False)


def test_a_stream_tells_the_past_then_the_present_and_ends_with_the_job(
    tenant: TenantClient, gateway: RunningGateway, eventually: Eventually
) -> None:
    job = tenant.job()["id"]
    gateway.driver.move(job, Status.UPLOADING)
    with streaming(tenant, job) as stream:
        eventually(lambda: stream.durable == [(1, "job.queued"), (2, "job.uploading")])
        gateway.driver.move(job, Status.INSTRUCTING)
        eventually(lambda: len(stream.durable) == 3)
        assert not stream.ended.is_set()
        gateway.driver.move(job, Status.RENDERING, Status.CANCELED)
        assert stream.ended.wait(20)
    assert stream.durable[3:] == [(4, "job.rendering"), (5, "job.canceled")]
    assert stream.events[-1]["event"] == "job.canceled"
    assert stream.events[-1]["data"]["job"] == job
    assert stream.retry is not None
    assert 2_000 <= stream.retry <= 5_000


def test_a_stream_resumes_after_the_last_event_id(
    tenant: TenantClient, gateway: RunningGateway, eventually: Eventually
) -> None:
    job = tenant.job()["id"]
    gateway.driver.move(job, Status.UPLOADING, Status.INSTRUCTING)
    with streaming(tenant, job, Last_Event_ID="2") as stream:
        eventually(lambda: stream.durable == [(3, "job.instructing")])
    gateway.driver.move(job, Status.CANCELED)  # while nobody listened
    with streaming(tenant, job, Last_Event_ID="3") as stream:
        assert stream.ended.wait(20)
    assert stream.durable == [(4, "job.canceled")]


def test_a_stream_with_nothing_more_to_come_says_so_by_204(tenant: TenantClient, gateway: RunningGateway) -> None:
    job = tenant.job()["id"]
    gateway.driver.move(job, Status.CANCELED)
    headers = {"Accept": "text/event-stream", "Last-Event-ID": "2"}
    assert tenant.get(f"/v1/jobs/{job}/events", headers=headers).status_code == 204


def test_what_arrives_after_the_end_is_listed_and_told_to_whoever_comes_back(
    tenant: TenantClient, gateway: RunningGateway
) -> None:
    job = tenant.job()["id"]
    gateway.driver.move(job, Status.CANCELED)
    gateway.driver.recover(job, tenant.tenant_id, blob_key="k", sha256="0" * 64, size=1)
    listed = tenant.get(f"/v1/jobs/{job}/events").json()["data"]
    assert [(one["seq"], one["type"]) for one in listed[1:]] == [(2, "job.canceled"), (3, "job.recovered")]
    JobEvent.model_validate(listed[-1], strict=False)
    with streaming(tenant, job) as stream:
        assert stream.ended.wait(20)
    assert stream.durable == [(1, "job.queued"), (2, "job.canceled")]
    with streaming(tenant, job, Last_Event_ID="2") as stream:
        assert stream.ended.wait(20)
    assert stream.durable == [(3, "job.recovered")]
    headers = {"Accept": "text/event-stream", "Last-Event-ID": "3"}
    assert tenant.get(f"/v1/jobs/{job}/events", headers=headers).status_code == 204


def test_progress_is_told_without_an_id(tenant: TenantClient, gateway: RunningGateway, eventually: Eventually) -> None:
    job = tenant.job()["id"]
    gateway.driver.move(job, Status.UPLOADING, Status.INSTRUCTING, Status.RENDERING)
    with streaming(tenant, job) as stream:
        eventually(lambda: stream.progress == [0])
        for percent in (30, 30, 60):
            gateway.driver.progress(job, percent)
            eventually(lambda percent=percent: stream.progress[-1] == percent)  # type: ignore[misc]
        eventually(lambda: stream.pings >= 2)
        assert stream.progress == [0, 30, 60]
        assert all("id" not in one for one in stream.events if one["event"] == "progress")
        gateway.driver.move(job, Status.CANCELED)
        assert stream.ended.wait(20)


def test_many_streams_on_one_job_all_hear(
    tenant: TenantClient, gateway: RunningGateway, eventually: Eventually
) -> None:
    job = tenant.job()["id"]
    with streaming(tenant, job) as first, streaming(tenant, job) as second, streaming(tenant, job) as third:
        streams = (first, second, third)
        eventually(lambda: all(stream.durable for stream in streams))
        gateway.driver.move(job, *TO_SUCCESS[:2], Status.CANCELED)
        assert all(stream.ended.wait(20) for stream in streams)
        assert {tuple(stream.durable) for stream in streams} == {tuple(first.durable)}
    eventually(lambda: not gateway.app.state.gateway.hub._watches)


def test_a_stream_is_opened_with_one_look_that_the_hub_knows_of(
    tenant: TenantClient, gateway: RunningGateway, eventually: Eventually
) -> None:
    job = tenant.job()["id"]
    tenant.get(f"/v1/jobs/{job}")  # the key is known for a while
    with counting(gateway.services.database) as statements, streaming(tenant, job) as stream:
        eventually(lambda: stream.progress == [0])
        read = [one for one in statements if one.startswith("SELECT jobs.id") or "FROM job_events" in one]
        assert len(read) == 2
        # A look of the hub wakes only who has read another version: here nobody.
        [watch] = gateway.app.state.gateway.hub._watches[job]
        assert gateway.services.watched.versions([job]) == {job: watch._seen}


def test_what_is_not_there_is_not_watched(tenant: TenantClient, gateway: RunningGateway) -> None:
    missing = new_id("job")
    headers = {"Accept": "text/event-stream"}
    assert tenant.get(f"/v1/jobs/{missing}/events", headers=headers).status_code == 404
    assert missing not in gateway.app.state.gateway.hub._watches
    assert tenant.key_id not in gateway.app.state.gateway.guests._guests


def test_a_reader_that_leaves_is_forgotten(
    tenant: TenantClient, gateway: RunningGateway, eventually: Eventually
) -> None:
    job = tenant.job()["id"]
    with streaming(tenant, job) as stream:
        eventually(lambda: stream.durable)
        assert job in gateway.app.state.gateway.hub._watches
        stream.response.close()
    eventually(lambda: job not in gateway.app.state.gateway.hub._watches)


def test_a_stop_ends_streams_and_waits_at_once(
    run_gateway: Callable[..., RunningGateway], eventually: Eventually
) -> None:
    gateway = run_gateway()
    with gateway.tenant() as tenant:
        job = tenant.job()["id"]
        answers: list[httpx.Response] = []

        def wait() -> None:
            answers.append(tenant.get(f"/v1/jobs/{job}", headers={"Prefer": "wait=60"}))

        waiting = threading.Thread(target=wait, daemon=True)
        waiting.start()
        with streaming(tenant, job) as stream:
            eventually(lambda: len(gateway.app.state.gateway.hub._watches.get(job, ())) == 2)
            gateway.server.should_exit = True
            assert stream.ended.wait(20)
        waiting.join(20)
    assert answers[0].status_code == 200
    assert answers[0].json()["status"] == "queued"


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json", "*/*", "text/event-stream;q=0, */*"])
def test_which_form_is_wanted(tenant: TenantClient, gateway: RunningGateway, accept: str) -> None:
    job = tenant.job()["id"]
    gateway.driver.move(job, Status.CANCELED)
    response = tenant.get(f"/v1/jobs/{job}/events", headers={"Accept": accept})
    streamed = response.headers["content-type"].startswith("text/event-stream")
    assert streamed == (accept == "text/event-stream")


@pytest.mark.parametrize("last", ["-1", "abc", "1e3", "99999999999999999999"])
def test_a_last_event_id_that_is_none(tenant: TenantClient, last: str) -> None:
    job = tenant.job()["id"]
    headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
    response = tenant.get(f"/v1/jobs/{job}/events", headers=headers)
    assert violations(response) == {("Last-Event-ID", "field_invalid")}


def test_a_stream_of_a_job_that_is_not_there_is_404(tenant: TenantClient) -> None:
    for job in ("job_" + "0" * 26, "nonsense"):
        response = tenant.get(f"/v1/jobs/{job}/events", headers={"Accept": "text/event-stream"})
        assert_problem(response, 404, "not_found")
