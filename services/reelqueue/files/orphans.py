"""Files that nobody knows: what killed processes left behind, and blobs whose row never came or is gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import Final, Protocol

from reelqueue.files.blobs import BlobStore
from reelqueue.files.spool import Spool
from reelqueue.kit.clock import Clock

GRACE: Final = timedelta(hours=1)
"""A file is durable before its row is committed, so a young file without a row may be one about to get it."""
BATCH: Final = 500
EVERYTHING: Final = "t/"


class NamedBlobs(Protocol):
    """`store.blob_names.BlobNames`."""

    def unnamed(self, keys: Sequence[str]) -> Sequence[str]:
        """Which of these keys no row names."""
        ...


class OrphanSweep:
    """Removes them. Safe beside everything, and beside another sweep."""

    def __init__(self, *, spool: Spool, blobs: BlobStore, rows: NamedBlobs, clock: Clock) -> None:
        self._spool = spool
        self._blobs = blobs
        self._rows = rows
        self._clock = clock

    def run(self) -> int:
        """Remove what is older than the grace and known to nobody; says how many. Raises `DependencyUnavailable`."""
        now = self._clock.now()
        removed = self._spool.sweep(older_than_s=GRACE.total_seconds(), now=now.timestamp())
        old = self._old_keys()
        while keys := list(islice(old, BATCH)):
            for key in self._rows.unnamed(keys):
                self._blobs.delete(key)
                removed += 1
        return removed

    def _old_keys(self) -> Iterator[str]:
        before = self._clock.now() - GRACE
        return (blob.key for blob in self._blobs.stored(EVERYTHING) if blob.modified < before)
