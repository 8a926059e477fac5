"""`/v1/batches` over HTTP: all or none, progress, one end, cancel."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from fakes import media
from fakes.gateway import RunningGateway, TenantClient, assert_problem
from fakes.gateway_jobs import TO_SUCCESS
from fakes.rawhttp import RawServer, always
from reelqueue.domain.jobs import Status
from reelqueue.gateway.schemas.documents import Job
from reelqueue.gateway.schemas.project_documents import Batch, BatchList
from reelqueue.store.tables import assets, batches, feed_events, job_events, jobs

ERROR = {"code": "x", "message": "x", "blame": "upstream", "retryable": False, "spent": None, "fix": "x"}


def post(tenant: TenantClient, *wishes: dict[str, Any], key: str | None = None, **members: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return tenant.post("/v1/batches", json={"jobs": list(wishes), **members}, headers=headers)


def jobs_of(tenant: TenantClient, batch: dict[str, Any]) -> list[dict[str, Any]]:
    """In the order of the batch."""
    found = tenant.get(f"/v1/jobs?batch={batch['id']}&limit=100").json()["data"]
    return list(reversed(found))


def residue(gateway: RunningGateway, tenant: TenantClient) -> tuple[int, int, list[Any]]:
    with gateway.services.database.statement() as connection:
        made = connection.execute(select(batches.c.id).where(batches.c.tenant_id == tenant.tenant_id)).all()
        kept = connection.execute(select(assets.c.id).where(assets.c.tenant_id == tenant.tenant_id)).all()
    return len(made), len(kept), tenant.jobs()


def test_jobs_are_accepted_together_over_their_defaults(tenant: TenantClient) -> None:
    defaults = {"instruction": "animate this", "output": {"quality": "low"}, "metadata": {"a": "1", "b": "1"}}
    answer = post(
        tenant,
        {"metadata": {"b": "2"}, "external_id": "one"},
        {"instructions": ["x", "y"], "outputs": []},
        defaults=defaults,
        name="Autumn",
        metadata={"batch": "yes"},
    )
    assert answer.status_code == 202, answer.text
    batch = answer.json()
    Batch.model_validate(batch)
    assert answer.headers["location"] == f"/v1/batches/{batch['id']}"
    assert (batch["jobs"], batch["status"], batch["counts"]["queued"], batch["progress"]) == (2, "queued", 2, 0)
    first, second = jobs_of(tenant, batch)
    Job.model_validate(first)
    assert (first["batch"], first["instructions"], first["metadata"]) == (
        batch["id"],
        ["animate this"],
        {"a": "1", "b": "2"},
    )
    assert (first["external_id"], first["outputs"][0]["quality"], first["project"]) == ("one", "low", None)
    assert (second["instructions"], second["outputs"], second["metadata"]) == (["x", "y"], [], {"a": "1", "b": "1"})


@pytest.mark.parametrize("media_type", ["application/jsonl", "application/x-ndjson"])
def test_json_lines_are_a_job_a_line(tenant: TenantClient, media_type: str) -> None:
    head = {"batch": {"mode": "one_project", "defaults": {"language": "de"}}}
    lines = [head, {"instruction": "one"}, {"instruction": "two"}]
    body = "\n".join(json.dumps(line) for line in lines) + "\n\n"
    answer = tenant.post("/v1/batches", content=body, headers={"Content-Type": media_type})
    assert answer.status_code == 202, answer.text
    shown = jobs_of(tenant, answer.json())
    assert [(job["instructions"], job["language"]) for job in shown] == [(["one"], "de"), (["two"], "de")]
    bare = tenant.post("/v1/batches", content='{"instruction": "x"}', headers={"Content-Type": media_type})
    assert (bare.status_code, bare.json()["jobs"], bare.json()["mode"]) == (202, 1, "separate")


def test_jobs_of_one_project_run_in_their_order(tenant: TenantClient) -> None:
    batch = post(tenant, *({"instruction": str(n)} for n in range(40)), mode="one_project", name="Long").json()
    found = jobs_of(tenant, batch)
    assert [job["instructions"] for job in found] == [[str(n)] for n in range(40)]
    assert {job["project"] for job in found} == {batch["project"]}
    assert [job["waiting"]["reason"] for job in found] == ["its_turn", *["project_busy"] * 39]
    assert tenant.get(f"/v1/projects/{batch['project']}").json()["name"] == "Long"


def test_a_batch_goes_on_with_a_project_that_is_there(tenant: TenantClient, other_tenant: TenantClient) -> None:
    project = tenant.post("/v1/projects").json()["id"]
    batch = post(tenant, {"instruction": "x"}, mode="one_project", project=project).json()
    assert [job["project"] for job in jobs_of(tenant, batch)] == [project]
    assert_problem(post(other_tenant, {"instruction": "x"}, mode="one_project", project=project), 404, "not_found")
    assert_problem(post(tenant, {"instruction": "x"}, project=project), 422, "validation_failed")
    both = post(tenant, {"instruction": "x", "project": project}, mode="one_project", project=project)
    assert assert_problem(both, 422, "validation_failed")["errors"][0]["pointer"] == "/jobs/0/project"


def test_a_separate_job_keeps_the_project_that_it_names(tenant: TenantClient) -> None:
    project = tenant.post("/v1/projects").json()["id"]
    batch = post(tenant, {"project": project}, {}, {"project": project}, defaults={"instruction": "x"}).json()
    found = jobs_of(tenant, batch)
    assert (batch["project"], [job["project"] for job in found]) == (None, [project, None, project])
    assert [job["waiting"]["reason"] for job in found] == ["its_turn", "its_turn", "project_busy"]


@pytest.mark.parametrize(
    ("wishes", "defaults", "pointer"),
    [
        ([{"instruction": "x"}, {"instruction": 1}], {}, "/jobs/1/instruction"),
        ([{"instruction": "x"}, {}], {}, "/jobs/1"),
        ([{"instruction": "x", "colour": "red"}], {}, "/jobs/0/colour"),
        ([{"instruction": "x"}], {"output": {"quality": "best"}}, "/defaults/output/quality"),
        ([{"instruction": "x"}], {"jobs": []}, "/defaults/jobs"),
        ([{"instruction": "x", "inputs": ["ast_" + "0" * 26]}], {}, "/jobs/0/inputs/0"),
        ([{"instruction": "x"}, {"instruction": "x", "project": "prj_" + "0" * 26}], {}, "/jobs/1/project"),
        ([{"instruction": "x", "webhook_url": "http://10.0.0.1/"}], {}, "/jobs/0/webhook_url"),
        ([{"instruction": "x", "inputs": [{"url": "http://10.0.0.1/", "fetch": "upstream"}]}], {}, "/jobs/0/inputs/0"),
        ([{"instruction": "x"}, {"instruction": "x", "inputs": ["http://10.0.0.1/a.png"]}], {}, "/jobs/1/inputs/0"),
    ],
)
def test_one_bad_job_refuses_them_all_and_is_named(
    tenant: TenantClient, gateway: RunningGateway, wishes: Any, defaults: Any, pointer: str
) -> None:
    answer = post(tenant, *wishes, defaults=defaults)
    assert answer.status_code in {404, 422}, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert residue(gateway, tenant) == (0, 0, [])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"instruction": "x"}\n{', "json_invalid"),
        (b'{"batch": {"jobs": []}}\n{"instruction": "x"}', "validation_failed"),
        (b'{"batch": 1}\n{"instruction": "x"}', "validation_failed"),
        (b'{"batch": {}}', "validation_failed"),
        (b"", "validation_failed"),
        (b'"x"', "validation_failed"),
        (b'{"instruction": "x", "instruction": "y"}', "json_duplicate_key"),
        (b"\xff", "json_invalid"),
        (b'{"instruction": "x"}\n' * 1001, "validation_failed"),
        (b'{"instruction": "x"}\n' * 1002, "validation_failed"),
    ],
)
def test_lines_that_are_none_are_refused(tenant: TenantClient, gateway: RunningGateway, body: bytes, code: str) -> None:
    answer = tenant.post("/v1/batches", content=body, headers={"Content-Type": "application/jsonl"})
    assert answer.json()["code"] == code, answer.text
    assert residue(gateway, tenant) == (0, 0, [])


def test_at_most_twenty_faults_are_told(tenant: TenantClient) -> None:
    problem = assert_problem(post(tenant, *[{"instruction": 1}] * 60), 422, "validation_failed")
    assert len(problem["errors"]) == 20


def test_a_thousand_jobs_are_one_request(tenant: TenantClient) -> None:
    answer = post(tenant, *[{}] * 1000, defaults={"instruction": "animate this"})
    assert (answer.status_code, answer.json()["jobs"]) == (202, 1000)
    assert tenant.get(answer.headers["location"]).json()["counts"]["queued"] == 1000


def test_a_url_that_many_jobs_name_is_read_once(tenant: TenantClient) -> None:
    with RawServer(always(media.png(8, 8), content_type="image/png")) as source:
        url = f"{source.base_url}/a.png"
        batch = post(tenant, *[{"instruction": "x"}] * 5, defaults={"inputs": [url, url]}).json()
        assert len(source.requests) == 1
    inputs = [[one["asset"] for one in job["inputs"]] for job in jobs_of(tenant, batch)]
    assert [len(one) for one in inputs] == [2] * 5
    assert len({asset for one in inputs for asset in one}) == 1


def test_a_url_that_cannot_be_read_leaves_nothing(tenant: TenantClient, gateway: RunningGateway) -> None:
    before = gateway.files()
    with RawServer(always(media.png(9, 9), content_type="image/png")) as source:
        urls = [f"{source.base_url}/b.png", "http://127.0.0.1:1/missing.png"]
        answer = post(tenant, *({"instruction": "x", "inputs": [url]} for url in urls))
    assert answer.json()["errors"][0]["pointer"] == "/jobs/1/inputs/0"
    assert residue(gateway, tenant) == (0, 0, [])
    assert gateway.files() == before


def test_too_many_urls_to_read_are_refused(tenant: TenantClient) -> None:
    wishes = [{"instruction": "x", "inputs": [f"http://127.0.0.1:9/{n}.png"]} for n in range(101)]
    problem = assert_problem(post(tenant, *wishes), 422, "validation_failed")
    assert problem["errors"][0]["pointer"] == "/jobs/100/inputs/0"


def test_a_repeat_under_a_key_is_the_same_batch(tenant: TenantClient) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(tenant, {"instruction": "x"}, {"instruction": "y"}, key="k"), range(16)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert len(tenant.jobs()) == 2
    assert_problem(post(tenant, {"instruction": "z"}, key="k"), 422, "idempotency_key_reused")


def test_the_last_job_to_end_tells_of_the_end_once(tenant: TenantClient, gateway: RunningGateway) -> None:
    endpoint = tenant.post("/v1/webhook-endpoints", json={"url": "http://127.0.0.1:9/", "event_types": ["batch.*"]})
    assert endpoint.status_code == 201
    batch = post(tenant, *[{"instruction": "x", "output": None}] * 8, webhook_url="http://127.0.0.1:9/batch").json()
    ids = [job["id"] for job in jobs_of(tenant, batch)]
    gateway.driver.move(ids[0], Status.UPLOADING, Status.INSTRUCTING, progress=50)
    shown = tenant.get(f"/v1/batches/{batch['id']}").json()
    assert (shown["status"], shown["progress"], shown["counts"]["instructing"]) == ("running", 6, 1)
    gateway.driver.move(ids[0], Status.SUCCEEDED, progress=100)

    def end(job_id: str) -> None:
        gateway.driver.move(job_id, Status.FAILED, error=ERROR)

    with ThreadPoolExecutor(7) as pool:
        list(pool.map(end, ids[1:]))
    done = tenant.get(f"/v1/batches/{batch['id']}").json()
    assert (done["status"], done["progress"], done["links"]["cancel"]) == ("completed", 100, None)
    assert (done["counts"]["succeeded"], done["counts"]["failed"]) == (1, 7)
    with gateway.services.database.statement() as connection:
        told = connection.execute(
            select(job_events.c.job_id, job_events.c.seq, job_events.c.data).where(
                job_events.c.type == "batch.completed", job_events.c.tenant_id == tenant.tenant_id
            )
        ).all()
        [fed] = connection.execute(
            select(feed_events.c.payload, feed_events.c.url).where(
                feed_events.c.type == "batch.completed", feed_events.c.tenant_id == tenant.tenant_id
            )
        ).all()
        last_seq = connection.execute(select(jobs.c.event_seq).where(jobs.c.id == told[0].job_id)).scalar_one()
    [event] = told
    assert (event.seq, event.data["batch"]) == (last_seq, done)
    assert fed.url == "http://127.0.0.1:9/batch"
    body = json.loads(fed.payload)
    assert (body["type"], body["data"]["batch"]["id"], body["data"]["seq"]) == (
        "batch.completed",
        batch["id"],
        last_seq,
    )


def test_a_batch_is_canceled_whole(tenant: TenantClient, gateway: RunningGateway) -> None:
    batch = post(tenant, *[{"instruction": "x"}] * 3).json()
    first, second, third = (job["id"] for job in jobs_of(tenant, batch))
    gateway.driver.move(first, *TO_SUCCESS[:-1])
    gateway.driver.move(second, Status.FAILED, error=ERROR)
    answer = tenant.post(f"/v1/batches/{batch['id']}/cancel")
    assert (answer.status_code, answer.json()["cancel_requested_at"] is not None) == (202, True)
    assert [job["status"] for job in jobs_of(tenant, batch)] == ["saving", "failed", "canceled"]
    assert jobs_of(tenant, batch)[0]["cancel_requested_at"] is not None
    gateway.driver.move(first, Status.CANCELED)
    repeated = tenant.post(f"/v1/batches/{batch['id']}/cancel")
    assert (repeated.status_code, repeated.json()["status"]) == (200, "completed")
    assert third


def test_batches_are_listed_newest_first(tenant: TenantClient, other_tenant: TenantClient) -> None:
    made = [post(tenant, {"instruction": "x"}).json()["id"] for _ in range(3)]
    first = tenant.get("/v1/batches?limit=2").json()
    BatchList.model_validate(first)
    second = tenant.get(f"/v1/batches?limit=2&cursor={first['next_cursor']}").json()
    assert [one["id"] for one in first["data"] + second["data"]] == made[::-1]
    assert other_tenant.get("/v1/batches").json()["data"] == []
    assert other_tenant.get(f"/v1/jobs?batch={made[0]}").json()["data"] == []
