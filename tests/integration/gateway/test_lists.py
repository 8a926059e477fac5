"""`GET /v1/jobs`: order, pages, filters; and cancel."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.gateway import RunningGateway, TenantClient, assert_problem, violations
from fakes.gateway_jobs import TO_SUCCESS
from reelqueue.domain.jobs import Status


def ids(page: dict[str, Any]) -> list[str]:
    return [job["id"] for job in page["data"]]


def test_pages_are_newest_first_without_gaps_or_repeats(tenant: TenantClient, other_tenant: TenantClient) -> None:
    other_tenant.job()
    made = [tenant.job()["id"] for _ in range(5)]
    seen: list[str] = []
    url = "/v1/jobs?limit=2"
    while url:
        page = tenant.get(url).json()
        seen += ids(page)
        assert page["has_more"] == (page["next_cursor"] is not None)
        tenant.job()  # newer ones do not move the pages behind
        url = f"/v1/jobs?limit=2&cursor={page['next_cursor']}" if page["has_more"] else ""
    assert seen == made[::-1]


def test_filters(tenant: TenantClient, gateway: RunningGateway) -> None:
    one = tenant.job(external_id="e-1", metadata={"team": "a", "n": "1"})
    two = tenant.job(metadata={"team": "a", "n": "2"})
    three = tenant.job(metadata={"team": "b"})
    gateway.driver.move(three["id"], Status.CANCELED)
    gateway.driver.move(two["id"], Status.UPLOADING)

    def found(query: str) -> set[str]:
        return set(ids(tenant.get(f"/v1/jobs?{query}").json()))

    assert found("external_id=e-1") == {one["id"]}
    assert found("metadata[team]=a") == {one["id"], two["id"]}
    assert found("metadata[team]=a&metadata[n]=2") == {two["id"]}
    assert found("status=canceled") == {three["id"]}
    assert found("status=canceled,uploading") == found("status=canceled&status=uploading") == {two["id"], three["id"]}
    assert found(f"created_after={one['created_at']}") == {two["id"], three["id"]} - (
        {two["id"]} if two["created_at"] == one["created_at"] else set()
    )
    assert found("created_before=2020-01-01T00:00:00Z") == set()
    assert found("project=prj_nothing") == set()


def test_a_cursor_goes_on_within_its_filter(tenant: TenantClient) -> None:
    made = [tenant.job(metadata={"k": "v"})["id"] for _ in range(3)]
    tenant.job()
    first = tenant.get("/v1/jobs?limit=2&metadata[k]=v").json()
    second = tenant.get(f"/v1/jobs?limit=5&metadata[k]=v&cursor={first['next_cursor']}").json()
    assert ids(first) + ids(second) == made[::-1]
    assert_problem(tenant.get(f"/v1/jobs?limit=2&cursor={first['next_cursor']}"), 400, "cursor_invalid")


def test_the_same_filter_written_otherwise_is_the_same_list(tenant: TenantClient) -> None:
    for _ in range(3):
        tenant.job()
    cursor = tenant.get("/v1/jobs?limit=1&status=queued&status=failed").json()["next_cursor"]
    assert tenant.get(f"/v1/jobs?limit=2&status=failed,queued&cursor={cursor}").status_code == 200


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("limit=0", ("limit", "field_invalid")),
        ("limit=101", ("limit", "field_invalid")),
        ("limit=1&limit=2", ("limit", "field_invalid")),
        ("status=done", ("status", "field_invalid")),
        ("stauts=queued", ("stauts", "field_unknown")),
        ("created_after=yesterday", ("created_after", "field_invalid")),
        ("external_id=", ("external_id", "field_invalid")),
        ("external_id=%00", ("external_id", "field_invalid")),
        ("metadata[a]=1&metadata[a]=2", ("metadata[a]", "field_invalid")),
        ("external_id=%ff", ("?", "field_invalid")),
        ("&".join(f"a{n}=1" for n in range(200)), ("?", "field_invalid")),
    ],
)
def test_queries_that_cannot_be(tenant: TenantClient, query: str, expected: tuple[str, str]) -> None:
    assert violations(tenant.get(f"/v1/jobs?{query}")) == {expected}


def test_a_queued_job_is_canceled_at_once_and_again(tenant: TenantClient) -> None:
    job = tenant.job()["id"]
    for _ in range(2):
        response = tenant.post(f"/v1/jobs/{job}/cancel")
        assert (response.status_code, response.json()["status"]) == (200, "canceled")
    events = tenant.get(f"/v1/jobs/{job}/events").json()["data"]
    assert [one["type"] for one in events] == ["job.queued", "job.canceled"]


def test_a_running_job_is_asked_to_stop(tenant: TenantClient, gateway: RunningGateway) -> None:
    job = tenant.job()["id"]
    gateway.driver.move(job, Status.UPLOADING, Status.INSTRUCTING)
    response = tenant.post(f"/v1/jobs/{job}/cancel")
    assert (response.status_code, response.json()["status"]) == (202, "instructing")
    assert response.json()["cancel_requested_at"] is not None


def test_an_ended_job_cannot_be_canceled(tenant: TenantClient, gateway: RunningGateway) -> None:
    job = tenant.job()["id"]
    gateway.driver.move(job, *TO_SUCCESS[:-1])
    gateway.driver.move(
        job,
        Status.FAILED,
        error={"code": "poisoned", "message": "x", "blame": "gateway", "retryable": False, "spent": None, "fix": "y"},
    )
    assert_problem(tenant.post(f"/v1/jobs/{job}/cancel"), 409, "state_conflict")
    assert tenant.get(f"/v1/jobs/{job}").json()["error"]["docs"] == "/docs/errors#poisoned"
