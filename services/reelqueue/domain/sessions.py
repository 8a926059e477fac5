"""Projects and renders as rows: the ids we keep of what we made upstream."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime


class ProjectState(enum.StrEnum):
    """`creating` is written before the upstream is asked, so that no session is ever unknown to us."""

    NEW = "new"
    """Made by its owner; no job has needed a session yet."""
    CREATING = "creating"
    READY = "ready"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The upstream session of a project, bound to one token."""

    id: str
    tenant_id: str
    token_id: str
    state: ProjectState
    session_id: str | None
    task_id: str | None
    user_id: str | None
    opening: int = 1
    """Which session of the project it is, counted from 1. A project whose session is lost may get another."""


class RenderState(enum.StrEnum):
    """`prepared`: the id is ours and stored, nothing was asked yet or nobody knows whether it was."""

    PREPARED = "prepared"
    SUBMITTED = "submitted"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Render:
    """One export under an id of our choosing. `attempt` counts the renders of that output from 1."""

    id: str
    job_id: str
    output_index: int
    """Which of the job's outputs, from 0."""
    attempt: int
    state: RenderState
    polls: int
    url: str | None = field(repr=False)
    created_at: datetime
    submitted_at: datetime | None
