"""Every event as a receiver gets it: `{type, timestamp, data}`, a schema a type."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from pydantic import create_model

from reelqueue.domain.breakers import UpstreamEventType
from reelqueue.domain.event_types import EVENT_TYPES, AnyEventType, EndpointEventType
from reelqueue.domain.jobs import EventType
from reelqueue.gateway.schemas import event_data as data
from reelqueue.gateway.schemas.documents import Document, Moment


class Told(NamedTuple):
    """When an event is told, as a sentence, and what its `data` is."""

    when: str
    data: type[data.EventData] = data.JobEventData


TOLD: Final[Mapping[AnyEventType, Told]] = MappingProxyType(
    {
        EventType.QUEUED: Told("The job was accepted."),
        EventType.STARTED: Told("A worker has taken the job up for the first time."),
        EventType.UPLOADING: Told("The job's inputs go up to NemoVideo."),
        EventType.INSTRUCTING: Told("An instruction is sent.", data.JobInstructingData),
        EventType.REQUIRES_INPUT: Told(
            "The agent asked something instead of editing; the job waits for you.", data.JobRequiresInputData
        ),
        EventType.RENDERING: Told("The outputs are being exported.", data.JobRenderingData),
        EventType.SAVING: Told("The finished files are fetched and checked."),
        EventType.SUCCEEDED: Told("The job is done, and every output is there."),
        EventType.FAILED: Told("The job has failed.", data.JobFailedData),
        EventType.CANCELED: Told("The job was canceled.", data.JobCanceledData),
        EventType.PROGRESS: Told(
            "A running turn said something, or is still at work after two more minutes.", data.JobProgressData
        ),
        EventType.PREVIEW_READY: Told("The first clip of a generation is on the timeline.", data.JobPreviewReadyData),
        EventType.EXPORTED: Told("One of several outputs is done or has failed.", data.JobExportedData),
        EventType.BATCH_COMPLETED: Told(
            "The last job of a batch has ended; it stands among that job's events.", data.BatchCompletedData
        ),
        EventType.RECOVERED: Told(
            "What was paid for arrived after the job was canceled or ran out of time.", data.JobRecoveredData
        ),
        EventType.EXPIRING: Told(
            "Files that arrived after a job had ended are deleted soon. Told once, a day before, or when half of their "
            "time is over.",
            data.AssetExpiringData,
        ),
        EndpointEventType.FAILING: Told(
            "An endpoint has failed for 50, 70 or 90 percent of the time after which it is disabled.",
            data.EndpointFailingData,
        ),
        EndpointEventType.DISABLED: Told(
            "An endpoint was disabled, and gets nothing until you enable it.", data.EndpointDisabledData
        ),
        UpstreamEventType.DEGRADED: Told(
            "A phase of NemoVideo is down for everybody, or was stopped by the operator.", data.UpstreamEventData
        ),
        UpstreamEventType.RECOVERED: Told("That phase works again.", data.UpstreamEventData),
    }
)


def schema_name(kind: AnyEventType) -> str:
    """`JobSucceededEvent` for `job.succeeded`: the schema's name in the OpenAPI document."""
    return "".join(part.capitalize() for part in kind.value.replace(".", "_").split("_")) + "Event"


def _document(kind: AnyEventType) -> type[Document]:
    # Without a precise type: the literal is made from the name.
    members: dict[str, Any] = {"type": Literal[kind.value], "timestamp": Moment, "data": TOLD[kind].data}
    return create_model(schema_name(kind), __base__=Document, __doc__=TOLD[kind].when, **members)


EVENT_DOCUMENTS: Final[Mapping[AnyEventType, type[Document]]] = MappingProxyType(
    {kind: _document(kind) for kind in EVENT_TYPES.values()}
)
"""The body of a webhook of each type."""
