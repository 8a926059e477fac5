"""What answers about jobs, files and credits look like.

For the OpenAPI document and for tests: at run time the documents are built by hand.
Every member is always there; `null` where it does not apply yet.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from reelqueue.domain.jobs import EventType, Priority, Status, WaitingReason

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2030-01-31T12:00:00.000Z"])]
Path = Annotated[str, Field(json_schema_extra={"format": "uri-reference"})]
JobId = Annotated[str, Field(pattern=r"^job_[0-9a-z]{26}$", examples=["job_06c6k4zvm5rk9r8dm7k5h2v3ea"])]


def _open(schema: dict[str, Any]) -> None:
    schema.pop("additionalProperties", None)


class Document(BaseModel):
    """Members that are listed. Ours are held to no others; the published schema leaves room for those to come.

    A closed one would break whoever checks answers with it on the day that a member is added.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra=_open)


class Waiting(Document):
    """Why a live job is not being worked on now."""

    reason: WaitingReason
    since: Moment
    until: Moment | None
    detail: str | None


class Step(Document):
    """What runs now: which try, and which instruction (both counted from 1)."""

    attempt: int
    instruction: int | None


class Measure(Document):
    """How large a picture is."""

    bytes: int
    width: int
    height: int


class Converted(Document):
    """Of a format that NemoVideo does not take. Each side is a format, by its usual extension."""

    kind: Literal["converted"]
    from_: str = Field(alias="from", examples=["heic"])
    to: str = Field(examples=["jpg"])


class Scaled(Document):
    """The file was larger than allowed; it was written anew, with fewer pixels if need be."""

    kind: Literal["scaled"]
    from_: Measure = Field(alias="from")
    to: Measure


class Renamed(Document):
    """The name did not end as its content does. Each side is a name."""

    kind: Literal["renamed"]
    from_: str = Field(alias="from", examples=["photo.heic"])
    to: str = Field(examples=["photo.jpg"])


Repair = Annotated[Converted | Scaled | Renamed, Field(discriminator="kind")]


class JobInput(Document):
    """An input: an asset, or a URL that NemoVideo fetches; and what was done to its file before it was kept."""

    asset: str | None
    url: str | None
    uploaded: bool
    repairs: list[Repair]


class JobResult(Document):
    """The finished video."""

    url: Path
    sha256: str
    bytes: int
    duration_ms: int
    width: int
    height: int
    container: str


class OutputError(Document):
    """Why one output failed."""

    code: str
    message: str
    link: str | None = Field(description="Where a person can do something about it.")


class JobOutput(Document):
    """What is exported, and how far it is."""

    format: str
    quality: str
    status: Literal["waiting", "rendering", "saving", "succeeded", "failed", "canceled"]
    progress: Annotated[int, Field(ge=0, le=100)]
    error: OutputError | None
    result: JobResult | None


class JobError(Document):
    """Why a job failed."""

    code: str
    message: str
    blame: Literal["caller", "upstream", "gateway"]
    retryable: bool
    spent: float | None = Field(description="Credits the job is known to have cost.")
    fix: str
    link: str | None = Field(description="Where a person can do that.")
    docs: Path


class Billing(Document):
    """Credits: known to be spent, perhaps spent beside that, and how we know."""

    spent: float
    at_risk: float
    certainty: Literal["exact", "inferred", "unknown"]


class RecoveredOutput(Document):
    """The file of one output, by its number."""

    output: int
    result: JobResult


class JobRecovered(Document):
    """What arrived after the job had ended. Files are kept until `expires_at`, then their URLs answer 410."""

    result: JobResult | None = Field(description="The first of `outputs`.")
    outputs: list[RecoveredOutput]
    version: int | None = Field(description="The version of the project that a canceled turn left behind.")
    at: Moment
    expires_at: Moment | None = Field(description="Null for a version, which is kept for good.")


class JobQuestion(Document):
    """What the agent asked instead of editing. `instruction` counts from 1; after `until` the job fails."""

    instruction: int
    text: str
    asked_at: Moment
    until: Moment | None


class JobAnswer(Document):
    """What was said to a question, by its owner or by the job's policy."""

    instruction: int
    question: str
    text: str
    by: Literal["owner", "policy"]


class JobPolicies(Document):
    """What is done without asking the owner."""

    on_question: Literal["wait", "fail", "answer"]
    answer_text: str | None
    answer_within_s: int
    on_no_credits: Literal["fail", "wait"]
    post_production: Literal["keep", "strip"]


class JobRetry(Document):
    """Where a retry began: anew, at an instruction, or at the export, which is free."""

    from_: Literal["queued", "instructing", "rendering"] = Field(alias="from")
    free: bool


class JobLinks(Document):
    """Where to go on."""

    self: Path
    events: Path
    result: Path | None
    answer: Path | None
    cancel: Path | None


class Job(Document):
    """A job."""

    id: JobId
    object: Literal["job"]
    status: Status
    waiting: Waiting | None
    progress: Annotated[int, Field(ge=0, le=100)]
    step: Step | None
    project: str | None
    batch: str | None
    version: int | None = Field(description="The version of the project that is exported, where one was chosen.")
    instructions: list[str]
    inputs: list[JobInput]
    outputs: list[JobOutput]
    language: str | None
    receipts: list[dict[str, Any]] = Field(description="What each instruction changed on the timeline.")
    result: JobResult | None
    error: JobError | None
    billing: Billing
    recovered: JobRecovered | None
    question: JobQuestion | None
    answers: list[JobAnswer]
    policies: JobPolicies
    metadata: dict[str, str]
    external_id: str | None
    customer: str | None
    webhook_url: str | None
    retried_from: JobId | None
    retry: JobRetry | None
    priority: Priority
    start_by: Moment | None
    finish_by: Moment | None
    late: bool = Field(description="It ended after its `finish_by`, or is live although that has passed.")
    cancel_requested_at: Moment | None
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    links: JobLinks


class JobList(Document):
    """One page of jobs, newest first."""

    object: Literal["list"]
    data: list[Job]
    has_more: bool
    next_cursor: str | None


class JobEvent(Document):
    """Something that happened to a job. `seq` runs from 1 without gaps."""

    id: str
    seq: int
    type: EventType
    timestamp: Moment
    job: JobId
    data: dict[str, Any]


class JobEventList(Document):
    """Events in order. The next page begins after the last `seq`."""

    object: Literal["list"]
    data: list[JobEvent]
    has_more: bool


class FeedEvent(Document):
    """An event in the feed: with its number in it, and otherwise as its webhooks say it."""

    id: str = Field(description="The `webhook-id` of its webhooks.")
    object: Literal["event"]
    seq: int = Field(description="In the feed of your tenant: from 1, without gaps.")
    type: str
    timestamp: Moment
    job: JobId | None
    data: dict[str, Any]


class FeedEventList(Document):
    """Events in order."""

    object: Literal["list"]
    data: list[FeedEvent]
    has_more: bool
    next_after: int = Field(description="`after` for the next page, also if this one is empty.")
    oldest: int = Field(description="The first number that is kept; the next to come if none is.")
    last: int = Field(description="The newest number given so far.")


class SelfLink(Document):
    """Where to find it."""

    self: Path


class Asset(Document):
    """An input file. The same bytes under the same extension are one asset."""

    id: str
    object: Literal["asset"]
    sha256: str
    source_sha256: str = Field(description="Of the file as it was sent. Another one if it was repaired.")
    bytes: int
    kind: Literal["image", "video", "audio"]
    media_type: str
    label: str
    width: int | None
    height: int | None
    duration_ms: int | None
    repairs: list[Repair] = Field(
        description="What was done to the file. In the answer to an upload: to the one just sent; "
        "elsewhere: to the first that was sent with this content."
    )
    created_at: Moment
    links: SelfLink


class AssetList(Document):
    """One page of assets, newest first; or those of one upload, in its order."""

    object: Literal["list"]
    data: list[Asset]
    has_more: bool
    next_cursor: str | None


class Spending(Document):
    """The sum of a tenant's ledger. `unknown` counts turns whose cost could not be read."""

    spent: float
    turns: int
    unknown: int


class Credits(Document):
    """What a tenant has to spend. The balance of a shared token is not shown: it would tell what others spend."""

    object: Literal["credits"]
    source: Literal["own", "shared", "none"]
    token: str | None
    available: float | None
    frozen: float | None
    total: float | None
    as_of: Moment
    this_month: Spending
    link: str | None = Field(description="Where a person gets more.")


class Health(Document):
    """The process answers."""

    status: Literal["ok"]


class Readiness(Document):
    """What the service needs, each by itself."""

    status: Literal["ready", "not ready"]
    checks: dict[Literal["database", "migrations", "roles", "broker"], Literal["ok", "down", "unknown"]]


class ProblemItem(BaseModel):
    """One rule that the request breaks: `pointer` into the body (RFC 6901), or `parameter` for query and headers."""

    pointer: str | None = None
    parameter: str | None = None
    code: str
    message: str


class Problem(BaseModel):
    """RFC 9457. `code` is stable; other members may stand beside these, as `limit_bytes` with `body_too_large`."""

    type: Path
    title: str
    status: int
    code: str
    detail: str
    errors: list[ProblemItem]
    fix: str
    retryable: bool
    request_id: str
