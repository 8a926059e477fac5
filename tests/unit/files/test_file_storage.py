"""Which store a URL means."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelqueue.files.local import LocalBlobs
from reelqueue.files.remote import RemoteBlobs
from reelqueue.files.storage import open_storage


def test_a_directory(tmp_path: Path):
    root = tmp_path / "with a space" / "files"
    storage = open_storage(root.as_uri(), scratch=tmp_path / "scratch")
    assert isinstance(storage.blobs, LocalBlobs)
    assert root.is_dir()
    assert storage.spool.directory == root / "tmp", "so that keeping is a rename on one file system"


@pytest.mark.parametrize("url", ["s3://bucket/prefix", "gs://bucket", "az://container/x"])
def test_object_stores(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    storage = open_storage(url, scratch=tmp_path / "scratch")
    assert isinstance(storage.blobs, RemoteBlobs)
    assert storage.spool.directory == tmp_path / "scratch" / "tmp"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/srv/files",
        "file:relative",
        "file://host/x",
        "file:///",
        "https://h/x",
        "memory:///",
        "s3://",
        "ftp://h/x",
        "s3://key:hunter2@bucket",
        "s3://bucket?secret=hunter2",
        "file:///srv#hunter2",
    ],
)
def test_other_urls(url: str, tmp_path: Path):
    with pytest.raises(ValueError, match="file") as caught:
        open_storage(url, scratch=tmp_path)
    assert "hunter2" not in str(caught.value)


def test_an_account_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(ValueError, match="account"):
        open_storage("az://container", scratch=tmp_path)
