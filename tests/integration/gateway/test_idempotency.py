"""P16: a retry is safe. One key, one job, however many ask at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from fakes import media, uploads
from fakes.gateway import RunningGateway, TenantClient, assert_problem
from fakes.rawhttp import RawServer, always


def test_fifty_parallel_posts_with_one_key_make_one_job(tenant: TenantClient) -> None:
    def post(_: int) -> httpx.Response:
        return tenant.post("/v1/jobs", json={"instruction": "x"}, headers={"Idempotency-Key": "one"})

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(post, range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert len(tenant.jobs()) == 1


def test_parallel_uploads_with_one_key_make_one_job_whose_file_is_there(
    tenant: TenantClient, gateway: RunningGateway
) -> None:
    """Each of them brings the file; those that lose must not take it away from the one that won."""
    picture = media.png(40, 30)
    form = uploads.form(uploads.field_part("instruction", "x"), uploads.file_part("a.png", picture))
    headers = {"Idempotency-Key": "files", "Content-Type": form.content_type}

    def post(_: int) -> httpx.Response:
        return tenant.post("/v1/jobs", content=form.body, headers=headers)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(post, range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    kept = [one for one in gateway.files() if tenant.tenant_id in one]
    assert len(kept) == 1
    assert (gateway.root / kept[0]).read_bytes() == picture


def test_a_replay_is_answered_before_any_url_is_fetched_again(tenant: TenantClient) -> None:
    with RawServer(always(media.jpeg(), content_type="image/jpeg")) as source:
        document = {"instruction": "x", "inputs": [f"{source.base_url}/a.jpg"]}
        headers = {"Idempotency-Key": "fetched"}
        first = tenant.post("/v1/jobs", json=document, headers=headers)
        second = tenant.post("/v1/jobs", json=document, headers=headers)
        assert len(source.requests) == 1
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]


def test_json_and_a_form_that_say_the_same_are_the_same_request(tenant: TenantClient) -> None:
    headers = {"Idempotency-Key": "same"}
    first = tenant.post("/v1/jobs", json={"instructions": ["x"], "output": {"format": "mp4"}}, headers=headers)
    form = uploads.form(uploads.field_part("instruction", "x"), uploads.field_part("metadata", "{}"))
    second = tenant.post("/v1/jobs", content=form.body, headers={**headers, "Content-Type": form.content_type})
    assert (second.status_code, second.json()["id"]) == (202, first.json()["id"])


def test_another_body_under_the_key_leaves_no_file(tenant: TenantClient, gateway: RunningGateway) -> None:
    tenant.post("/v1/jobs", json={"instruction": "x"}, headers={"Idempotency-Key": "k"})
    files = gateway.files()
    form = uploads.form(uploads.field_part("instruction", "x"), uploads.file_part("a.png", media.png(50, 50)))
    response = tenant.post(
        "/v1/jobs", content=form.body, headers={"Idempotency-Key": "k", "Content-Type": form.content_type}
    )
    assert_problem(response, 422, "idempotency_key_reused")
    assert gateway.files() == files


@pytest.mark.parametrize("key", ["", "two words", "k" * 256])
def test_keys_out_of_form(tenant: TenantClient, key: str) -> None:
    response = tenant.post("/v1/jobs", json={"instruction": "x"}, headers={"Idempotency-Key": key})
    assert_problem(response, 400, "idempotency_key_invalid")
    assert tenant.jobs() == []
