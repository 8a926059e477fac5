"""`GET /v1/jobs/{id}/result`."""

from __future__ import annotations

import hashlib
import random
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from fakes.gateway import RunningGateway, TenantClient, assert_problem
from fakes.gateway_jobs import TO_SUCCESS
from fakes.rawclient import request
from fixtures.eventually import Eventually
from reelqueue.domain.jobs import Status
from reelqueue.files.keys import result_key
from reelqueue.gateway.schemas.documents import Job as JobDocument

VIDEO = random.Random(7).randbytes(200_001)
SHA256 = hashlib.sha256(VIDEO).hexdigest()
ETAG = f'"{SHA256}"'


def finish(tenant: TenantClient, gateway: RunningGateway, video: bytes) -> str:
    """A job that made this video; the path of its result."""
    job = tenant.job()["id"]
    key = result_key(tenant.tenant_id, job)
    keep(gateway, key, video)
    gateway.driver.succeed(job, blob_key=key, sha256=hashlib.sha256(video).hexdigest(), size=len(video))
    result = tenant.get(f"/v1/jobs/{job}").json()["result"]
    assert "blob_key" not in result
    return str(result["url"])


def keep(gateway: RunningGateway, key: str, video: bytes) -> None:
    spooled = gateway.services.spool.receive(max_bytes=len(video))
    spooled.write(video)
    spooled.finish()
    gateway.services.blobs.keep(spooled, key)


@pytest.fixture
def done(tenant: TenantClient, gateway: RunningGateway) -> str:
    return finish(tenant, gateway, VIDEO)


def open_files(job: str) -> list[str]:
    """What this process, in which the gateway runs, has open of a job's result."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.append(str(link.readlink()))
    return [name for name in found if job in name]


def test_the_whole_file(tenant: TenantClient, done: str) -> None:
    response = tenant.get(done)
    assert response.status_code == 200
    assert response.content == VIDEO
    job = done.split("/")[3]
    assert response.headers["content-type"] == "video/mp4"
    assert response.headers["content-disposition"] == f'attachment; filename="{job}.mp4"'
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["etag"] == ETAG
    assert response.headers["accept-ranges"] == "bytes"
    assert "no-cache" in response.headers["cache-control"]


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199999", 100, 200_000),
        ("bytes=200000-", 200_000, 200_001),
        ("bytes=-5", 199_996, 200_001),
        ("bytes=-9999999", 0, 200_001),
        ("bytes=5-99999999999", 5, 200_001),
    ],
)
def test_a_part(tenant: TenantClient, done: str, asked: str, start: int, end: int) -> None:
    response = tenant.get(done, headers={"Range": asked})
    assert response.status_code == 206
    assert response.headers["content-range"] == f"bytes {start}-{end - 1}/{len(VIDEO)}"
    assert response.headers["content-length"] == str(end - start)
    assert response.content == VIDEO[start:end]


@pytest.mark.parametrize("asked", ["bytes=0-,0-,0-", "bytes=5-4", "bytes=-", "lines=1-2", "bytes=a-b"])
def test_ranges_that_are_ignored(tenant: TenantClient, done: str, asked: str) -> None:
    response = tenant.get(done, headers={"Range": asked})
    assert (response.status_code, response.content) == (200, VIDEO)


@pytest.mark.parametrize("asked", ["bytes=200001-", "bytes=-0", "bytes=999999-1000000"])
def test_a_range_behind_the_end(tenant: TenantClient, done: str, asked: str) -> None:
    response = tenant.get(done, headers={"Range": asked})
    assert_problem(response, 416, "range_not_satisfiable")
    assert response.headers["content-range"] == f"bytes */{len(VIDEO)}"


def test_conditions(tenant: TenantClient, done: str) -> None:
    assert tenant.get(done, headers={"If-None-Match": ETAG}).status_code == 304
    assert tenant.get(done, headers={"If-None-Match": f'"other", W/{ETAG}'}).status_code == 304
    assert tenant.get(done, headers={"If-None-Match": '"other"'}).status_code == 200
    part = {"Range": "bytes=0-9"}
    assert tenant.get(done, headers={**part, "If-Range": ETAG}).status_code == 206
    assert tenant.get(done, headers={**part, "If-Range": '"other"'}).content == VIDEO


def test_head_says_what_get_would_send(tenant: TenantClient, done: str) -> None:
    response = tenant.head(done)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == str(len(VIDEO))
    assert response.headers["etag"] == ETAG
    assert tenant.head(done, headers={"Range": "bytes=0-9"}).headers["content-length"] == "10"


@pytest.mark.parametrize("leaves", [True, False])
def test_a_client_that_leaves_or_stops_reading_holds_no_file_open(
    tenant: TenantClient,
    gateway: RunningGateway,
    leaves: bool,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("reelqueue.gateway.protocol.UNREAD_S", 60.0 if leaves else 0.3)
    url = finish(tenant, gateway, bytes(30_000_000))
    with socket.create_connection(gateway.address) as sock:
        sock.sendall(request("GET", url, [("Authorization", f"Bearer {tenant.key}")]))
        eventually(lambda: open_files(url.split("/")[3]))
        if not leaves:
            eventually(lambda: not open_files(url.split("/")[3]))
    eventually(lambda: not open_files(url.split("/")[3]))


def test_not_ready_is_409_and_gone_is_410(tenant: TenantClient, gateway: RunningGateway, done: str) -> None:
    job = tenant.job()["id"]
    problem = assert_problem(tenant.get(f"/v1/jobs/{job}/result"), 409, "state_conflict")
    assert problem["job_status"] == "queued"
    gateway.driver.move(job, *TO_SUCCESS[:3])
    assert_problem(tenant.get(f"/v1/jobs/{job}/result"), 409, "state_conflict")
    gateway.services.blobs.delete(result_key(tenant.tenant_id, done.split("/")[3]))
    assert_problem(tenant.get(done), 410, "result_gone")
    assert tenant.head(done).status_code == 410


def test_another_tenant_finds_nothing(other_tenant: TenantClient, done: str) -> None:
    assert_problem(other_tenant.get(done), 404, "not_found")
    assert other_tenant.head(done).status_code == 404


def test_an_output_is_fetched_by_its_number(tenant: TenantClient, done: str) -> None:
    job = done.removesuffix("/result")
    [output] = tenant.get(job).json()["outputs"]
    assert output["status"] == "succeeded"
    assert output["result"]["url"] == f"{job}/outputs/1/result"
    response = tenant.get(f"{job}/outputs/1/result", headers={"Range": "bytes=10-19"})
    assert (response.status_code, response.content, response.headers["etag"]) == (206, VIDEO[10:20], ETAG)
    assert response.headers["content-disposition"].endswith('-1.mp4"')


@pytest.mark.parametrize("number", ["0", "2", "01", "-1", "x"])
def test_an_output_that_the_job_does_not_have_is_not_found(tenant: TenantClient, done: str, number: str) -> None:
    assert_problem(tenant.get(f"{done.removesuffix('/result')}/outputs/{number}/result"), 404, "not_found")


def test_an_output_that_is_not_there_yet_is_a_conflict(tenant: TenantClient) -> None:
    assert tenant.get(f"/v1/jobs/{tenant.job()['id']}/outputs/1/result").status_code == 409


# --- what arrived after the job had ended -----------------------------------------------------------------------------


@pytest.fixture
def late(tenant: TenantClient, gateway: RunningGateway) -> str:
    """A canceled job whose file arrived; the path of the job."""
    job = tenant.job()["id"]
    key = result_key(tenant.tenant_id, job)
    keep(gateway, key, VIDEO)
    gateway.driver.move(job, *TO_SUCCESS[:3], Status.CANCELED)
    gateway.driver.recover(job, tenant.tenant_id, blob_key=key, sha256=SHA256, size=len(VIDEO))
    return f"/v1/jobs/{job}"


def test_a_file_that_arrived_is_in_the_document_and_is_served(tenant: TenantClient, late: str) -> None:
    job = tenant.get(late).json()
    JobDocument.model_validate(job)
    assert (job["status"], job["result"], job["recovered"]["version"]) == ("canceled", None, None)
    [output] = job["recovered"]["outputs"]
    assert output == {"output": 1, "result": job["recovered"]["result"]}
    assert output["result"]["url"] == f"{late}/outputs/1/result"
    assert job["links"]["result"] == f"{late}/result"
    for url in (job["links"]["result"], output["result"]["url"]):
        response = tenant.get(url)
        assert (response.status_code, response.content, response.headers["etag"]) == (200, VIDEO, ETAG)
    assert tenant.get(late).json()["outputs"][0]["status"] == "canceled"


def test_a_file_that_arrived_is_gone_when_its_time_is_over(
    tenant: TenantClient, gateway: RunningGateway, late: str
) -> None:
    gateway.driver.expire(late.rpartition("/")[2])
    for url in (f"{late}/result", f"{late}/outputs/1/result"):
        assert_problem(tenant.get(url), 410, "result_gone")
        assert tenant.head(url).status_code == 410
    job = tenant.get(late).json()
    assert job["links"]["result"] is None
    assert job["recovered"]["result"]["sha256"] == SHA256


def test_a_file_that_arrived_is_another_tenants_secret(other_tenant: TenantClient, late: str) -> None:
    for url in (f"{late}/result", f"{late}/outputs/1/result"):
        assert_problem(other_tenant.get(url), 404, "not_found")


def test_where_nothing_arrived_there_is_nothing(tenant: TenantClient, gateway: RunningGateway) -> None:
    job = tenant.job()["id"]
    gateway.driver.move(job, *TO_SUCCESS[:3], Status.CANCELED)
    assert tenant.get(f"/v1/jobs/{job}").json()["recovered"] is None
    assert_problem(tenant.get(f"/v1/jobs/{job}/result"), 409, "state_conflict")
