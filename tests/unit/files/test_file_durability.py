"""A kept file is durable: flushed, renamed, its directory flushed, in this order."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from reelqueue.errors import StorageFull
from reelqueue.files.keys import asset_key, result_key
from reelqueue.files.local import LocalBlobs
from reelqueue.files.spool import Spool, SpooledFile


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What was asked of the disk, in order; the calls themselves are made."""
    seen: list[tuple[str, str]] = []
    fsync, replace = os.fsync, os.replace

    def recorded_fsync(descriptor: int) -> None:
        seen.append(("fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        fsync(descriptor)

    def recorded_replace(source: str, target: str) -> None:
        seen.append(("rename", str(target)))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    return seen


def arrived(spool: Spool, content: bytes) -> SpooledFile:
    spooled = spool.receive(max_bytes=1_000)
    spooled.write(content)
    spooled.finish()
    return spooled


def test_the_order(tmp_path: Path, calls: list[tuple[str, str]]):
    spool, blobs = Spool(tmp_path), LocalBlobs(tmp_path)
    spooled = arrived(spool, b"one")
    key = asset_key("ten_1", spooled.sha256)
    blobs.keep(spooled, key)
    place = tmp_path / key
    above = [tmp_path.joinpath(*key.split("/")[:depth]) for depth in (3, 2, 1, 0)]
    assert calls == [
        ("fsync", str(spooled.path)),
        *(("fsync", str(directory)) for directory in above),
        ("rename", str(place)),
        ("fsync", str(place.parent)),
    ]


def test_a_directory_that_is_known_to_be_durable_is_not_flushed_from_the_root_again(
    tmp_path: Path, calls: list[tuple[str, str]]
):
    spool, blobs = Spool(tmp_path), LocalBlobs(tmp_path)
    for content in (b"one", b"two"):
        calls.clear()
        spooled = arrived(spool, content)
        blobs.keep(spooled, result_key("ten_1", "job_1"))
    place = tmp_path / "t/ten_1/r/job_1"
    assert calls == [("fsync", str(spooled.path)), ("rename", str(place / "1.mp4")), ("fsync", str(place))]


def test_a_directory_that_someone_else_made_is_flushed_too(tmp_path: Path, calls: list[tuple[str, str]]):
    """It may have been made a moment ago by a thread that has not flushed it yet."""
    (tmp_path / "t/ten_1/r/job_1").mkdir(parents=True)
    LocalBlobs(tmp_path).keep(arrived(Spool(tmp_path), b"x"), result_key("ten_1", "job_1"))
    assert ("fsync", str(tmp_path / "t/ten_1/r")) in calls


def test_only_a_finished_file_is_kept(tmp_path: Path):
    with Spool(tmp_path).receive(max_bytes=10) as spooled:
        with pytest.raises(ValueError, match="not finished"):
            LocalBlobs(tmp_path).keep(spooled, result_key("ten_1", "job_1"))
        assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("call", ["mkdir", "replace"])
def test_a_full_disk_keeps_nothing(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    spool, blobs = Spool(tmp_path), LocalBlobs(tmp_path)
    key = result_key("ten_1", "job_1")
    with arrived(spool, b"x") as spooled:

        def full(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, "full")

        with monkeypatch.context() as patch:
            patch.setattr(os, call, full)
            with pytest.raises(StorageFull):
                blobs.keep(spooled, key)
    assert not blobs.exists(key)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
