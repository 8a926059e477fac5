"""Finished videos: fetched, checked, kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from reelqueue.egress import DestinationForbidden, EgressFailed, UrlInvalid
from reelqueue.errors import FileTooLarge, ReelqueueError, ResultUnusable, UpstreamUnavailable
from reelqueue.files.blobs import BlobStore
from reelqueue.files.intake import Fetcher
from reelqueue.files.mp4 import VideoInfo, inspect_mp4
from reelqueue.files.spool import Spool, SpooledFile

MAX_RESULT_BYTES: Final = 2_000_000_000
DOWNLOAD_DEADLINE_S: Final = 600.0
_DEFINITE: Final = frozenset({"read", "redirect", "too_large"})
_WAIT_AND_SEE: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class SavedResult:
    """A video that is kept. `sha256` is hexadecimal."""

    sha256: str
    bytes: int
    info: VideoInfo


class ResultSaver:
    """Brings finished videos into our own store. Safe to share between threads.

    Nothing shows under the key before the whole file was checked and is durable, so saving again after a crash is
    harmless: it puts the same file in place of itself.
    """

    def __init__(
        self,
        egress: Fetcher,
        spool: Spool,
        blobs: BlobStore,
        *,
        max_bytes: int = MAX_RESULT_BYTES,
        deadline_s: float = DOWNLOAD_DEADLINE_S,
    ) -> None:
        self._egress = egress
        self._spool = spool
        self._blobs = blobs
        self._max_bytes = max_bytes
        self._deadline_s = deadline_s

    def save(self, url: str, key: str) -> SavedResult:
        """Fetch a finished video from where NemoVideo says it lies, without our token, and keep it.

        Raises ResultUnusable (a refusal such as 403 or 404, a body cut short or too large, a URL that is not called,
        bytes that are no complete MP4), UpstreamUnavailable (the server could not be reached or was busy: the same URL
        may work later), StorageFull, DependencyUnavailable. Nothing is kept then.
        """

        def fetch(spooled: SpooledFile) -> None:
            try:
                self._egress.fetch(url, spooled, max_bytes=self._max_bytes, deadline_s=self._deadline_s)
            except EgressFailed as failed:
                raise _verdict(failed) from failed
            except (UrlInvalid, DestinationForbidden) as refused:
                raise ResultUnusable("The finished file lies where we do not call.") from refused

        return self._keep(key, fetch)

    def save_stream(self, key: str, write_into: Callable[[Callable[[bytes], object]], None]) -> SavedResult:
        """Keep a finished video that someone else downloads: `write_into` is given what takes its bytes.

        What `write_into` raises passes unchanged; otherwise as `save`.
        """
        return self._keep(key, lambda spooled: write_into(spooled.write))

    def _keep(self, key: str, fill: Callable[[SpooledFile], None]) -> SavedResult:
        with self._spool.receive(max_bytes=self._max_bytes) as spooled:
            try:
                fill(spooled)
            except FileTooLarge as error:
                raise ResultUnusable("The finished file is too large.") from error
            with spooled.reading() as file:
                info = inspect_mp4(file, spooled.bytes)
            spooled.finish()
            self._blobs.keep(spooled, key)
            return SavedResult(spooled.sha256, spooled.bytes, info)


def _verdict(failed: EgressFailed) -> ReelqueueError:
    """Whether asking the same URL again can help."""
    status = failed.http_status or 0
    refused = failed.stage == "status" and status < 500 and status not in _WAIT_AND_SEE
    if refused or failed.stage in _DEFINITE:
        return ResultUnusable("The finished file could not be downloaded whole.")
    detail = {"upstream_status": status} if status else {}
    return UpstreamUnavailable("The finished file could not be reached.", detail=detail)
