"""What `data` holds in each type of event. Built by `domain/event_data.py`; see `documents` for what holds of all.

A member that is not always there says when it is.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reelqueue.domain.breakers import Phase
from reelqueue.gateway.schemas.documents import Document, Job, JobResult, Moment, OutputError, RecoveredOutput
from reelqueue.gateway.schemas.project_documents import BareTimeline, Batch

Number = Annotated[int, Field(ge=1)]
Instruction = Annotated[int, Field(ge=1, description="Which of the job's instructions.")]


class EventData(Document):
    """What every event has."""

    delivery_seq: Number | None = Field(
        None,
        description="Numbers what this endpoint gets, from 1 without gaps. Only in what goes to an endpoint.",
    )


class JobEventData(EventData):
    """The job as `GET` showed it at that moment, and the number of the event."""

    job: Job = Field(description="As `GET /v1/jobs/{job_id}` showed it at that moment.")
    seq: Number = Field(description="Numbers the job's events, from 1 without gaps.")


class JobInstructingData(JobEventData):
    """Or the answer to what the agent asked."""

    instruction: Instruction
    answered: Literal["owner", "policy"] | None = Field(
        None, description="Who answered the agent's question; only there if it was one."
    )


class JobRequiresInputData(JobEventData):
    """Answer with `POST /v1/jobs/{job_id}/answer`."""

    question: str = Field(description="In the agent's words.")
    instruction: Instruction
    until: Moment = Field(description="Then the job fails.")


class JobRenderingData(JobEventData):
    """This costs nothing."""

    late: Literal[True] | None = Field(
        None, description="Only there if the job's time is over: what was paid for is exported all the same."
    )


class JobFailedData(JobEventData):
    """`job.error` says it all."""

    code: str = Field(description="That of `job.error`.", examples=["upstream_render_failed"])


class JobCanceledData(JobEventData):
    """What was spent by then is in `job.billing`."""

    render: Literal["canceled", "running_on", "unknown"] | None = Field(
        None, description="What became of the export; only there if one was under way."
    )


class JobProgressData(JobEventData):
    """To be shown to people; how many come is chance."""

    instruction: Instruction
    kind: Literal["text", "working"] = Field(description="`text`: the agent said something.")
    text: str | None = Field(description="What it said.")
    tools: list[str] = Field(description="Those it has called so far, each once.")
    heartbeats: int = Field(description="How often NemoVideo said that the turn is alive.")
    seconds: int = Field(description="Since the turn began.")


class JobPreviewReadyData(JobEventData):
    """The first clip can be seen in NemoVideo's web app; more of the turn follows."""

    instruction: Instruction
    timeline: BareTimeline = Field(description="As it is now.")


class JobExportedData(JobEventData):
    """Of a job with one output you hear by its end."""

    output: Number = Field(description="Which of the job's outputs.")
    format: str = Field(examples=["mp4"], description="As it was asked for.")
    quality: str = Field(examples=["high"], description="As it was asked for.")
    status: Literal["succeeded", "failed"] = Field(description="Of this output.")
    result: JobResult | None = Field(None, description="Only there if it succeeded.")
    error: OutputError | None = Field(None, description="Only there if it failed.")


class BatchCompletedData(JobEventData):
    """`job` is the one that ended last."""

    batch: Batch = Field(description="As `GET /v1/batches/{batch_id}` showed it at that moment.")


class JobRecoveredData(JobEventData):
    """A file (`output`, `result`, `expires_at`), or the work of a turn (`version`, `instruction`)."""

    output: Number | None = Field(None, description="Only there for a file: of which output.")
    result: JobResult | None = Field(None, description="Only there for a file.")
    expires_at: Moment | None = Field(None, description="Only there for a file: then it is deleted.")
    version: Number | None = Field(None, description="Only there for a turn: the version that it left behind.")
    instruction: Instruction | None = Field(None, description="Only there for a turn.")


class AssetExpiringData(JobEventData):
    """Fetch what you need."""

    outputs: list[RecoveredOutput] = Field(description="The files, each with the number of its output.")
    expires_at: Moment = Field(description="Then the files are deleted, and their URLs answer 410.")


class EndpointEventData(EventData):
    """Only the host of the endpoint's URL is told, since the rest may hold a secret."""

    endpoint: str = Field(pattern=r"^whe_[0-9a-z]{26}$", description="Its id.")
    host: str = Field(description="The host of its URL.")
    description: str | None = Field(description="Yours.")
    failing_since: Moment | None = Field(description="Since then nothing has been delivered to it.")


class EndpointFailingData(EndpointEventData):
    """Look after it: what is due meanwhile is tried again, and what is given up can be replayed."""

    percent: Literal[50, 70, 90] = Field(description="How much of that time has passed.")
    disabled_at: Moment = Field(description="When it will be, if it goes on so.")


class EndpointDisabledData(EndpointEventData):
    """Mend it, enable it, then replay what it missed."""

    reason: str = Field(examples=["status 410"], description="Its last answer, or at which stage the last try failed.")


class UpstreamEventData(EventData):
    """Jobs that need that phase wait meanwhile, and go on by themselves."""

    phase: Phase = Field(description="Which part of NemoVideo.")
    since: Moment = Field(description="When it was found to be down.")
    reason: str = Field(description="An error code, or `operator`.", examples=["upstream_unavailable"])
