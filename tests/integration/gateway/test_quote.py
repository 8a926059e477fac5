"""`POST /v1/jobs:quote`: every check of a submission, and nothing left behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from fakes import media, uploads
from fakes.gateway import RunningGateway, TenantClient, assert_problem
from fakes.rawhttp import RawServer, always
from fakes.workshops import photograph
from reelqueue.domain.jobs import Status
from reelqueue.gateway.openapi import document_of
from reelqueue.gateway.schemas.why_documents import Quote
from reelqueue.kit.clock import rfc3339
from reelqueue.kit.ids import new_id
from reelqueue.store.tables import credit_entries, credit_reservations, jobs, metadata, upstream_tokens

HEIC = photograph("heic")
CONVERTED = {"kind": "converted", "from": "heic", "to": "jpg"}


def quote(tenant: TenantClient, **members: Any) -> dict[str, Any]:
    response = tenant.post("/v1/jobs:quote", json={"instruction": "animate this photo", **members})
    assert response.status_code == 200, response.text
    Quote.model_validate(response.json())
    return dict(response.json())


def rows(gateway: RunningGateway) -> dict[str, int]:
    with gateway.services.database.statement() as connection:
        return {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in metadata.tables.items()
        }


@pytest.fixture
def nothing_kept(tenant: TenantClient, gateway: RunningGateway) -> Any:
    """Whatever the test does, the database and the file store are as they were."""
    before = (rows(gateway), gateway.files())
    yield
    assert (rows(gateway), gateway.files()) == before


@pytest.fixture
def history(tenant: TenantClient, gateway: RunningGateway) -> None:
    """Thirty jobs of the tenant's that waited 10 s, worked for 100 s and cost 8 credits."""
    now = func.now()
    done = {
        "tenant_id": tenant.tenant_id,
        "instructions": ["x"],
        "outputs": [{"format": "mp4", "quality": "1080p"}],
        "status": Status.SUCCEEDED,
        "dispatch": "done",
        "result": {"blob_key": "k"},
        "receipts": [{"instruction": 1}],
        "billing": {"spent": 8.0, "at_risk": 0.0, "certainty": "inferred"},
        "created_at": now - timedelta(seconds=110),
        "admitted_at": now - timedelta(seconds=100),
        "finished_at": now,
    }
    token_id = new_id("upstream_token")
    token = {"id": token_id, "tenant_id": tenant.tenant_id, "label": "x", "kind": "supplied", "secret": b"x"}
    cost = {"tenant_id": tenant.tenant_id, "token_id": token_id, "position": 0, "held": 0.0, "certainty": "inferred"}
    with gateway.services.database.transaction() as connection:
        connection.execute(upstream_tokens.insert().values(**token, fingerprint=token_id.encode()))
        for number in range(30):
            job_id = f"job_{tenant.tenant_id[4:20]}{number:010d}"
            connection.execute(jobs.insert().values(id=job_id, **done))
            connection.execute(credit_entries.insert().values(job_id=job_id, spent=8.0, **cost))


@pytest.mark.usefixtures("history", "nothing_kept")
def test_what_it_would_cost_and_when_it_would_be_done(tenant: TenantClient) -> None:
    by = datetime.now(UTC) + timedelta(minutes=5)
    found = quote(tenant, instruction=None, instructions=["x"], finish_by=rfc3339(by))
    assert (found["credits"], found["turns"], found["basis"]) == ({"likely": 8, "most": 8}, 1, "own")
    assert found["samples"] == 30
    assert found["wait"] == {"p50_s": 10, "p90_s": 10}
    assert found["finish_by"]["reach"] == "safe"
    soon = rfc3339(datetime.now(UTC) + timedelta(seconds=50))
    assert quote(tenant, finish_by=soon)["finish_by"]["reach"] == "unreachable"


def reserved(tenant: TenantClient, **members: Any) -> float:
    """What accepting the job reserves."""
    job_id = tenant.job(**members)["id"]
    asked = select(credit_reservations.c.reserved).where(credit_reservations.c.job_id == job_id)
    with tenant.gateway.services.database.statement() as connection:
        return float(connection.execute(asked).scalar_one())


@pytest.mark.parametrize("instructions", [["x"], ["x", "y", "z"]])
@pytest.mark.parametrize("known", [True, False])
def test_what_is_likely_is_what_a_budget_reserves_for_the_same_job(
    tenant: TenantClient, request: pytest.FixtureRequest, instructions: list[str], known: bool
) -> None:
    if known:
        request.getfixturevalue("history")
    tenant.gateway.services.quotas.set(tenant.tenant_id, {"credits_per_day": 10_000})
    job = {"instruction": None, "instructions": instructions}
    likely = quote(tenant, **job)["credits"]["likely"]
    assert likely == len(instructions) * (8 if known else 100)
    assert reserved(tenant, **job) == likely


@pytest.mark.usefixtures("nothing_kept")
def test_what_would_be_repaired_or_refused(tenant: TenantClient) -> None:
    with RawServer(always(HEIC)) as good, RawServer(always(b"not a picture")) as bad:
        found = quote(tenant, inputs=[f"{good.base_url}/a.heic", f"{bad.base_url}/b.png", "ast_" + "0" * 26])
    assert found["acceptable"] is False
    assert found["inputs"][0] == {"repairs": [CONVERTED, _renamed("a")], "refused": None}
    assert [one["refused"] and one["refused"]["code"] for one in found["inputs"][1:]] == [
        "file_content_mismatch",
        "not_found",
    ]


def _renamed(name: str) -> dict[str, str]:
    return {"kind": "renamed", "from": f"{name}.heic", "to": f"{name}.jpg"}


def send(tenant: TenantClient, *files: tuple[str, bytes], **fields: str) -> httpx.Response:
    parts = [uploads.field_part(name, text) for name, text in {"instruction": "x", **fields}.items()]
    form = uploads.form(*parts, *(uploads.file_part(*file) for file in files))
    return tenant.post("/v1/jobs:quote", content=form.body, headers={"Content-Type": form.content_type})


@pytest.mark.usefixtures("nothing_kept")
def test_files_are_looked_at_and_thrown_away(tenant: TenantClient) -> None:
    answer = send(tenant, ("a.heic", HEIC), ("b.png", media.png()))
    assert answer.status_code == 200, answer.text
    assert [one["repairs"] for one in answer.json()["inputs"]] == [[CONVERTED, _renamed("a")], []]
    assert send(tenant, ("a.exe", b"MZ")).status_code == 415


@pytest.mark.usefixtures("nothing_kept")
@pytest.mark.parametrize(
    ("members", "status", "code"),
    [
        ({"finish_by": "2020-01-01T00:00:00Z"}, 422, "validation_failed"),
        ({"start_by": "2100-01-02T00:00:00Z", "finish_by": "2100-01-01T00:00:00Z"}, 422, "validation_failed"),
        ({"project": "prj_" + "0" * 26}, 404, "not_found"),
        ({"webhook_url": "http://10.0.0.1/"}, 422, "destination_not_allowed"),
        ({"surprise": 1}, 422, "validation_failed"),
    ],
)
def test_what_a_job_as_a_whole_is_refused_for(
    tenant: TenantClient, members: dict[str, Any], status: int, code: str
) -> None:
    response = tenant.post("/v1/jobs:quote", json={"instruction": "x", **members})
    assert_problem(response, status, code)
    submitted = tenant.submit(**members)
    assert (submitted.status_code, submitted.json()["code"]) == (status, code)


def test_the_colon_is_in_the_document_and_names_no_job(tenant: TenantClient, gateway: RunningGateway) -> None:
    operation = document_of(gateway.app)["paths"]["/v1/jobs:quote"]["post"]
    assert set(operation["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
    assert operation["x-required-scope"] == "jobs:write"
    assert tenant.get("/v1/jobs:quote").status_code == 405
