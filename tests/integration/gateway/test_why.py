"""`GET /v1/jobs/{id}/why` over HTTP."""

from __future__ import annotations

from sqlalchemy import update

from fakes.gateway import RunningGateway, TenantClient, assert_problem
from reelqueue.domain.jobs import Status
from reelqueue.gateway.schemas.why_documents import Why
from reelqueue.store.tables import tenants


def why(tenant: TenantClient, job_id: str) -> dict[str, object]:
    response = tenant.get(f"/v1/jobs/{job_id}/why")
    assert response.status_code == 200, response.text
    found: dict[str, object] = response.json()
    Why.model_validate(found)
    return found


def test_a_new_job_waits_for_its_turn_behind_ones_own(tenant: TenantClient) -> None:
    tenant.job()
    job = tenant.job()
    assert job["waiting"]["reason"] == "its_turn"
    found = why(tenant, job["id"])
    assert (found["state"], found["blocker"]["reason"], found["figures"]["place"]) == ("waiting", "its_turn", 1)
    assert found["eta"] is None
    assert [one["do"] for one in found["changes"]] == ["raise_priority"]


def test_the_cap_is_named_with_its_figures(tenant: TenantClient, gateway: RunningGateway) -> None:
    job = tenant.job()
    with gateway.services.database.statement() as connection:
        connection.execute(update(tenants).where(tenants.c.id == tenant.tenant_id).values(max_running=0))
    found = why(tenant, job["id"])
    assert (found["blocker"]["reason"], found["figures"]["max_running"]) == ("tenant_cap", 0)
    assert tenant.get(f"/v1/jobs/{job['id']}").json()["waiting"]["reason"] == "tenant_cap"


def test_one_that_has_ended_says_so(tenant: TenantClient, gateway: RunningGateway) -> None:
    job = tenant.job()
    gateway.driver.move(job["id"], Status.CANCELED)
    found = why(tenant, job["id"])
    assert (found["state"], found["blocker"], found["figures"]) == ("ended", None, None)


def test_unknown_ids_and_unknown_questions_are_refused(tenant: TenantClient) -> None:
    for job_id in ("nonsense", "job_" + "0" * 26):
        assert_problem(tenant.get(f"/v1/jobs/{job_id}/why"), 404, "not_found")
    job = tenant.job()
    assert_problem(tenant.get(f"/v1/jobs/{job['id']}/why?in=detail"), 422, "validation_failed")
