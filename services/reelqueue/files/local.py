"""Files kept in a directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from reelqueue.files.blobs import CHUNK, BlobMissing, StoredBlob
from reelqueue.files.disk import flush_directory, full_is_told
from reelqueue.files.keys import segments
from reelqueue.files.spool import SpooledFile

_REMEMBERED: Final = 4_096


class LocalBlobs:
    """A `BlobStore` over a directory. The spool must be on the same file system: files are taken by renaming.

    Safe from several threads and processes: a rename replaces a file with an equal one, or puts a new one.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._durable: set[Path] = set()

    def keep(self, spooled: SpooledFile, key: str) -> None:
        """Flushed already; rename, then flush the directory. Only then is the name durable as well."""
        if not spooled.finished:
            raise ValueError("the file is not finished")
        target = self._path(key)
        with full_is_told():
            self._make_durable(target.parent)
            spooled.path.replace(target)
            flush_directory(target.parent)

    def open_range(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """Chunks of the file, which is closed with the iterator."""
        return _chunks(self._open(key), start, end)

    def size(self, key: str) -> int:
        """In bytes."""
        return self._existing(key).stat().st_size

    def exists(self, key: str) -> bool:
        """Whether the file is there."""
        return self._path(key).is_file()

    def delete(self, key: str) -> None:
        """Remove the file; who is reading it can finish."""
        self._path(key).unlink(missing_ok=True)

    def local_path(self, key: str) -> Path | None:
        """The file itself."""
        return self._existing(key)

    @contextmanager
    def fetch_to(self, key: str) -> Iterator[Path]:
        """The file itself: nothing is copied."""
        yield self._existing(key)

    def stored(self, prefix: str) -> Iterator[StoredBlob]:
        """Walk the directory. A file that goes meanwhile is left out."""
        start = self._path(prefix.removesuffix("/"))
        for directory, _, names in os.walk(start):
            for name in names:
                path = Path(directory, name)
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue
                modified = datetime.fromtimestamp(status.st_mtime, UTC)
                yield StoredBlob(path.relative_to(self._root).as_posix(), status.st_size, modified)

    def _path(self, key: str) -> Path:
        return self._root.joinpath(*segments(key))

    def _existing(self, key: str) -> Path:
        path = self._path(key)
        if not path.is_file():
            raise BlobMissing(key)
        return path

    def _open(self, key: str) -> BinaryIO:
        try:
            return self._path(key).open("rb", buffering=0)
        except FileNotFoundError:
            raise BlobMissing(key) from None

    def _make_durable(self, directory: Path) -> None:
        """Make a directory and flush every one above it, since another thread may have made them a moment ago.

        Once per directory and process: what is flushed stays, for no directory is ever removed.
        """
        if directory in self._durable:
            return
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        parent = directory
        while parent not in {self._root, parent.parent}:
            parent = parent.parent
            flush_directory(parent)
        if len(self._durable) >= _REMEMBERED:
            self._durable.clear()
        self._durable.add(directory)


def _chunks(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    with file:
        file.seek(start)
        left = end - start
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk
