"""`/v1/assets`."""

from __future__ import annotations

import httpx
import pytest

from fakes import media, uploads
from fakes.gateway import RunningGateway, TenantClient, assert_problem, violations
from fakes.rawhttp import RawServer, always
from reelqueue.gateway.schemas.documents import Asset


def upload(tenant: TenantClient, *parts: bytes) -> httpx.Response:
    form = uploads.form(*parts)
    return tenant.post("/v1/assets", content=form.body, headers={"Content-Type": form.content_type})


def test_uploads_are_kept_shown_listed_and_deleted(tenant: TenantClient, gateway: RunningGateway) -> None:
    files = gateway.files()
    response = upload(tenant, uploads.file_part("a.png", media.png(20, 10)), uploads.file_part("b.jpg", media.jpeg()))
    assert response.status_code == 201
    first, second = response.json()["data"]
    Asset.model_validate(first, strict=False)
    assert (first["kind"], first["width"], first["height"]) == ("image", 20, 10)
    assert tenant.get(first["links"]["self"]).json() == first
    listed = tenant.get("/v1/assets?limit=1").json()
    assert listed["data"] == [second]
    assert tenant.get(f"/v1/assets?limit=1&cursor={listed['next_cursor']}").json()["data"] == [first]
    assert len(gateway.files()) == len(files) + 2
    for asset in (first, second):
        assert tenant.delete(asset["links"]["self"]).status_code == 204
        assert_problem(tenant.get(asset["links"]["self"]), 404, "not_found")
        assert_problem(tenant.delete(asset["links"]["self"]), 404, "not_found")
    assert gateway.files() == files


def test_the_same_bytes_are_the_same_asset_for_one_tenant_only(
    tenant: TenantClient, other_tenant: TenantClient
) -> None:
    part = uploads.file_part("a.png", media.png(21, 10))
    once, again = upload(tenant, part, part).json()["data"]
    assert once == again
    theirs = upload(other_tenant, part).json()["data"][0]
    assert theirs["id"] != once["id"]
    assert tenant.delete(once["links"]["self"]).status_code == 204
    # Theirs is whole: another tenant's copy is another file.
    assert other_tenant.submit(inputs=[theirs["id"]]).status_code == 202


def test_two_names_for_the_same_bytes_share_the_file_until_both_are_gone(
    tenant: TenantClient, gateway: RunningGateway
) -> None:
    files = gateway.files()
    photo = media.jpeg(17, 17)
    one, two = upload(tenant, uploads.file_part("a.jpg", photo), uploads.file_part("a.jpeg", photo)).json()["data"]
    assert one["id"] != two["id"]
    tenant.delete(one["links"]["self"])
    assert len(gateway.files()) == len(files) + 1
    tenant.delete(two["links"]["self"])
    assert gateway.files() == files


def test_from_a_url(tenant: TenantClient) -> None:
    with RawServer(always(media.jpeg(9, 9), content_type="image/jpeg")) as source:
        response = tenant.post("/v1/assets", json={"url": f"{source.base_url}/pics/me.jpg"})
    assert response.status_code == 201, response.text
    assert response.headers["location"] == response.json()["links"]["self"]
    assert response.json()["label"] == "me.jpg"


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("http://192.168.0.1/a.png", 422, "destination_not_allowed"),
        ("http://127.0.0.1:1/a.png", 422, "source_unreachable"),
        ("file:///etc/passwd", 422, "url_invalid"),
    ],
)
def test_urls_that_cannot_be(tenant: TenantClient, gateway: RunningGateway, url: str, status: int, code: str) -> None:
    files = gateway.files()
    problem = assert_problem(tenant.post("/v1/assets", json={"url": url}), status, code)
    assert problem["errors"][0]["pointer"] == "/url"
    assert url not in problem["detail"]
    assert gateway.files() == files


def test_a_url_that_gives_no_picture(tenant: TenantClient, gateway: RunningGateway) -> None:
    files = gateway.files()
    with RawServer(always(b"<html>login</html>", content_type="text/html")) as source:
        response = tenant.post("/v1/assets", json={"url": f"{source.base_url}/a.png"})
    assert response.status_code in (415, 422)
    assert gateway.files() == files


def test_a_form_without_files_or_with_other_fields(tenant: TenantClient, gateway: RunningGateway) -> None:
    files = gateway.files()
    assert violations(upload(tenant)) == {("/files", "field_missing")}
    response = upload(tenant, uploads.file_part("a.png", media.png(22, 22)), uploads.field_part("note", "x"))
    assert violations(response) == {("/note", "field_unknown")}
    assert gateway.files() == files


def test_an_asset_in_use_stays(tenant: TenantClient, gateway: RunningGateway) -> None:
    asset = upload(tenant, uploads.file_part("a.png", media.png(23, 23))).json()["data"][0]
    tenant.job(inputs=[asset["id"]])
    assert_problem(tenant.delete(asset["links"]["self"]), 409, "state_conflict")
    assert tenant.get(asset["links"]["self"]).status_code == 200
