"""Input files that are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reelqueue.domain.repairs import Repair


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file of a tenant's, known by its content: the same bytes under the same extension are one asset.

    `bytes` is its size, `label` the cleaned name it came with, width and height are in pixels. `blob_key` is ours and
    never public; two assets of a tenant share it when they have the same bytes under two extensions.
    """

    id: str
    tenant_id: str
    sha256: str
    bytes: int
    kind: str
    media_type: str
    extension: str
    label: str
    width: int | None
    height: int | None
    duration_ms: int | None
    blob_key: str
    created_at: datetime
    source_sha256: str | None = None
    """Of the file as it was sent; `None` if these are its bytes."""
    repairs: tuple[Repair, ...] = ()
    """What was done to it. Of several files with one content, to the first."""

    @property
    def remote_name(self) -> str:
        """The name it goes up under: by content, so that it can be found again in a session that may hold it."""
        return f"{self.sha256[:32]}.{self.extension}"
