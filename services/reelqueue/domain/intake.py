"""A request that has passed every check and may become a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reelqueue.domain.jobs import DEFAULT_POLICIES, Job, Policies, Priority, Status
from reelqueue.domain.outputs import Output
from reelqueue.domain.quotas import Rate
from reelqueue.domain.repairs import Repair


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAsset:
    """A file of known content that is durable under `blob_key`, and has no row yet."""

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
    source_sha256: str | None = None
    """Of the file as it was sent; `None` if these are its bytes."""
    repairs: tuple[Repair, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInput:
    """One input: exactly one of an asset id of the tenant's, a new file, or a URL left to the upstream to fetch."""

    asset_id: str | None = None
    asset: NewAsset | None = None
    url: str | None = field(default=None, repr=False)
    sent: bool = False
    """It is in the session already that the job goes on with."""
    repairs: tuple[Repair, ...] = ()
    """Of an asset id's file. A new file has its own."""

    @property
    def repaired(self) -> tuple[Repair, ...]:
        """What was done to the file, whichever way it is named."""
        return self.repairs if self.asset is None else self.asset.repairs


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """The customer's key, what it is for, and a digest of the request that came with it."""

    operation: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to accept."""

    tenant_id: str
    instructions: tuple[str, ...]
    inputs: tuple[NewInput, ...] = ()
    outputs: tuple[Output, ...] = (Output(),)
    language: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    external_id: str | None = None
    customer: str | None = None
    webhook_url: str | None = field(default=None, repr=False)
    finish_by: datetime | None = None
    start_by: datetime | None = None
    priority: Priority = Priority.NORMAL
    policies: Policies = DEFAULT_POLICIES
    project_id: str | None = None
    """A project of the tenant's whose timeline the job goes on with; `None`: one of its own."""
    instruction_index: int = 0
    """Where a retry begins; the number of instructions: at the export, which is free."""
    retried_from: str | None = None
    version: int | None = None
    """The version of the project's draft to export. Such a job waits for no other of its project."""
    batch_id: str | None = None
    idempotency: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The job, and whether it was there before: a repeat under the same idempotency key."""

    job: Job
    replayed: bool
    rate: Rate | None = None
    """What is left of the tenant's jobs a minute, if that is limited and the job counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """What a list of jobs is narrowed to; empty means everything."""

    status: frozenset[Status] = frozenset()
    project_id: str | None = None
    batch_id: str | None = None
    external_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    created_after: datetime | None = None
    created_before: datetime | None = None
