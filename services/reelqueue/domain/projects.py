"""A project as its owner sees it: one timeline that jobs go on with, one turn at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reelqueue.domain.sessions import ProjectState


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProject:
    """A project to make. Its session is made by the first job that needs it."""

    name: str | None = None
    language: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    external_id: str | None = None
    customer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRecord:
    """A project, made by its owner or by a job that named none."""

    id: str
    tenant_id: str
    state: ProjectState
    name: str | None
    language: str | None
    metadata: Mapping[str, str]
    external_id: str | None
    customer: str | None
    created_at: datetime
    version: int | None
    """The newest version of its draft."""
    live_jobs: tuple[str, ...] = ()
    """The ids of its jobs that have not ended, in the order of their turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFilter:
    """What a list of projects is narrowed to; empty means everything."""

    external_id: str | None = None
    customer: str | None = None
