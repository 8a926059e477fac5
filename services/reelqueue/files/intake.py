"""Inputs named by URL: fetched, then looked at like an upload."""

from __future__ import annotations

from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from reelqueue.egress import DestinationForbidden, EgressFailed, FetchedFile, NoSuchName, Sink
from reelqueue.errors import FileTooLarge
from reelqueue.files.formats import TAKEN, extension_of_media_type
from reelqueue.files.limits import FileLimits
from reelqueue.files.names import extension_of
from reelqueue.files.received import ReceivedFile, arriving, take
from reelqueue.files.repair.workshop import Workshop
from reelqueue.files.spool import Spool

FETCH_DEADLINE_S: Final = 120.0
"""For all of one file: 20 MB at the speed of a slow server, with room."""


class Fetcher(Protocol):
    """What this package needs of `reelqueue.egress.EgressClient`."""

    def fetch(self, url: str, sink: Sink, *, max_bytes: int, deadline_s: float, max_redirects: int = 3) -> FetchedFile:
        """GET a file into a sink, as `EgressClient.fetch` does."""
        ...


class InputFetcher:
    """Fetches input files from the public internet. Safe to share between threads."""

    def __init__(
        self,
        egress: Fetcher,
        spool: Spool,
        *,
        limits: FileLimits,
        workshop: Workshop,
        deadline_s: float = FETCH_DEADLINE_S,
    ) -> None:
        self._egress = egress
        self._spool = spool
        self._limits = limits
        self._workshop = workshop
        self._deadline_s = deadline_s

    def fetch(self, url: str) -> ReceivedFile:
        """The file at a URL, flushed under a temporary name that is the caller's to keep or discard.

        What it is expected to be is said by the extension in the URL's path if that is a listed one, else by the
        Content-Type; what it is, by the content. Raises DestinationNotAllowed, SourceUnreachable, FileTooLarge, what
        `inspect` and `Workshop.mend` raise, and StorageFull; nothing is left of the file then.
        """
        limit = self._limits.most_bytes
        spooled = arriving(self._spool, self._limits)
        try:
            fetched = self._egress.fetch(url, spooled, max_bytes=limit, deadline_s=self._deadline_s)
        except NoSuchName as failed:
            spooled.discard()
            raise DestinationForbidden("no such name") from failed
        except EgressFailed as failed:
            spooled.discard()
            if failed.stage == "too_large":
                raise FileTooLarge(detail={"limit_bytes": limit}) from failed
            raise
        except BaseException:
            spooled.discard()
            raise
        name, extension = _named(url, fetched)
        return take(spooled, name=name, extension=extension, limits=self._limits, workshop=self._workshop)


def _named(url: str, fetched: FetchedFile) -> tuple[str, str]:
    """A name for the file and the extension it should have: from the URL, where it led to, or what the server said."""
    names = [unquote(urlsplit(one).path.rpartition("/")[2]) for one in (url, fetched.final_url)]
    for name in names:
        if (extension := extension_of(name)) in TAKEN:
            return name, extension
    return names[0], extension_of_media_type(fetched.media_type)
