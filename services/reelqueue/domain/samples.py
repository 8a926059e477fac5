"""A realistic event of each type, for those who build a receiver before anything has happened.

Made by the same builders as real ones, of a job and an endpoint that never were. A sample says the same each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from reelqueue.domain.batches import Batch
from reelqueue.domain.breakers import UpstreamEventType
from reelqueue.domain.endpoints import Endpoint
from reelqueue.domain.event_data import (
    asked_data,
    batch_data,
    disabled_data,
    expiring_data,
    exported_data,
    failing_data,
    preview_data,
    progress_data,
    recovered_data,
    upstream_data,
)
from reelqueue.domain.event_types import EVENT_TYPES, AnyEventType, EndpointEventType, event_type
from reelqueue.domain.jobs import EventType, Job, JobEvent, Status
from reelqueue.domain.messages import event_payload, webhook_payload
from reelqueue.domain.sample_job import BEGAN, TIMELINE, moment_of, sample_job
from reelqueue.domain.subscriptions import DEFAULT_EVENT_TYPES

_NUMBER: Final = "06c6k4zvm5rk9r8dm7k5h2v3ea"
_ENDPOINT: Final = Endpoint(
    id=f"whe_{_NUMBER}",
    tenant_id=f"ten_{_NUMBER}",
    url="https://hooks.example.com/reelqueue",
    event_types=DEFAULT_EVENT_TYPES,
    description="Orders",
    state="enabled",
    created_at=BEGAN,
)


def sample_payload(kind: str, *, at: datetime | None = None) -> str:
    """The body of a sample, without `delivery_seq`. `at` stands for the moment of the event, if it shall be another.

    Raises `ValidationFailed` for a type that there is not.
    """
    known = event_type(kind)
    if isinstance(known, EventType):
        job = sample_job(known)
        event = JobEvent(
            id=f"evt_{_NUMBER}",
            job_id=job.id,
            tenant_id=job.tenant_id,
            seq=job.event_seq,
            type=known,
            data=_DATA[known](job) if known in _DATA else {},
            created_at=at or moment_of(known),
        )
        return webhook_payload(job, event)
    return event_payload(known, at or BEGAN, _OF_NO_JOB[known])


def sample_metadata(kind: str) -> Mapping[str, str] | None:
    """The metadata of the sample's job, for endpoints that filter by it; `None` for an event of no job."""
    known = event_type(kind)
    return sample_job(known).metadata if isinstance(known, EventType) else None


def every_sample() -> Mapping[str, str]:
    """All of them, by type."""
    return {name: sample_payload(name) for name in EVENT_TYPES}


def _asked(job: Job) -> Mapping[str, Any]:
    assert job.question is not None
    assert job.question.until is not None
    return asked_data(instruction=1, question=job.question.text, until=job.question.until)


def _batch(job: Job) -> Batch:
    assert job.batch_id is not None
    return Batch(
        id=job.batch_id,
        tenant_id=job.tenant_id,
        mode="separate",
        project_id=None,
        name="Winter catalogue",
        metadata={"season": "winter"},
        external_id=None,
        webhook_url=None,
        jobs=40,
        counts={Status.SUCCEEDED: 39, Status.FAILED: 1},
        progress=99,
        cancel_requested_at=None,
        created_at=job.created_at,
        finished_at=job.finished_at,
    )


_PROGRESS: Final = progress_data(
    instruction=1, kind="working", text=None, tools=["generate_video"], heartbeats=8, seconds=120
)
_DATA: Final[Mapping[EventType, Callable[[Job], Mapping[str, Any]]]] = MappingProxyType(
    {
        EventType.INSTRUCTING: lambda _: {"instruction": 1},
        EventType.PROGRESS: lambda _: _PROGRESS,
        EventType.PREVIEW_READY: lambda _: preview_data(instruction=1, timeline=TIMELINE),
        EventType.REQUIRES_INPUT: _asked,
        EventType.EXPORTED: lambda job: exported_data(job, 0),
        EventType.FAILED: lambda job: {"code": job.error and job.error.code},
        EventType.CANCELED: lambda _: {"render": "running_on"},
        EventType.BATCH_COMPLETED: lambda job: batch_data(_batch(job)),
        EventType.RECOVERED: lambda job: recovered_data(job, output=0, version=None),
        EventType.EXPIRING: expiring_data,
    }
)
_OUTAGE: Final = upstream_data(phase="session", reason="upstream_unavailable", since=BEGAN - timedelta(minutes=2))
_FAILING_SINCE: Final = BEGAN - timedelta(hours=84)
_OF_NO_JOB: Final[Mapping[AnyEventType, Mapping[str, Any]]] = MappingProxyType(
    {
        EndpointEventType.FAILING: failing_data(
            _ENDPOINT, percent=70, failing_since=_FAILING_SINCE, disabled_at=BEGAN + timedelta(hours=36)
        ),
        EndpointEventType.DISABLED: disabled_data(_ENDPOINT, reason="status 503", failing_since=_FAILING_SINCE),
        UpstreamEventType.DEGRADED: _OUTAGE,
        UpstreamEventType.RECOVERED: _OUTAGE,
    }
)
