"""One promise, several stores: every store passes the same tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from obstore.exceptions import GenericError
from obstore.store import LocalStore, MemoryStore, S3Store

from reelqueue.errors import DependencyUnavailable, StorageFull
from reelqueue.files.blobs import CHUNK, BlobMissing, BlobStore
from reelqueue.files.keys import asset_key, result_key, tenant_prefix
from reelqueue.files.local import LocalBlobs
from reelqueue.files.remote import RemoteBlobs
from reelqueue.files.spool import RawFile, Spool, SpooledFile

KEY = result_key("ten_1", "job_1")
SHA = "ab" + "0" * 62


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path)


@pytest.fixture(params=["local", "memory", "directory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, spool: Spool) -> BlobStore:
    if request.param == "local":
        return LocalBlobs(tmp_path)
    objects = tmp_path / "objects"
    objects.mkdir()
    store = MemoryStore() if request.param == "memory" else LocalStore(prefix=objects)
    return RemoteBlobs(store, spool)


def arrived(spool: Spool, content: bytes) -> SpooledFile:
    spooled = spool.receive(max_bytes=100_000_000)
    spooled.write(content)
    spooled.finish()
    return spooled


def temporary(spool: Spool) -> list[Path]:
    return list(spool.directory.glob("*")) if spool.directory.exists() else []


def test_keeping_takes_the_file(blobs: BlobStore, spool: Spool):
    with arrived(spool, b"hello") as spooled:
        blobs.keep(spooled, KEY)
        assert temporary(spool) == []
    assert blobs.exists(KEY)
    assert blobs.size(KEY) == 5
    assert b"".join(blobs.open_range(KEY, 0, 5)) == b"hello"


def test_keeping_the_same_again_changes_nothing(blobs: BlobStore, spool: Spool):
    key = asset_key("ten_1", SHA)
    for _ in range(2):
        blobs.keep(arrived(spool, b"same"), key)
        assert b"".join(blobs.open_range(key, 0, 99)) == b"same"
    assert temporary(spool) == []


def test_only_a_finished_file_is_kept(blobs: BlobStore, spool: Spool):
    with spool.receive(max_bytes=10) as spooled:
        spooled.write(b"half")
        with pytest.raises(ValueError, match="not finished"):
            blobs.keep(spooled, KEY)
    assert not blobs.exists(KEY)


def test_ranges(blobs: BlobStore, spool: Spool):
    content = bytes(range(256)) * 1_024
    blobs.keep(arrived(spool, content), KEY)
    size = len(content)
    for start, end in [
        (0, 1),
        (0, size),
        (5, 70_000),
        (size - 1, size),
        (size - 3, size + 9),
        (7, 7),
        (size, size + 1),
    ]:
        chunks = list(blobs.open_range(KEY, start, end))
        assert b"".join(chunks) == content[start:end]
        assert all(0 < len(chunk) <= CHUNK for chunk in chunks)


def test_a_large_file_goes_up_in_parts(blobs: BlobStore, spool: Spool):
    content = bytes(20_000_000) + b"end"
    blobs.keep(arrived(spool, content), KEY)
    assert blobs.size(KEY) == len(content)
    assert b"".join(blobs.open_range(KEY, 19_999_990, 20_000_003)) == bytes(10) + b"end"


@pytest.mark.parametrize(
    "ask",
    [
        lambda blobs: blobs.size(KEY),
        lambda blobs: blobs.open_range(KEY, 0, 1),
        lambda blobs: blobs.fetch_to(KEY).__enter__(),
    ],
)
def test_what_was_never_kept(blobs: BlobStore, ask: Callable[[BlobStore], object]):
    assert not blobs.exists(KEY)
    with pytest.raises(BlobMissing):
        ask(blobs)


def test_deleting(blobs: BlobStore, spool: Spool):
    blobs.keep(arrived(spool, b"x"), KEY)
    blobs.delete(KEY)
    blobs.delete(KEY)
    assert not blobs.exists(KEY)


def test_a_path_for_as_long_as_it_is_needed(blobs: BlobStore, spool: Spool):
    blobs.keep(arrived(spool, b"hello"), KEY)
    with blobs.fetch_to(KEY) as path:
        assert path.read_bytes() == b"hello"
    assert temporary(spool) == []
    assert blobs.exists(KEY)


def test_where_it_can_be_read_in_place(blobs: BlobStore, spool: Spool):
    blobs.keep(arrived(spool, b"hello"), KEY)
    path = blobs.local_path(KEY)
    assert path is None if isinstance(blobs, RemoteBlobs) else (path is not None and path.read_bytes() == b"hello")


def test_listing_a_tenant(blobs: BlobStore, spool: Spool):
    keys = {asset_key("ten_1", SHA): 3, KEY: 5, result_key("ten_1", "job_1", number=2): 0}
    for key, size in keys.items():
        blobs.keep(arrived(spool, bytes(size)), key)
    blobs.keep(arrived(spool, b"other"), result_key("ten_12", "job_1"))
    listed = list(blobs.stored(tenant_prefix("ten_1")))
    assert {one.key: one.bytes for one in listed} == keys
    assert all(abs(datetime.now(UTC) - one.modified) < timedelta(hours=1) for one in listed)
    assert {one.key for one in blobs.stored("t/")} == {*keys, result_key("ten_12", "job_1")}
    assert list(blobs.stored(tenant_prefix("ten_9"))) == []


@pytest.mark.parametrize("key", ["../../etc/passwd", "/etc/passwd", "t//x", "t/..", ""])
def test_no_other_keys(blobs: BlobStore, spool: Spool, key: str):
    with arrived(spool, b"x") as spooled:
        for ask in (
            lambda: blobs.keep(spooled, key),
            lambda: blobs.size(key),
            lambda: blobs.exists(key),
            lambda: blobs.delete(key),
            lambda: blobs.open_range(key, 0, 1),
            lambda: blobs.local_path(key),
        ):
            with pytest.raises(ValueError, match="storage key"):
                ask()


def test_a_link_in_the_place_of_a_file_is_replaced_not_followed(tmp_path: Path, spool: Spool):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / KEY).parent.mkdir(parents=True)
    (tmp_path / KEY).symlink_to(victim)
    LocalBlobs(tmp_path).keep(arrived(spool, b"new"), KEY)
    assert victim.read_bytes() == b"precious"
    assert (tmp_path / KEY).read_bytes() == b"new"


def test_a_file_that_is_being_read_can_be_deleted(tmp_path: Path, spool: Spool):
    blobs = LocalBlobs(tmp_path)
    blobs.keep(arrived(spool, bytes(200_000)), KEY)
    chunks = blobs.open_range(KEY, 0, 200_000)
    first = next(chunks)
    blobs.delete(KEY)
    assert len(first) + sum(len(chunk) for chunk in chunks) == 200_000


def test_an_object_store_that_does_not_answer(spool: Spool):
    store = S3Store(
        "bucket",
        endpoint="http://127.0.0.1:1",
        region="us-east-1",
        access_key_id="AKIDHUNTER2",
        secret_access_key="hunter2",
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    blobs = RemoteBlobs(store, spool)
    with arrived(spool, b"x") as spooled:
        for ask in (lambda: blobs.keep(spooled, KEY), lambda: blobs.size(KEY), lambda: list(blobs.stored("t/"))):
            with pytest.raises(DependencyUnavailable) as caught:
                ask()
            assert isinstance(caught.value.__cause__, GenericError)
            assert "127.0.0.1" not in str(caught.value)
        assert spooled.path.exists(), "the caller still has it"
    assert temporary(spool) == []


def test_no_room_to_fetch_to(tmp_path: Path, spool: Spool):
    def full(path: Path) -> RawFile:
        raise OSError(28, "full", str(path))

    store = MemoryStore()
    RemoteBlobs(store, spool).keep(arrived(spool, b"x"), KEY)
    with pytest.raises(StorageFull), RemoteBlobs(store, Spool(tmp_path, open_raw=full)).fetch_to(KEY):
        raise AssertionError
