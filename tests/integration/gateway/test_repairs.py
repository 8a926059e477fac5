"""Pictures that are not as NemoVideo takes them: repaired on the way in, and the answer says how."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes import media, uploads
from fakes.gateway import RunningGateway, TenantClient, assert_problem
from fakes.rawhttp import RawServer, always
from fakes.workshops import corners, noise, opened, photograph, saved, see_through
from reelqueue.files.repair import workshop as module
from reelqueue.gateway.schemas.documents import Asset, Job

HEIC = photograph("heic")
CONVERTED = {"kind": "converted", "from": "heic", "to": "jpg"}


def send(tenant: TenantClient, path: str, *files: tuple[str, bytes], key: str | None = None) -> httpx.Response:
    words = [uploads.field_part("instruction", "x")] if path == "/v1/jobs" else []
    form = uploads.form(*words, *(uploads.file_part(*file) for file in files))
    headers = {"Content-Type": form.content_type} | ({"Idempotency-Key": key} if key else {})
    return tenant.post(path, content=form.body, headers=headers)


def stored(gateway: RunningGateway, sha256: str) -> bytes:
    (path,) = (one for one in gateway.files() if one.endswith(sha256))
    return (gateway.root / path).read_bytes()


def test_an_upload_says_what_was_done_to_each_file(tenant: TenantClient, gateway: RunningGateway) -> None:
    answer = send(
        tenant,
        "/v1/assets",
        ("IMG_1.HEIC", HEIC),
        ("logo.avif", saved(see_through(), "avif")),
        ("photo.jpg", media.png()),
        ("as-it-is.png", media.png(9, 9)),
    )
    assert answer.status_code == 201, answer.text
    one, two, three, four = answer.json()["data"]
    assert [asset["label"] for asset in (one, two, three, four)] == [
        "IMG_1.jpg",
        "logo.png",
        "photo.png",
        "as-it-is.png",
    ]
    assert one["repairs"] == [CONVERTED, {"kind": "renamed", "from": "IMG_1.HEIC", "to": "IMG_1.jpg"}]
    assert [repair["kind"] for repair in two["repairs"]] == ["converted", "renamed"]
    assert three["repairs"] == [{"kind": "renamed", "from": "photo.jpg", "to": "photo.png"}]
    assert four["repairs"] == []
    assert one["media_type"] == "image/jpeg"
    assert one["source_sha256"] == hashlib.sha256(HEIC).hexdigest()
    content = stored(gateway, one["sha256"])
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (one["sha256"], one["bytes"])
    assert opened(content).format == "JPEG"
    assert four["source_sha256"] == four["sha256"]
    for asset in (one, two, three, four):
        Asset.model_validate(asset, strict=False)
        assert tenant.get(asset["links"]["self"]).json() == asset


def test_a_job_says_what_was_done_to_each_input(tenant: TenantClient) -> None:
    tiff = photograph("tiff")
    kept = send(tenant, "/v1/assets", ("scan.tif", tiff)).json()["data"][0]
    with RawServer(always(photograph("bmp"), content_type="image/bmp")) as source:
        form = uploads.form(
            uploads.field_part("instruction", "x"),
            uploads.field_part("inputs", f'["{kept["id"]}", "{source.base_url}/me.bmp"]'),
            uploads.file_part("photo.heic", HEIC),
        )
        answer = tenant.post("/v1/jobs", content=form.body, headers={"Content-Type": form.content_type})
    assert answer.status_code == 202, answer.text
    job = answer.json()
    Job.model_validate(job, strict=False)
    assert [[repair["from"] for repair in one["repairs"]] for one in job["inputs"]] == [
        ["tiff", "scan.tif"],
        ["bmp", "me.bmp"],
        ["heic", "photo.heic"],
    ]
    assert tenant.get(f"/v1/jobs/{job['id']}").json() == job


def test_every_job_of_a_batch_says_what_was_done_to_its_inputs(tenant: TenantClient) -> None:
    kept = send(tenant, "/v1/assets", ("scan.tif", photograph("tiff"))).json()["data"][0]
    with RawServer(always(HEIC, content_type="image/heic")) as source:
        one, two = f"{source.base_url}/one.heic", f"{source.base_url}/two.jpg"
        jobs = [{"instruction": "x", "inputs": inputs} for inputs in ([kept["id"], one], [two, kept["id"]])]
        answer = tenant.post("/v1/batches", json={"jobs": jobs})
    assert answer.status_code == 202, answer.text
    shown = {tuple(tuple(r["from"] for r in i["repairs"]) for i in job["inputs"]) for job in tenant.jobs()}
    assert shown == {(("tiff", "scan.tif"), ("heic", "one.heic")), (("heic",), ("tiff", "scan.tif"))}


def test_the_same_bytes_under_two_names_are_one_asset_and_each_answer_is_about_its_own_file(
    tenant: TenantClient,
) -> None:
    picture = media.png(14, 14)
    first = send(tenant, "/v1/assets", ("a.png", picture)).json()["data"][0]
    second = send(tenant, "/v1/assets", ("b.jpg", picture)).json()["data"][0]
    assert (second["id"], second["label"]) == (first["id"], "a.png")
    assert second["repairs"] == [{"kind": "renamed", "from": "b.jpg", "to": "b.png"}]
    assert tenant.get(first["links"]["self"]).json() == first
    job = send(tenant, "/v1/jobs", ("c.gif", picture)).json()
    assert job["inputs"][0]["asset"] == first["id"]
    assert job["inputs"][0]["repairs"] == [{"kind": "renamed", "from": "c.gif", "to": "c.png"}]


def test_a_picture_over_the_limit_is_made_smaller(run_gateway: Callable[..., RunningGateway]) -> None:
    gateway = run_gateway()
    gateway.services.__dict__["file_limits"] = type(gateway.services.file_limits)(max_file_bytes=100_000)
    with gateway.tenant() as tenant:
        content = saved(noise(400, 300), "png")
        job = send(tenant, "/v1/jobs", ("wall.png", content)).json()
        asset = tenant.get(f"/v1/assets/{job['inputs'][0]['asset']}").json()
        converted, scaled, renamed = job["inputs"][0]["repairs"]
        assert converted == {"kind": "converted", "from": "png", "to": "jpg"}
        assert scaled["from"] == {"bytes": len(content), "width": 400, "height": 300}
        assert scaled["to"] == {name: asset[name] for name in ("bytes", "width", "height")}
        assert renamed == {"kind": "renamed", "from": "wall.png", "to": "wall.jpg"}
        assert asset["bytes"] <= 100_000
        assert_problem(send(tenant, "/v1/assets", ("a.mp4", media.mp4() + bytes(100_000))), 413, "file_too_large")


def test_a_repeat_is_known_by_the_bytes_that_were_sent(tenant: TenantClient, gateway: RunningGateway) -> None:
    first = send(tenant, "/v1/jobs", ("a.heic", HEIC), key="k")
    files = gateway.files()
    workshop = gateway.services.workshop
    before = workshop._limits
    # As after an upgrade: the same picture becomes other bytes.
    workshop._limits = module.WorkshopLimits(quality=50)
    try:
        again = send(tenant, "/v1/jobs", ("a.heic", HEIC), key="k")
    finally:
        workshop._limits = before
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json()
    assert gateway.files() == files
    assert_problem(
        send(tenant, "/v1/jobs", ("a.heic", saved(corners(8, 8), "heic")), key="k"), 422, "idempotency_key_reused"
    )


def test_a_retry_still_says_what_was_done(tenant: TenantClient, gateway: RunningGateway) -> None:
    job = send(tenant, "/v1/jobs", ("a.heic", HEIC)).json()
    assert tenant.post(f"/v1/jobs/{job['id']}/cancel").status_code in (200, 202)
    again = tenant.post(f"/v1/jobs/{job['id']}/retry", json={})
    assert again.status_code == 202, again.text
    assert again.json()["inputs"][0]["repairs"] == job["inputs"][0]["repairs"] != []


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (HEIC.replace(b"hvc1", b"zzz1"), 422, "image_unreadable"),
        (HEIC[:-40], 422, "file_content_mismatch"),
        (media.png_head(10_001, 10_000), 422, "image_too_many_pixels"),
        (b"BM" + bytes(60), 422, "file_content_mismatch"),
    ],
)
def test_a_picture_that_cannot_be_repaired_leaves_nothing(
    tenant: TenantClient, gateway: RunningGateway, content: bytes, status: int, code: str
) -> None:
    files = gateway.files()
    for path in ("/v1/assets", "/v1/jobs"):
        problem = assert_problem(send(tenant, path, ("good.heic", HEIC), ("bad.heic", content)), status, code)
        assert problem["errors"][0]["pointer"] == "/files/1"
    assert tenant.jobs() == []
    assert gateway.files() == files


def test_no_place_is_503_with_a_time_to_come_back(
    run_gateway: Callable[..., RunningGateway], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stand_in.py").write_text("import time\ntime.sleep(600)")
    monkeypatch.setattr(module, "_CHILD", "stand_in")
    monkeypatch.setattr(module, "_ENVIRONMENT", {"PYTHONPATH": str(tmp_path)})
    gateway = run_gateway()
    limits = module.WorkshopLimits(at_once=1, queue=0, deadline_s=2.0)
    gateway.services.__dict__["workshop"] = module.Workshop(
        gateway.services.spool, limits=limits, clock=gateway.services.clock
    )
    with gateway.tenant() as tenant, ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: send(tenant, "/v1/assets", ("a.heic", HEIC)), range(3)))
        assert sorted(answer.json()["code"] for answer in answers) == [
            "image_unreadable",
            "repairs_unavailable",
            "repairs_unavailable",
        ]
        for answer in answers:
            if answer.status_code != 422:
                assert assert_problem(answer, 503, "repairs_unavailable")["retryable"]
                assert answer.headers["retry-after"] == "5"
        # What needs no repair is taken meanwhile and afterwards.
        assert send(tenant, "/v1/assets", ("a.png", media.png())).status_code == 201
    assert [one for one in gateway.files() if one.endswith(".part")] == []


def test_the_openapi_document_names_every_repair(tenant: TenantClient) -> None:
    schemas: dict[str, Any] = tenant.get("/openapi.json").json()["components"]["schemas"]
    for name in ("Asset", "JobInput"):
        items = schemas[name]["properties"]["repairs"]["items"]
        assert set(items["discriminator"]["mapping"]) == {"converted", "scaled", "renamed"}
    assert set(schemas["Scaled"]["properties"]) == {"kind", "from", "to"}
