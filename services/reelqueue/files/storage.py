"""Choose a file store by its URL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

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
    """The storage behind `file:///directory`, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.

    A directory is made if it is missing, and files arrive inside it, so that keeping one is a rename. For the others
    files arrive in `scratch`; region, account and credentials come from where their clients look for them (`AWS_…`,
    `GOOGLE_…`, `AZURE_STORAGE_…`). Opens no connection. Raises `ValueError`, without repeating the URL, if it is
    another one or those settings do not suffice.
    """
    parts = urlsplit(url)
    if parts.query or parts.fragment or parts.username or parts.password:
        raise ValueError("a file store's URL has no credentials, query or fragment")
    if parts.scheme == "file":
        return _local(parts.netloc, unquote(parts.path))
    if parts.scheme not in _REMOTE or not parts.netloc:
        raise ValueError("a file store's URL begins with file:///, s3://, gs:// or az://")
    spool = Spool(scratch)
    try:
        store = _remote(url)
    except BaseError as error:
        raise ValueError("the file store's region, account or credentials are missing or malformed") from error
    return FileStorage(spool, RemoteBlobs(store, spool))


def _remote(url: str) -> ObjectStore:
    return from_url(
        url,
        client_options={"connect_timeout": timedelta(seconds=5), "timeout": timedelta(minutes=5)},
        retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=30)},
    )


def _local(host: str, path: str) -> FileStorage:
    root = Path(path)
    if host not in {"", "localhost"} or not root.is_absolute() or root == root.parent:
        raise ValueError("a directory for files is named as file:///absolute/path")
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    flush_directory(root.parent)
    return FileStorage(Spool(root), LocalBlobs(root))
