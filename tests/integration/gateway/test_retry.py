"""`POST /v1/jobs/{id}/retry` over HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from fakes.gateway import RunningGateway, TenantClient, assert_problem
from reelqueue.gateway.schemas.documents import Job


def test_a_canceled_job_is_retried_as_a_new_one(tenant: TenantClient) -> None:
    old = tenant.job(metadata={"order": "1"})
    assert_problem(tenant.post(f"/v1/jobs/{old['id']}/retry"), 409, "state_conflict")
    tenant.post(f"/v1/jobs/{old['id']}/cancel")
    answers = [tenant.post(f"/v1/jobs/{old['id']}/retry", headers={"Idempotency-Key": "k"}) for _ in range(2)]
    new = answers[0].json()
    assert [one.status_code for one in answers] == [202, 202]
    assert (answers[1].json()["id"], answers[1].headers["idempotent-replayed"]) == (new["id"], "true")
    assert answers[0].headers["location"] == f"/v1/jobs/{new['id']}"
    assert (new["retried_from"], new["metadata"]) == (old["id"], {"order": "1"})
    assert new["retry"] == {"from": "queued", "free": False}
    Job.model_validate(new)


def test_of_many_retries_at_once_one_is_taken(tenant: TenantClient, gateway: RunningGateway) -> None:
    old = tenant.job()
    tenant.post(f"/v1/jobs/{old['id']}/cancel")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: tenant.post(f"/v1/jobs/{old['id']}/retry"), range(8)))
    assert sorted(answer.status_code for answer in answers) == [202, *[409] * 7]
    new = next(answer.json() for answer in answers if answer.status_code == 202)
    tenant.post(f"/v1/jobs/{new['id']}/cancel")
    assert tenant.post(f"/v1/jobs/{old['id']}/retry").status_code == 202


def test_the_body_is_strict(tenant: TenantClient) -> None:
    job = tenant.job()
    response = tenant.post(f"/v1/jobs/{job['id']}/retry", json={"accept_double_charge": "yes"})
    assert_problem(response, 422, "validation_failed")


def test_a_foreign_job_is_not_found(tenant: TenantClient, other_tenant: TenantClient, gateway: RunningGateway) -> None:
    assert_problem(other_tenant.post(f"/v1/jobs/{tenant.job()['id']}/retry"), 404, "not_found")
