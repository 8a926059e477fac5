"""What answers about projects and batches look like. See `documents` for what holds of all of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reelqueue.domain.jobs import Status
from reelqueue.domain.sessions import ProjectState
from reelqueue.gateway.schemas.documents import Credits, Document, Job, Moment, Path


class Project(Document):
    """One timeline. Its jobs take turns; those in `live_jobs` have not ended, the first of them is at work or next."""

    id: str
    object: Literal["project"]
    state: ProjectState
    name: str | None
    language: str | None
    metadata: dict[str, str]
    external_id: str | None
    customer: str | None
    version: int | None
    live_jobs: list[str]
    created_at: Moment
    links: dict[Literal["self", "jobs", "timeline", "versions"], Path]


class ProjectList(Document):
    """One page of projects, newest first."""

    object: Literal["list"]
    data: list[Project]
    has_more: bool
    next_cursor: str | None


class TimelinePart(Document):
    """One segment of a track."""

    start_ms: int | None
    duration_ms: int | None
    name: str | None
    text: str | None


class TimelineTrack(Document):
    """One track. `parts` are its first segments; `segments` counts all of them."""

    index: int
    kind: Literal["video", "audio", "text", "other"]
    type_code: int | None
    name: str | None
    start_ms: int | None
    end_ms: int | None
    duration_ms: int | None
    segments: int
    volume: float | None
    parts: list[TimelinePart]
    text: str


class BareTimeline(Document):
    """A timeline, as data and in words."""

    object: Literal["timeline"]
    title: str | None
    width: int | None
    height: int | None
    duration_ms: int | None
    track_count: int
    tracks: list[TimelineTrack]
    text: str = Field(examples=["Timeline (2 tracks): 1. Video: city timelapse (0-10s) 2. BGM: Lo-fi (0-10s, 35%)"])


class Timeline(BareTimeline):
    """A project's timeline. `version` is `null` for a look taken just now, and where none is kept yet."""

    project: str
    version: int | None
    as_of: Moment


class Version(Document):
    """A version of a project's draft. `job` is `null` where it was changed outside of this service."""

    object: Literal["version"]
    project: str
    number: int
    job: str | None
    exportable: bool
    duration_ms: int | None
    text: str
    created_at: Moment


class VersionList(Document):
    """One page of versions, newest first."""

    object: Literal["list"]
    data: list[Version]
    has_more: bool
    next_cursor: str | None


class ClaimLink(Document):
    """Opens the project in NemoVideo's web app, for whoever has it. It gives no rights in the API."""

    object: Literal["claim_link"]
    url: str
    expires_at: Moment | None


class Batch(Document):
    """Jobs that were accepted together. It is `completed` when the last of them has ended, however they ended."""

    id: str
    object: Literal["batch"]
    status: Literal["queued", "running", "completed"]
    mode: Literal["separate", "one_project"]
    project: str | None
    name: str | None
    jobs: int
    counts: dict[Status, int]
    progress: Annotated[int, Field(ge=0, le=100)]
    metadata: dict[str, str]
    external_id: str | None
    webhook_url: str | None
    cancel_requested_at: Moment | None
    created_at: Moment
    finished_at: Moment | None
    links: dict[Literal["self", "jobs", "cancel"], Path | None]


class BatchList(Document):
    """One page of batches, newest first."""

    object: Literal["list"]
    data: list[Batch]
    has_more: bool
    next_cursor: str | None


class Deed(Document):
    """What was done for one step of a message."""

    intent: Literal["export", "credits", "status", "upload", "agent"]
    job: Job | None
    answered: bool = Field(description="The message answered the question of that job.")
    replayed: bool
    note: str | None
    credits: Credits | None
    timeline: Timeline | None


class Message(Document):
    """A message and what came of it, in the order of its steps."""

    object: Literal["message"]
    project: str
    did: list[Deed]
