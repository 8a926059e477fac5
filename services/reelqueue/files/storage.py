"""Choose a file store by its URL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from obstore.store import ClientConfig, RetryConfig, from_url

from reelqueue.files.blobs import BlobStore
from reelqueue.files.disk import flush_directory
from reelqueue.files.local import LocalBlobs
from reelqueue.files.remote import RemoteBlobs
from reelqueue.files.spool import Spool

_REMOTE: Final = frozenset({"s3", "gs", "az"})


@dataclass(frozen=True, slots=True)
class FileStorage:
    """Where files arrive and where they are kept; the two fit each other."""

    spool: Spool
    blobs: BlobStore


def open_storage(url: str, *, scratch: Path) -> FileStorage:
    """The storage behind `file:///directory`, `s3://bucket/prefix`, `gs://…` or `az://account/container/prefix`.

    A directory is made if it is missing, and files arrive inside it, so that keeping one is a rename. For the others
    files arrive in `scratch`; credentials come from where their clients look for them (`AWS_…`, `GOOGLE_…`, `AZURE_…`).
    Raises `ValueError` for any other URL, without repeating it. Opens no connection.
    """
    parts = urlsplit(url)
    if parts.query or parts.fragment or parts.username or parts.password:
        raise ValueError("a file store's URL has no credentials, query or fragment")
    if parts.scheme == "file":
        return _local(parts.netloc, unquote(parts.path))
    if parts.scheme not in _REMOTE or not parts.netloc:
        raise ValueError("a file store's URL begins with file:///, s3://, gs:// or az://")
    spool = Spool(scratch)
    store = from_url(
        url,
        client_options=ClientConfig(connect_timeout=timedelta(seconds=5), timeout=timedelta(minutes=5)),
        retry_config=RetryConfig(max_retries=3, retry_timeout=timedelta(seconds=30)),
    )
    return FileStorage(spool, RemoteBlobs(store, spool))


def _local(host: str, path: str) -> FileStorage:
    root = Path(path)
    if host not in {"", "localhost"} or not root.is_absolute() or root == root.parent:
        raise ValueError("a directory for files is named as file:///absolute/path")
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    flush_directory(root.parent)
    return FileStorage(Spool(root), LocalBlobs(root))
