"""Versions of a project's draft: each one that a turn left behind, or that was found changed by somebody else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reelqueue.domain.drafts import draft_digest
from reelqueue.domain.timeline import Timeline
from reelqueue.domain.turns import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A draft to be kept, unless the newest version is the same."""

    project_id: str
    position: int | None
    """The turn that left it behind; `None` for one that was found before a turn, changed from outside."""
    digest: str
    draft: str = field(repr=False)
    """As JSON text, whole: the keys that nobody here knows are in it (contract §7.1)."""
    timeline: tuple[Mapping[str, Any], ...]
    facts: Mapping[str, Any]
    exportable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftVersion:
    """A version as it is kept. Numbers run from 1 without gaps in a project."""

    project_id: str
    number: int
    job_id: str | None
    """The job whose turn left it behind; `None` where it was changed outside of us."""
    exportable: bool
    created_at: datetime
    timeline: Timeline

    @property
    def id(self) -> str:
        """Sorts as the number does."""
        return f"{self.number:010d}"


def version_of(project_id: str, seen: Snapshot, *, position: int | None) -> NewVersion | None:
    """The version that one look at a session shows; `None` where there is no draft."""
    if seen.draft is None:
        return None
    return NewVersion(
        project_id=project_id,
        position=position,
        digest=draft_digest(seen.draft),
        draft=json.dumps(seen.draft, ensure_ascii=True, separators=(",", ":")),
        timeline=seen.timeline,
        facts=seen.facts or {},
        exportable=seen.exportable,
    )
