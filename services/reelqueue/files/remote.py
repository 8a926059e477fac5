"""Files kept in an object store: S3, Google Cloud Storage, Azure, through obstore."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import ObjectStore

from reelqueue.errors import DependencyUnavailable
from reelqueue.files.blobs import CHUNK, BlobMissing, StoredBlob
from reelqueue.files.keys import segments
from reelqueue.files.spool import Spool, SpooledFile

_PART: Final = 8 * 1_048_576
_PARTS_AT_ONCE: Final = 4
"""With the part size, what one upload may hold in memory: 32 MiB."""


class RemoteBlobs:
    """A `BlobStore` over an object store. Putting an object is atomic there, and durable when it is answered.

    The spool is where a file is fetched to for `fetch_to`.
    """

    def __init__(self, store: ObjectStore, spool: Spool) -> None:
        self._store = store
        self._spool = spool

    def keep(self, spooled: SpooledFile, key: str) -> None:
        """Upload, then remove the temporary file."""
        if not spooled.finished:
            raise ValueError("the file is not finished")
        with _told(key):
            obstore.put(self._store, _path(key), spooled.path, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE)
        spooled.discard()

    def open_range(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """Chunks as they come over the network."""
        if start >= min(end, self.size(key)):
            return iter(())  # object stores refuse an empty range
        with _told(key):
            answer = obstore.get(self._store, _path(key), options={"range": (start, end)})
            pieces = answer.stream(min_chunk_size=CHUNK)
        return _chunks(pieces, key)

    def size(self, key: str) -> int:
        """In bytes."""
        with _told(key):
            return obstore.head(self._store, _path(key))["size"]

    def exists(self, key: str) -> bool:
        """Whether the object is there."""
        try:
            self.size(key)
        except BlobMissing:
            return False
        return True

    def delete(self, key: str) -> None:
        """Delete the object; some stores say that there was none, and that is fine too."""
        try:
            with _told(key):
                obstore.delete(self._store, _path(key))
        except BlobMissing:
            return

    def local_path(self, key: str) -> None:
        """None: it lies elsewhere. Does not ask whether it does."""
        _path(key)

    @contextmanager
    def fetch_to(self, key: str) -> Iterator[Path]:
        """A temporary copy. Raises StorageFull if there is no room for it."""
        size = self.size(key)
        with self._spool.receive(max_bytes=size) as copy:
            for chunk in self.open_range(key, 0, size):
                copy.write(chunk)
            yield copy.path

    def stored(self, prefix: str) -> Iterator[StoredBlob]:
        """List page by page."""
        with _told(prefix):
            for page in obstore.list(self._store, prefix=_path(prefix.removesuffix("/"))):
                for one in page:
                    yield StoredBlob(one["path"], one["size"], one["last_modified"])


def _path(key: str) -> str:
    return "/".join(segments(key))


def _chunks(pieces: Iterator[bytes], key: str) -> Iterator[bytes]:
    """What the network gives, cut to size."""
    with _told(key):
        for piece in pieces:
            for start in range(0, len(piece), CHUNK):
                yield bytes(piece[start : start + CHUNK])


@contextmanager
def _told(key: str) -> Iterator[None]:
    """The store's errors as ours. Its own texts name hosts and buckets, so they stay in the cause."""
    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise BlobMissing(key) from error
    except BaseError as error:
        raise DependencyUnavailable("The file store does not answer.", retry_after=5) from error
