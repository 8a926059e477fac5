"""P2: no 202, no trace. Whatever breaks, and wherever the client leaves."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from fakes import media, uploads
from fakes.gateway import RunningGateway, TenantClient, assert_problem
from fakes.rawclient import request
from fixtures.eventually import Eventually
from reelqueue.dev.postgres import EmbeddedPostgres
from reelqueue.files.spool import RawFile, Spool, open_exclusive

LARGE_PNG = media.png(300, 300, between=media.png_chunk(b"prVt", bytes(200_000)))
PICTURE = uploads.form(uploads.field_part("instruction", "x"), uploads.file_part("a.png", LARGE_PNG))


def post_picture(tenant: TenantClient) -> httpx.Response:
    return tenant.post("/v1/jobs", content=PICTURE.body, headers={"Content-Type": PICTURE.content_type})


@pytest.fixture
def no_database(gateway_database: str, postgres_cluster: EmbeddedPostgres) -> Iterator[Callable[[], None]]:
    """Call it and the database refuses every connection, as one that is being restored does."""
    name = gateway_database.rpartition("/")[2].partition("?")[0]
    admin = gateway_database.replace(name, "postgres")

    def allow(word: str) -> None:
        with psycopg.connect(admin, autocommit=True) as link:
            link.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {word}")
            link.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

    yield lambda: allow("false")
    allow("true")


def test_database_down_is_503_before_any_file_is_kept(
    tenant: TenantClient, gateway: RunningGateway, no_database: Callable[[], None], eventually: Eventually
) -> None:
    tenant.job()  # the key is remembered: the request gets as far as the body
    files = gateway.files()
    no_database()
    for response in (
        post_picture(tenant),
        tenant.submit(),
        tenant.submit(inputs=["https://8.8.8.8/a.png"]),
        tenant.get("/v1/jobs"),
        tenant.get("/v1/jobs/job_" + "0" * 26),
    ):
        assert_problem(response, 503, "service_unavailable")
        assert int(response.headers["retry-after"]) >= 1
    assert gateway.files() == files
    assert tenant.get("/readyz").json()["checks"]["database"] == "down"
    assert tenant.get("/healthz").status_code == 200


def test_after_an_outage_everything_works_again(tenant: TenantClient, eventually: Eventually) -> None:
    eventually(lambda: tenant.get("/readyz").status_code == 200)
    eventually(lambda: post_picture(tenant).status_code == 202)


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.99])
def test_a_client_that_leaves_in_the_middle_leaves_nothing(
    tenant: TenantClient, gateway: RunningGateway, share: float, eventually: Eventually
) -> None:
    files = gateway.files()
    head = [("Authorization", f"Bearer {tenant.key}"), ("Content-Type", PICTURE.content_type)]
    data = request("POST", "/v1/jobs", head, PICTURE.body)
    cut = len(data) - len(PICTURE.body) + int(len(PICTURE.body) * share)
    with socket.create_connection(gateway.address) as sock:
        sock.sendall(data[:cut])
        if share > 0.2:
            eventually(lambda: gateway.files() != files)  # it has begun to arrive
    eventually(lambda: gateway.files() == files)
    assert tenant.jobs() == []


class FullDisk:
    """Opens files that take so many bytes, and then the disk is full."""

    def __init__(self, room: int) -> None:
        self.room = room

    def __call__(self, path: Path) -> RawFile:
        return _Filling(open_exclusive(path), self)


class _Filling:
    def __init__(self, raw: RawFile, disk: FullDisk) -> None:
        self._raw = raw
        self._disk = disk

    def write(self, data: memoryview, /) -> int | None:
        if len(data) > self._disk.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._disk.room -= len(data)
        return self._raw.write(data)

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()


@pytest.mark.parametrize("room", [0, 200])
def test_disk_full_is_507(run_gateway: Callable[..., RunningGateway], tmp_path: Path, room: int) -> None:
    gateway = run_gateway(root=tmp_path)
    gateway.services.__dict__["storage"] = type(gateway.services.storage)(
        spool=Spool(gateway.root, open_raw=FullDisk(room)), blobs=gateway.services.storage.blobs
    )
    with gateway.tenant() as tenant:
        response = post_picture(tenant)
        assert_problem(response, 507, "storage_full")
        assert "retry-after" in response.headers
        assert tenant.jobs() == []
    assert gateway.files() == []


def test_a_store_that_is_full_takes_back_what_it_kept_for_the_request(
    tenant: TenantClient, gateway: RunningGateway
) -> None:
    shelf = gateway.app.state.gateway.submission._shelf
    real, files = shelf._blobs, gateway.files()

    class FullAfterOne:
        kept = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def keep(self, spooled: Any, key: str) -> None:
            from reelqueue.errors import StorageFull

            if self.kept:
                raise StorageFull
            self.kept += 1
            real.keep(spooled, key)

    shelf._blobs = FullAfterOne()
    try:
        form = uploads.form(
            uploads.field_part("instruction", "x"),
            uploads.file_part("a.png", media.png(31, 31)),
            uploads.file_part("b.png", media.png(32, 32)),
        )
        response = tenant.post("/v1/jobs", content=form.body, headers={"Content-Type": form.content_type})
    finally:
        shelf._blobs = real
    assert_problem(response, 507, "storage_full")
    assert gateway.files() == files


def test_an_oversized_body_is_refused_before_it_is_read(tenant: TenantClient, gateway: RunningGateway) -> None:
    limit = gateway.services.settings.gateway.json_body_bytes
    head = [
        ("Authorization", f"Bearer {tenant.key}"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(limit + 1)),
    ]
    with socket.create_connection(gateway.address, timeout=20) as sock:
        sock.sendall(request("POST", "/v1/jobs", head))
        assert sock.recv(65_536).startswith(b"HTTP/1.1 413")


def test_an_oversized_body_without_a_length_is_refused_as_it_passes_the_limit(tenant: TenantClient) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(64):
            sent += 65_536
            yield b" " * 65_536

    response = tenant.post("/v1/jobs", content=chunks(), headers={"Content-Type": "application/json"})
    problem = assert_problem(response, 413, "body_too_large")
    assert problem["limit_bytes"] == 1_048_576


@pytest.mark.parametrize(("start", "limit"), [(media.mp4(), 20_000_000), (media.png(), 100_000_000)])
def test_an_oversized_file_is_refused_while_it_streams(
    tenant: TenantClient, gateway: RunningGateway, start: bytes, limit: int
) -> None:
    files = gateway.files()
    head = uploads.form(uploads.file_part("a.png", start)).body

    def chunks() -> Iterator[bytes]:
        yield head[: head.rindex(b"\r\n--")]
        for _ in range(limit // 65_536 + 2):
            yield b"\0" * 65_536

    response = tenant.post("/v1/jobs", content=chunks(), headers={"Content-Type": PICTURE.content_type})
    assert assert_problem(response, 413, "file_too_large")["limit_bytes"] == limit
    assert gateway.files() == files


def test_a_body_that_comes_too_slowly_is_408(run_gateway: Callable[..., RunningGateway]) -> None:
    gateway = run_gateway(max_body_s=0.3)
    with gateway.tenant() as tenant:
        for content_type, body in (("application/json", b'{"instruction"'), (PICTURE.content_type, PICTURE.body[:600])):
            head = [
                ("Authorization", f"Bearer {tenant.key}"),
                ("Content-Type", content_type),
                ("Content-Length", "5000"),
            ]
            with socket.create_connection(gateway.address, timeout=20) as sock:
                sock.sendall(request("POST", "/v1/jobs", head) + body)
                assert sock.recv(65_536).startswith(b"HTTP/1.1 408")
        assert tenant.jobs() == []
    assert gateway.files() == []
