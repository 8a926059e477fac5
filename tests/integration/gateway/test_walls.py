"""For whom a gateway's sessions work: for nobody until a key says whose the request is, then for its tenant."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, select, text

from fakes.gateway import RunningGateway, TenantClient
from fakes.rawclient import exchange, request
from reelqueue.domain.intake import JobFilter
from reelqueue.kit.acting import EVERYBODY
from reelqueue.store.jobs import Jobs
from reelqueue.store.tables import jobs


@contextmanager
def first_wall_down(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`GET /v1/jobs` and `GET /v1/jobs/{id}` without their tenant condition."""

    def listed(self: Jobs, *_: Any, **__: Any) -> Any:
        with self._database.statement() as connection:
            return [found(self, "", job_id) for job_id in connection.execute(select(jobs.c.id)).scalars()]

    def found(self: Jobs, _: str, job_id: str) -> Any:
        with self._database.statement() as connection:
            owner = connection.execute(select(jobs.c.tenant_id).where(jobs.c.id == job_id)).scalar()
        return real(self, owner or "", job_id)

    real = Jobs.find
    with monkeypatch.context() as patch:
        patch.setattr(Jobs, "find", found)
        patch.setattr(Jobs, "list", listed)
        yield


def test_without_the_tenant_condition_a_request_still_sees_its_tenants_rows_alone(
    tenant: TenantClient, other_tenant: TenantClient, gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, foreign = tenant.job()["id"], other_tenant.job()["id"]
    with first_wall_down(gateway, monkeypatch):
        assert [job["id"] for job in tenant.jobs()] == [mine]
        assert tenant.get(f"/v1/jobs/{mine}").status_code == 200
        assert tenant.get(f"/v1/jobs/{foreign}").status_code == 404
        # The wall and not the test's own patch: for the service it is no wall.
        rows = gateway.services.jobs.list(tenant.tenant_id, JobFilter(), before=None, limit=100)
        assert {mine, foreign} <= {job.id for job in rows}


def test_a_thread_that_nobody_told_sees_nothing(tenant: TenantClient, gateway: RunningGateway) -> None:
    job_id = tenant.job()["id"]

    def seen() -> list[str]:
        with gateway.services.database.statement() as connection:
            return list(connection.execute(select(jobs.c.id)).scalars())

    assert job_id in seen()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(seen).result() == []


@contextmanager
def settings_told(gateway: RunningGateway) -> Any:
    """For whom the pool's sessions were told to work inside the block, in order."""
    told: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "set_config" in statement:
            told.append(parameters[0])

    engine = gateway.services.database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield told
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_jobs_of_several_tenants_are_accepted_together(
    tenant: TenantClient, other_tenant: TenantClient, gateway: RunningGateway
) -> None:
    with settings_told(gateway) as told, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: (tenant, other_tenant)[number % 2].submit(), range(60)))
    assert {answer.status_code for answer in answers} == {202}
    assert {len(client.jobs()) for client in (tenant, other_tenant)} == {30}
    assert set(told) <= {EVERYBODY, tenant.tenant_id, other_tenant.tenant_id}


def test_a_lone_tenants_jobs_are_accepted_in_its_name(tenant: TenantClient, gateway: RunningGateway) -> None:
    tenant.jobs()  # looks the key up
    with settings_told(gateway) as told:
        for _ in range(5):
            tenant.job()
    assert EVERYBODY not in told


def test_a_request_that_was_pipelined_behind_another_works_for_nobody(
    tenant: TenantClient, gateway: RunningGateway
) -> None:
    """It begins inside the other's task, and would go on in its tenant's name."""
    seen: list[Any] = []
    role = gateway.services.health.role

    def spying() -> Any:
        with gateway.services.database.statement() as connection:
            seen.append(connection.execute(text("SELECT current_setting('reelqueue.tenant', true)")).scalar() or "")
        return role()

    gateway.services.health.role = spying  # type: ignore[method-assign]
    try:
        first = request("GET", "/v1/jobs", [("Authorization", f"Bearer {tenant.key}")], close=False)
        answers = exchange(gateway.address, first + request("GET", "/readyz", []))
    finally:
        del gateway.services.health.role
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[1].json["checks"]["roles"] == "ok"
    assert seen == [""]
