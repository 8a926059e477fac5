"""Keeping input files for later jobs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from reelqueue.domain.assets import Asset
from reelqueue.errors import ReelqueueError
from reelqueue.jobs.shelf import Shelf
from reelqueue.jobs.submit_ports import AssetRows, Fetcher, ReceivedFile


class AssetKeeping:
    """`POST` and `DELETE /v1/assets` without HTTP."""

    def __init__(self, *, assets: AssetRows, shelf: Shelf, fetcher: Fetcher) -> None:
        self._assets = assets
        self._shelf = shelf
        self._fetcher = fetcher

    def keep(self, tenant_id: str, files: Sequence[ReceivedFile]) -> list[Asset]:
        """The assets of these files, in their order; content that is known is the asset it was.

        The files are kept or discarded, whatever happens. Raises StorageFull, DependencyUnavailable.
        """
        with ExitStack() as stack:
            for file in files:
                stack.callback(file.spooled.discard)
            self._assets.find_many(tenant_id, [])  # whether the database answers, before any file is kept
            kept = stack.enter_context(self._shelf.keeping(tenant_id, files))
            # Known content is the asset it was, under its first label; what was done to this file is told all the same.
            assets = [replace(self._assets.keep(tenant_id, new), repairs=new.repairs) for new in kept.assets]
            kept.named()
            return assets

    def fetch(self, tenant_id: str, url: str) -> Asset:
        """The asset of the file at a URL. Raises what fetching raises, with a pointer, and what `keep` raises."""
        try:
            file = self._fetcher.fetch(url)
        except ReelqueueError as error:
            error.pointer = "/url"
            raise
        return self.keep(tenant_id, [file])[0]

    def delete(self, tenant_id: str, asset_id: str) -> None:
        """Forget an asset and its file. Raises NotFound, and StateConflict while a job uses it."""
        unneeded = self._assets.delete(tenant_id, asset_id)
        if unneeded is not None:
            self._shelf.discard(tenant_id, unneeded)
