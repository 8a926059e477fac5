"""Where files are kept: one promise, several stores behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from reelqueue.files.spool import SpooledFile

CHUNK: Final = 65_536
"""Bytes that `open_range` gives at a time, at most."""


class BlobMissing(LookupError):
    """No file is kept under that key. Not the caller's doing: what it means is for whoever asked to say."""


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """One kept file as a listing shows it; `modified` is when it was kept, in UTC."""

    key: str
    bytes: int
    modified: datetime


class BlobStore(Protocol):
    """Keeps whole files under keys made by `reelqueue.files.keys`.

    Keys are content addresses or written once, so keeping one again changes nothing. Every method may raise
    DependencyUnavailable where the store is remote. A key that `keys` cannot have made is a `ValueError`.
    """

    def keep(self, spooled: SpooledFile, key: str) -> None:
        """Take a finished file. When this returns it is durable under the key; before, the key shows nothing of it.

        Raises StorageFull, and then nothing was kept.
        """
        ...

    def open_range(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` up to but without `end`, in chunks; fewer if the file ends before.

        Raises BlobMissing at once, not at the first chunk.
        """
        ...

    def size(self, key: str) -> int:
        """In bytes. Raises BlobMissing."""
        ...

    def exists(self, key: str) -> bool:
        """Whether a whole file is kept under the key."""
        ...

    def delete(self, key: str) -> None:
        """Forget the file. Nothing happens if there is none."""
        ...

    def local_path(self, key: str) -> Path | None:
        """Where the file can be read in place (never written); `None` for a remote store. Raises BlobMissing."""
        ...

    def fetch_to(self, key: str) -> AbstractContextManager[Path]:
        """The file at a path, for as long as the context lasts. A remote one is fetched for it. Raises BlobMissing."""
        ...

    def stored(self, prefix: str) -> Iterator[StoredBlob]:
        """Every kept file whose key begins with a prefix that ends in `/`, in no order: to find what no row names."""
        ...
