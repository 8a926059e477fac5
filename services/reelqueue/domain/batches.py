"""A batch: jobs that were accepted together, all or none, and whose end is told once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from reelqueue.domain.jobs import Status
from reelqueue.kit.clock import rfc3339

Mode = Literal["separate", "one_project"]
"""`separate`: each job has a project of its own. `one_project`: all go on with one timeline, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBatch:
    """What the batch is, beside its jobs. `project_id`: of a project that is there already."""

    mode: Mode = "separate"
    project_id: str | None = None
    name: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    external_id: str | None = None
    webhook_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch and where its jobs stand. `progress` is their mean, in percent."""

    id: str
    tenant_id: str
    mode: Mode
    project_id: str | None
    name: str | None
    metadata: Mapping[str, str]
    external_id: str | None
    webhook_url: str | None = field(repr=False)
    jobs: int
    counts: Mapping[Status, int]
    progress: int
    cancel_requested_at: datetime | None
    created_at: datetime
    finished_at: datetime | None


def batch_document(batch: Batch) -> dict[str, Any]:
    """The batch, public. It has ended when `finished_at` is there; how each job ended is in `counts`."""
    at = f"/v1/batches/{batch.id}"
    return {
        "id": batch.id,
        "object": "batch",
        "status": _status(batch),
        "mode": batch.mode,
        "project": batch.project_id,
        "name": batch.name,
        "jobs": batch.jobs,
        "counts": {status.value: batch.counts.get(status, 0) for status in Status},
        "progress": batch.progress,
        "metadata": dict(batch.metadata),
        "external_id": batch.external_id,
        "webhook_url": batch.webhook_url,
        "cancel_requested_at": None if batch.cancel_requested_at is None else rfc3339(batch.cancel_requested_at),
        "created_at": rfc3339(batch.created_at),
        "finished_at": None if batch.finished_at is None else rfc3339(batch.finished_at),
        "links": {
            "self": at,
            "jobs": f"/v1/jobs?batch={batch.id}",
            "cancel": None if batch.finished_at is not None else f"{at}/cancel",
        },
    }


def _status(batch: Batch) -> str:
    if batch.finished_at is not None:
        return "completed"
    return "running" if batch.counts.get(Status.QUEUED, 0) < batch.jobs else "queued"
