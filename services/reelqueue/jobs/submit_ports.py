"""What accepting jobs and files needs of the adapters. `wiring.py` hands the real ones in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from reelqueue.domain.assets import Asset
from reelqueue.domain.intake import Accepted, IdempotencyKey, NewAsset, NewJob
from reelqueue.domain.jobs import Job
from reelqueue.domain.projects import ProjectRecord
from reelqueue.domain.repairs import Repair
from reelqueue.domain.retrying import PastJob
from reelqueue.domain.versions import DraftVersion
from reelqueue.errors import ReelqueueError


class Spooled(Protocol):
    """The bytes of a file under a temporary name."""

    def discard(self) -> None:
        """Remove them, unless a store has taken them. Safe to repeat."""
        ...


class MediaInfo(Protocol):
    """What a look at a file's headers told."""

    @property
    def kind(self) -> str: ...
    @property
    def media_type(self) -> str: ...
    @property
    def width(self) -> int | None: ...
    @property
    def height(self) -> int | None: ...
    @property
    def duration_ms(self) -> int | None: ...


class ReceivedFile(Protocol):
    """A file that has arrived whole, was looked at, repaired if need be, and is flushed under a temporary name.

    `sha256` is of the bytes as they are kept, `source_sha256` of those that were sent.
    """

    @property
    def label(self) -> str: ...
    @property
    def extension(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def source_sha256(self) -> str: ...
    @property
    def repairs(self) -> Sequence[Repair]: ...
    @property
    def bytes(self) -> int: ...
    @property
    def spooled(self) -> Spooled: ...
    @property
    def info(self) -> MediaInfo: ...


class Blobs(Protocol):
    """Where files are kept."""

    def keep(self, spooled: Any, key: str) -> None:
        """Make a file's `spooled` bytes durable under the key, or raise StorageFull and keep nothing."""
        ...

    def exists(self, key: str) -> bool:
        """Whether a whole file is kept under the key."""
        ...

    def delete(self, key: str) -> None:
        """Forget the file, if there is one."""
        ...


class BlobKeys(Protocol):
    """Names the place of a content of a tenant's."""

    def __call__(self, tenant: str, sha256: str) -> str:
        """The key."""
        ...


class Fetcher(Protocol):
    """Reads input URLs."""

    def fetch(self, url: str) -> ReceivedFile:
        """The file at a URL. Raises DestinationNotAllowed, SourceUnreachable, StorageFull, or what the file lacks."""
        ...


class Egress(Protocol):
    """Knows which places may be called."""

    def check(self, url: str) -> None:
        """Raise now what calling the URL would raise later. Resolves the name; opens no connection."""
        ...


class Intake(Protocol):
    """Commits jobs."""

    def accept(self, new: NewJob) -> Accepted:
        """Commit the job, or find the one that its idempotency key made. Raises IdempotencyKeyReused.

        `DependencyUnavailable` leaves open whether the job exists; every other error says that it does not.
        """
        ...

    def accept_many(self, news: Sequence[NewJob]) -> Sequence[Accepted | ReelqueueError]:
        """As `accept` for each, in one commit; for jobs that bring no new file."""
        ...

    def replay(self, tenant_id: str, idempotency: IdempotencyKey) -> Job | None:
        """The job that this key made, if any. Raises IdempotencyKeyReused."""
        ...


class AssetRows(Protocol):
    """The tenant's files, as rows."""

    def keep(self, tenant_id: str, new: NewAsset) -> Asset:
        """The asset of this content: the one that is there, or a new one."""
        ...

    def find_many(self, tenant_id: str, ids: Sequence[str]) -> Sequence[Asset]:
        """The assets of these ids. Raises NotFound with the place in `ids` as its pointer."""
        ...

    def delete(self, tenant_id: str, asset_id: str) -> str | None:
        """Forget an asset; the key of the blob that nothing names any more. Raises NotFound, StateConflict."""
        ...

    def is_named(self, tenant_id: str, blob_key: str) -> bool:
        """Whether an asset of the tenant's names this file."""
        ...


class ProjectRows(Protocol):
    """A tenant's projects."""

    def find(self, tenant_id: str, project_id: str) -> ProjectRecord:
        """One project. Raises NotFound."""
        ...


class VersionRows(Protocol):
    """The versions of projects' drafts."""

    def find(self, tenant_id: str, project_id: str, number: int | None) -> DraftVersion:
        """One version, or the newest. Raises NotFound."""
        ...


class PastJobRows(Protocol):
    """Jobs as a retry sees them."""

    def find(self, tenant_id: str, job_id: str) -> PastJob:
        """One job of the tenant's, ended or not. Raises NotFound."""
        ...
