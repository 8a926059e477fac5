"""`POST /v1/jobs`: what becomes a job, and what it then looks like."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from fakes import media, uploads
from fakes.gateway import RunningGateway, TenantClient, assert_problem, violations
from fakes.rawhttp import RawServer, always
from reelqueue.gateway.app import create_app
from reelqueue.gateway.schemas.documents import Job
from reelqueue.kit.clock import rfc3339

PUBLIC_URL = "https://8.8.8.8/photo.jpg"


def send_form(tenant: TenantClient, *parts: bytes, **headers: str) -> httpx.Response:
    form = uploads.form(*parts)
    return tenant.post("/v1/jobs", content=form.body, headers={"Content-Type": form.content_type, **headers})


def test_an_accepted_job_is_readable_at_once(tenant: TenantClient) -> None:
    response = tenant.submit(metadata={"order": "1042"}, external_id="abc", customer="acme", language="zh-CN")
    assert response.status_code == 202
    job = response.json()
    assert response.headers["location"] == f"/v1/jobs/{job['id']}"
    assert response.headers["retry-after"] == "5"
    assert response.headers["cache-control"] == "no-store"
    assert "idempotent-replayed" not in response.headers
    assert tenant.get(response.headers["location"]).json() == job
    assert (job["metadata"], job["external_id"], job["customer"]) == ({"order": "1042"}, "abc", "acme")
    assert (job["status"], job["language"]) == ("queued", "zh-CN")
    Job.model_validate_json(response.text, strict=False)


def test_several_instructions_and_no_export(tenant: TenantClient) -> None:
    response = tenant.post("/v1/jobs", json={"instructions": ["first", "then\nthis"], "output": None})
    assert response.json()["instructions"] == ["first", "then\nthis"]
    assert response.json()["outputs"] == []


PLANS = {("/start_by", "field_invalid"), ("/priority", "field_invalid")}


@pytest.mark.parametrize("as_form", [False, True])
def test_what_chooses_a_scenario_of_the_twin_is_text_like_any_other(tenant: TenantClient, as_form: bool) -> None:
    said = "[scenario: silent_edit]  animate this"
    field = uploads.field_part("instruction", said)
    response = send_form(tenant, field) if as_form else tenant.submit(instruction=said)
    assert response.json()["instructions"] == [said]


def test_what_curl_f_sends_makes_a_job_with_its_files_in_order(tenant: TenantClient, gateway: RunningGateway) -> None:
    response = send_form(
        tenant,
        uploads.file_part("one.png", media.png(), media_type="image/png"),
        uploads.field_part("instruction", "animate this photo"),
        uploads.file_part("two.jpg", media.jpeg(), media_type="image/jpeg"),
        uploads.field_part("metadata", '{"order":"7"}'),
        uploads.field_part("output", '{"quality":"medium"}'),
    )
    assert response.status_code == 202, response.text
    job = response.json()
    assert job["metadata"] == {"order": "7"}
    assert [(one["format"], one["quality"], one["status"]) for one in job["outputs"]] == [("mp4", "medium", "waiting")]
    labels = [tenant.get(f"/v1/assets/{one['asset']}").json()["label"] for one in job["inputs"]]
    assert labels == ["one.png", "two.jpg"]
    kept = [one for one in gateway.files() if tenant.tenant_id in one]
    assert len(kept) == 2
    assert not [one for one in gateway.files() if one.endswith(".part")]


def test_inputs_keep_the_order_they_were_named_in_and_files_follow(tenant: TenantClient) -> None:
    form = uploads.form(uploads.file_part("kept.png", media.png(16, 16)))
    kept = tenant.post("/v1/assets", content=form.body, headers={"Content-Type": form.content_type}).json()["data"][0]
    with RawServer(always(media.jpeg(), content_type="image/jpeg")) as source:
        inputs = [
            {"url": PUBLIC_URL, "fetch": "upstream"},
            {"url": f"{source.base_url}/fetched.jpg"},
            kept["id"],
            f"{source.base_url}/fetched.jpg",
        ]
        response = send_form(
            tenant,
            uploads.field_part("inputs", json.dumps(inputs)),
            uploads.field_part("instruction", "x"),
            uploads.file_part("sent.gif", media.gif()),
        )
    assert response.status_code == 202, response.text
    shown = response.json()["inputs"]
    assert [one["url"] for one in shown] == [PUBLIC_URL, None, None, None, None]
    assert shown[2]["asset"] == kept["id"]
    assert shown[1]["asset"] == shown[3]["asset"]  # the same bytes are the same asset
    assert tenant.get(f"/v1/assets/{shown[1]['asset']}").json()["kind"] == "image"
    assert tenant.get(f"/v1/assets/{shown[4]['asset']}").json()["label"] == "sent.gif"


@pytest.mark.parametrize(
    ("members", "status", "code", "pointer"),
    [
        ({"inputs": ["ast_" + "0" * 26]}, 404, "not_found", "/inputs/0"),
        ({"inputs": [{"asset": "../../etc"}]}, 404, "not_found", "/inputs/0"),
        ({"inputs": ["http://10.0.0.1/a.png"]}, 422, "destination_not_allowed", "/inputs/0"),
        ({"inputs": ["http://127.0.0.1:1/a.png"]}, 422, "source_unreachable", "/inputs/0"),
        ({"inputs": ["ftp://example.com/a.png"]}, 422, "url_invalid", "/inputs/0"),
        ({"inputs": [{"url": "http://[::1]/a.png", "fetch": "upstream"}]}, 422, "destination_not_allowed", "/inputs/0"),
        ({"webhook_url": "http://169.254.169.254/latest"}, 422, "destination_not_allowed", "/webhook_url"),
        ({"webhook_url": "not a url"}, 422, "url_invalid", "/webhook_url"),
        ({"inputs": ["https://8.8.8.8/a.png"] * 21}, 422, "validation_failed", "/inputs"),
        ({"finish_by": "2020-01-01T00:00:00Z"}, 422, "validation_failed", "/finish_by"),
        ({"start_by": "2020-01-01T00:00:00Z"}, 422, "validation_failed", "/start_by"),
    ],
)
def test_inputs_and_urls_that_cannot_be(
    tenant: TenantClient, gateway: RunningGateway, members: dict[str, Any], status: int, code: str, pointer: str
) -> None:
    files = gateway.files()
    problem = assert_problem(tenant.submit(**members), status, code)
    assert [one["pointer"] for one in problem["errors"]] == [pointer]
    assert tenant.jobs() == []
    assert gateway.files() == files


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, {("", "field_invalid")}),
        ({"instruction": "a", "instructions": ["b"]}, {("", "field_invalid")}),
        ({"instructions": []}, {("/instructions", "field_invalid")}),
        ({"instructions": ["x"] * 11}, {("/instructions", "field_invalid")}),
        ({"instructions": ["ok", "  "]}, {("/instructions/1", "field_invalid")}),
        ({"instruction": 7}, {("/instruction", "field_invalid")}),
        (
            {"instruction": "x", "rank": 1, "tenant": "b"},
            {("/rank", "field_unknown"), ("/tenant", "field_unknown")},
        ),
        ({"instruction": "x", "inputs": [{}]}, {("/inputs/0", "field_invalid")}),
        ({"instruction": "x", "inputs": [{"asset": "a", "url": "b"}]}, {("/inputs/0", "field_invalid")}),
        ({"instruction": "x", "inputs": [{"asset": "a", "fetch": "gateway"}]}, {("/inputs/0", "field_invalid")}),
        ({"instruction": "x", "inputs": [""]}, {("/inputs/0", "field_invalid")}),
        ({"instruction": "x", "inputs": [{"url": "b", "secret": 1}]}, {("/inputs/0/secret", "field_unknown")}),
        ({"instruction": "x", "output": {"format": "avi"}}, {("/output/format", "field_invalid")}),
        ({"instruction": "x", "outputs": [{}], "output": None}, {("", "field_invalid")}),
        ({"instruction": "x", "outputs": [{}, {"quality": "high"}]}, {("", "field_invalid")}),
        ({"instruction": "x", "outputs": [{}] * 7}, {("/outputs", "field_invalid")}),
        ({"instruction": "x", "outputs": [{"format": "mov"}]}, {("/outputs/0/format", "field_invalid")}),
        ({"instruction": "x", "metadata": {"a": 1}}, {("/metadata/a", "field_invalid")}),
        ({"instruction": "x", "metadata": {"k" * 41: "v"}}, {(f"/metadata/{'k' * 41}", "field_invalid")}),
        ({"instruction": "x", "metadata": {"a": "v" * 501}}, {("/metadata/a", "field_invalid")}),
        ({"instruction": "x", "metadata": {str(n): "" for n in range(51)}}, {("/metadata", "field_invalid")}),
        ({"instruction": "x", "external_id": "a\nb"}, {("/external_id", "field_invalid")}),
        ({"instruction": "x", "language": "english!"}, {("/language", "field_invalid")}),
        ({"instruction": "x", "finish_by": "tomorrow"}, {("/finish_by", "field_invalid")}),
        ({"instruction": "x", "finish_by": "2030-01-01T00:00:00"}, {("/finish_by", "field_invalid")}),
        ({"instruction": "x", "start_by": "soon", "priority": "urgent"}, PLANS),
        ({"instruction": "x", "priority": 1}, {("/priority", "field_invalid")}),
        ({"instruction": "x", "metadata": {"a": "b\u202ec"}}, {("/metadata/a", "text_control_characters")}),
    ],
)
def test_each_violation_is_pointed_to(
    tenant: TenantClient, document: dict[str, Any], expected: set[tuple[str, str]]
) -> None:
    assert violations(tenant.post("/v1/jobs", json=document)) == expected
    assert tenant.jobs() == []


@pytest.mark.parametrize(
    ("part", "status", "code"),
    [
        (uploads.field_part("metadata", "{'a': 1}"), 400, "json_invalid"),
        (uploads.field_part("metadata", '{"a":"1","a":"2"}'), 400, "json_duplicate_key"),
        (uploads.field_part("metadata", '{"a":"\\u202e"}'), 422, "validation_failed"),
        (uploads.field_part("metadata", "[" * 40 + "]" * 40), 422, "validation_failed"),
        (uploads.field_part("external_id", "a\u0007b"), 422, "validation_failed"),
        (uploads.field_part("nonsense", "1"), 422, "validation_failed"),
        (uploads.field_part("inputs", "https://example.com/a.png"), 400, "json_invalid"),
        (uploads.file_part("a.exe", b"MZ"), 415, "file_type_not_allowed"),
        (uploads.file_part("a.png", b"GIF89a"), 422, "file_content_mismatch"),
        (uploads.file_part("a.png", b""), 422, "file_empty"),
        (uploads.file_part("a.png", media.png(), name="picture"), 422, "validation_failed"),
    ],
)
def test_a_form_that_cannot_be_leaves_nothing(
    tenant: TenantClient, gateway: RunningGateway, part: bytes, status: int, code: str
) -> None:
    files = gateway.files()
    good = uploads.file_part("good.png", media.png())
    response = send_form(tenant, good, uploads.field_part("instruction", "x"), part)
    problem = assert_problem(response, status, code)
    if problem["errors"]:
        assert all(one["pointer"].startswith("/") for one in problem["errors"])
    assert tenant.jobs() == []
    assert gateway.files() == files


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": ""},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "application/json", "Content-Encoding": "identity, br"},
    ],
)
def test_media_types_that_are_not_taken(tenant: TenantClient, headers: dict[str, str]) -> None:
    response = tenant.post("/v1/jobs", content=b'{"instruction":"x"}', headers=headers)
    assert_problem(response, 415, "media_type_not_supported")


def test_a_charset_that_says_utf8_is_taken(tenant: TenantClient) -> None:
    headers = {"Content-Type": 'application/json; charset="UTF-8"', "Content-Encoding": "identity"}
    assert tenant.post("/v1/jobs", content=b'{"instruction":"x"}', headers=headers).status_code == 202


def test_times_are_kept_in_utc(tenant: TenantClient) -> None:
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    local = moment.astimezone(tz=None).isoformat()
    assert tenant.job(finish_by=local)["finish_by"] == rfc3339(moment)


def test_the_files_are_durable_before_the_rows(tenant: TenantClient, gateway: RunningGateway) -> None:
    """P1: nothing may name a file that is not there yet."""
    services = gateway.services
    seen: list[bool] = []

    class Watching:
        def accept(self, new: Any) -> Any:
            seen.extend(services.blobs.exists(one.asset.blob_key) for one in new.inputs)
            return services.intake.accept(new)

        def replay(self, tenant_id: str, idempotency: Any) -> Any:
            return services.intake.replay(tenant_id, idempotency)

    submission = gateway.app.state.gateway.submission
    intake, submission._intake = submission._intake, Watching()
    try:
        response = send_form(
            tenant, uploads.field_part("instruction", "x"), uploads.file_part("a.png", media.png(24, 24))
        )
    finally:
        submission._intake = intake
    assert response.status_code == 202
    assert seen == [True]


def test_making_an_application_does_nothing_yet(gateway: RunningGateway) -> None:
    """No connection, no thread: those belong to starting it."""
    import threading

    before = threading.active_count()
    create_app(gateway.services)
    assert threading.active_count() == before
