"""Keeping files for rows that do not exist yet.

A file is made durable before the row that names it is committed. If that row does not come, the file is taken away
again: when no row names it, and no other request of this process is about to name it. What another process is about to
name cannot be seen from here; a process that meets that window loses the file of a job whose request came in the same
milliseconds, with the same bytes, as one that was refused at the last moment. After `DependencyUnavailable` nobody
knows whether the row came: the file stays, and the sweep of files without rows decides later.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from reelqueue.domain.intake import NewAsset
from reelqueue.errors import DependencyUnavailable
from reelqueue.jobs.submit_ports import BlobKeys, Blobs, ReceivedFile

IsNamed = Callable[[str, str], bool]
"""Whether an asset row of a tenant names a blob key."""


@dataclass(slots=True)
class Kept:
    """Durable files that wait for their rows. `brought` are the keys under which there was nothing before."""

    assets: tuple[NewAsset, ...]
    brought: list[str] = field(default_factory=list)

    def named(self) -> None:
        """The rows are committed, or may be: nothing is to be taken away."""
        self.brought.clear()


class Shelf:
    """Puts files where they are kept, and takes back what is not needed after all. For many threads."""

    def __init__(self, blobs: Blobs, key_of: BlobKeys, is_named: IsNamed) -> None:
        self._blobs = blobs
        self._key_of = key_of
        self._is_named = is_named
        self._lock = threading.Lock()
        self._holders: Counter[str] = Counter()

    @contextmanager
    def keeping(self, tenant_id: str, files: Sequence[ReceivedFile]) -> Iterator[Kept]:
        """Make the files durable for the length of the block, and for good if rows name them at its end.

        A block that says `named()` spares the look whether they do.
        """
        assets = tuple(self._asset(tenant_id, file) for file in files)
        keys = {asset.blob_key for asset in assets}
        kept = Kept(assets=assets)
        with self._lock:
            self._holders.update(keys)
        try:
            for file, asset in zip(files, assets, strict=True):
                if not self._blobs.exists(asset.blob_key):
                    kept.brought.append(asset.blob_key)
                self._blobs.keep(file.spooled, asset.blob_key)
            yield kept
        except DependencyUnavailable:
            kept.named()
            raise
        finally:
            self._let_go(tenant_id, keys, brought=kept.brought)

    def discard(self, tenant_id: str, key: str) -> None:
        """Take away a file whose last row is gone, unless a request is about to name it again."""
        with self._lock:
            self._discard(tenant_id, key)

    def _let_go(self, tenant_id: str, keys: set[str], *, brought: Sequence[str]) -> None:
        """Under the lock, so that nobody begins to hold a key while its file is being taken away."""
        with self._lock:
            self._holders.subtract(keys)
            self._holders = +self._holders
            for key in brought:
                self._discard(tenant_id, key)

    def _discard(self, tenant_id: str, key: str) -> None:
        with suppress(DependencyUnavailable):  # then it stays, for the sweep
            if not self._holders[key] and not self._is_named(tenant_id, key):
                self._blobs.delete(key)

    def _asset(self, tenant_id: str, file: ReceivedFile) -> NewAsset:
        return NewAsset(
            sha256=file.sha256,
            bytes=file.bytes,
            kind=file.info.kind,
            media_type=file.info.media_type,
            extension=file.extension,
            label=file.label,
            width=file.info.width,
            height=file.info.height,
            duration_ms=file.info.duration_ms,
            blob_key=self._key_of(tenant_id, file.sha256),
            source_sha256=None if file.source_sha256 == file.sha256 else file.source_sha256,
            repairs=tuple(file.repairs),
        )
