"""Quotas, budgets, rates and usage over HTTP."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from fakes.gateway import TenantClient, assert_problem, violations
from reelqueue.gateway.schemas.usage_documents import Limits, Usage

EACH = 100.0
"""What a turn is expected to cost while none was settled."""


def limit(client: TenantClient, **changes: float | None) -> None:
    client.gateway.services.quotas.set(client.tenant_id, changes)


def limits_of(client):
    response = client.get("/v1/limits")
    assert response.status_code == 200, response.text
    Limits.model_validate(response.json())
    return response.json()


def test_of_two_hundred_posts_to_two_gateways_exactly_ten_are_accepted(run_gateway, tenant):
    limit(tenant, credits_per_day=10 * EACH)
    other = run_gateway(threads=8)
    urls = [tenant.gateway.base_url, other.base_url]

    def post(number):
        """As a client does: a 503 is repeated under the same key."""
        while True:
            answer = tenant.post(
                f"{urls[number % 2]}/v1/jobs", json={"instruction": "x"}, headers={"idempotency-key": f"k{number}"}
            )
            if answer.status_code != 503:
                return answer.status_code

    with ThreadPoolExecutor(50) as pool:
        statuses = Counter(pool.map(post, range(200)))
    assert statuses == {202: 10, 402: 190}
    assert len(tenant.jobs()) == 10
    assert limits_of(tenant)["budgets"]["tenant_day"]["remaining"] == 0


def test_a_budget_names_the_level_and_when_it_is_new(tenant):
    limit(tenant, credits_per_month=1.5 * EACH)
    tenant.job()
    problem = assert_problem(tenant.submit(), 402, "budget_exhausted")
    assert (problem["level"], problem["left"], problem["needed"]) == ("tenant_month", 0.5 * EACH, EACH)
    assert datetime.fromisoformat(problem["resets_at"]) > datetime.now(UTC)


@pytest.mark.parametrize(
    ("limits", "quota", "heals"),
    [({"jobs_per_minute": 1}, "jobs_per_minute", True), ({"live_jobs": 1}, "live_jobs", False)],
)
def test_a_quota_is_named_and_retry_after_is_there_only_where_time_heals(tenant, limits, quota, heals):
    limit(tenant, **limits)
    tenant.job()
    answer = tenant.submit()
    problem = assert_problem(answer, 429, "quota_exceeded")
    assert (problem["quota"], problem["limit"], problem["used"]) == (quota, 1, 1)
    assert ("retry-after" in answer.headers) is heals


def test_waiting_for_retry_after_succeeds(tenant):
    limit(tenant, jobs_per_minute=60)
    assert tenant.post("/v1/batches", json={"jobs": [{"instruction": "x"}] * 60}).status_code == 202
    answer = tenant.submit()
    assert_problem(answer, 429, "quota_exceeded")
    assert answer.headers["retry-after"] == "1"
    time.sleep(int(answer.headers["retry-after"]))
    assert tenant.submit().status_code == 202


def test_every_way_to_make_a_job_is_counted(tenant, gateway):
    project = tenant.post("/v1/projects", json={}).json()["id"]
    job = tenant.job()
    assert tenant.post(f"/v1/jobs/{job['id']}/cancel").status_code == 200
    limit(tenant, live_jobs=0)
    ways = [
        tenant.submit,
        lambda: tenant.submit(project=project),
        lambda: tenant.post("/v1/jobs", files={"instruction": (None, "x")}),
        lambda: tenant.post("/v1/batches", json={"jobs": [{"instruction": "x"}]}),
        lambda: tenant.post(f"/v1/jobs/{job['id']}/retry"),
        lambda: tenant.post(f"/v1/projects/{project}/messages", json={"message": "add a title"}),
    ]
    for way in ways:
        assert_problem(way(), 429, "quota_exceeded")


def test_a_repeat_is_answered_though_nothing_is_left(tenant):
    limit(tenant, jobs_per_minute=1)
    first = tenant.post("/v1/jobs", json={"instruction": "x"}, headers={"idempotency-key": "k"})
    again = tenant.post("/v1/jobs", json={"instruction": "x"}, headers={"idempotency-key": "k"})
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.headers["idempotent-replayed"] == "true"


# --- rates of keys, and headers ---------------------------------------------------------------------------------------


def test_headers_tell_the_rate_of_jobs(tenant):
    assert "ratelimit" not in tenant.submit().headers
    limit(tenant, jobs_per_minute=2)
    answer = tenant.submit()
    assert answer.headers["ratelimit-policy"] == '"jobs";q=2;w=60'
    assert answer.headers["ratelimit"] == '"jobs";r=1;t=30'
    tenant.submit()
    refused = tenant.submit()
    assert refused.headers["ratelimit-policy"] == '"jobs";q=2;w=60'
    assert refused.headers["ratelimit"].startswith('"jobs";r=0;t=')


def test_a_key_is_held_to_its_rate(gateway):
    with gateway.tenant() as client:
        gateway.services.api_keys.limit(client.tenant_id, client.key_id, 8)
        answers = [client.get("/v1/jobs") for _ in range(6)]
        refused = answers[-1]
        problem = assert_problem(refused, 429, "quota_exceeded")
        assert (problem["quota"], problem["limit"]) == ("requests_per_minute", 8)
        assert all(answer.headers["ratelimit-policy"] == '"key";q=8;w=60' for answer in answers)
        assert refused.headers["ratelimit"] == f'"key";r=0;t={refused.headers["retry-after"]}'
        assert client.get("/healthz").status_code == 200


# --- limits and usage -------------------------------------------------------------------------------------------------


def test_limits_of_a_tenant_without_any(tenant):
    known = limits_of(tenant)
    assert known["quotas"]["jobs_per_minute"] == {"limit": None, "used": None, "remaining": None, "resets_at": None}
    assert known["budgets"]["tenant_day"]["limit"] is None
    assert known["running"] == {"limit": 50, "used": 0}
    assert known["key"] == {"requests_per_minute": None, "remaining": None}


def test_limits_say_what_is_used(tenant):
    limit(tenant, jobs_per_minute=10, live_jobs=5, storage_bytes=1000, credits_per_day=500, credits_per_month=1000)
    tenant.job(instructions=None, instruction="x")
    known = limits_of(tenant)
    assert (known["quotas"]["jobs_per_minute"]["used"], known["quotas"]["live_jobs"]["remaining"]) == (1, 4)
    assert known["quotas"]["storage_bytes"]["remaining"] == 1000
    day, month = known["budgets"]["tenant_day"], known["budgets"]["tenant_month"]
    assert (day["reserved"], day["remaining"], month["remaining"]) == (EACH, 400, 900)
    assert day["resets_at"] < month["resets_at"] or datetime.now(UTC).day >= 28


def usage_of(client, **query):
    response = client.get("/v1/usage", params=query)
    assert response.status_code == 200, response.text
    Usage.model_validate(response.json())
    return response.json()


@pytest.mark.parametrize(
    ("group_by", "groups"),
    [
        ("day", {datetime.now(UTC).date().isoformat(): 3}),
        ("customer", {"ann": 2, None: 1}),
        ("metadata.campaign", {"spring": 1, None: 2}),
        ("project", {None: 3}),
    ],
)
def test_usage_in_groups(tenant, other_tenant, group_by, groups):
    tenant.job(customer="ann", metadata={"campaign": "spring"})
    canceled = tenant.job(customer="ann")
    tenant.job()
    other_tenant.job(customer="ann", metadata={"campaign": "spring"})
    assert tenant.post(f"/v1/jobs/{canceled['id']}/cancel").status_code == 200
    used = usage_of(tenant, group_by=group_by)
    assert (used["total"]["jobs"]["accepted"], used["total"]["jobs"]["canceled"]) == (3, 1)
    assert {one["group"]: one["jobs"]["accepted"] for one in used["data"]} == groups
    assert used["complete"]


def test_usage_is_of_the_time_that_is_asked_for(tenant):
    tenant.job()
    now = datetime.now(UTC)
    earlier = usage_of(
        tenant, **{"from": (now - timedelta(days=3)).isoformat(), "to": (now - timedelta(days=1)).isoformat()}
    )
    assert (earlier["total"]["jobs"]["accepted"], earlier["data"]) == (0, [])


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-04-05T00:00:00Z"}, "to"),
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "to"),
        ({"group_by": "hour"}, "group_by"),
        ({"group_by": "metadata."}, "group_by"),
        ({"group_by": "metadata.a'b" + "x" * 64}, "group_by"),
    ],
)
def test_usage_of_too_much_or_of_nonsense_is_refused(tenant, query, parameter):
    assert violations(tenant.get("/v1/usage", params=query)) == {(parameter, "field_invalid")}
