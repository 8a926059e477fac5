"""A job, where it may stand, and where it may go.

`TRANSITIONS` is the law: the runner asks it, the database repeats it (a trigger made from it by the first migration),
and the picture in `docs/status-machine.md` is drawn from it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal

from reelqueue.domain.outputs import UNTOUCHED, Export, Output, Result
from reelqueue.domain.recovered import Recovered
from reelqueue.domain.repairs import Repair


class Status(enum.StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    """Accepted. Waits for its turn; then a token and an upstream session are made ready."""
    UPLOADING = "uploading"
    """Inputs go up, by content hash."""
    INSTRUCTING = "instructing"
    """One agent turn an instruction."""
    REQUIRES_INPUT = "requires_input"
    """The agent asked something; the owner answers. Holds no worker."""
    RENDERING = "rendering"
    """The export is submitted under our id and polled."""
    SAVING = "saving"
    """The result is fetched, verified and kept."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_final(self) -> bool:
        """Whether nothing can follow."""
        return not TRANSITIONS[self]


TRANSITIONS: Final[Mapping[Status, frozenset[Status]]] = MappingProxyType(
    {
        Status.QUEUED: frozenset({Status.UPLOADING, Status.CANCELED, Status.FAILED}),
        Status.UPLOADING: frozenset(
            {Status.INSTRUCTING, Status.RENDERING, Status.SUCCEEDED, Status.FAILED, Status.CANCELED}
        ),
        Status.INSTRUCTING: frozenset(
            {
                Status.INSTRUCTING,
                Status.REQUIRES_INPUT,
                Status.RENDERING,
                Status.SUCCEEDED,
                Status.FAILED,
                Status.CANCELED,
            }
        ),
        Status.REQUIRES_INPUT: frozenset({Status.INSTRUCTING, Status.RENDERING, Status.FAILED, Status.CANCELED}),
        Status.RENDERING: frozenset({Status.RENDERING, Status.SAVING, Status.FAILED, Status.CANCELED}),
        Status.SAVING: frozenset({Status.SAVING, Status.SUCCEEDED, Status.FAILED, Status.CANCELED}),
        Status.SUCCEEDED: frozenset(),
        Status.FAILED: frozenset(),
        Status.CANCELED: frozenset(),
    }
)


class IllegalTransitionError(AssertionError):
    """A bug of ours: somebody asked for a move the law does not have."""


def require_transition(origin: Status, to: Status) -> None:
    """Refuse a move that `TRANSITIONS` does not list."""
    if to not in TRANSITIONS[origin]:
        raise IllegalTransitionError(f"{origin} may not go to {to}")


class Priority(enum.StrEnum):
    """Which of a customer's jobs go first. It moves nothing between customers or tenants."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 for the first to go."""
        return tuple(Priority).index(self)


class Queue(enum.StrEnum):
    """Which workers run a step: `stream` holds a thread for minutes, `step` for seconds, `webhook` delivers."""

    STREAM = "stream"
    STEP = "step"
    WEBHOOK = "webhook"


def queue_of(status: Status) -> Queue:
    """The queue whose workers run the step of this status."""
    return Queue.STREAM if status is Status.INSTRUCTING else Queue.STEP


class EventType(enum.StrEnum):
    """What can happen to a job, as consumers see it."""

    QUEUED = "job.queued"
    STARTED = "job.started"
    """A worker has taken it up for the first time."""
    UPLOADING = "job.uploading"
    INSTRUCTING = "job.instructing"
    REQUIRES_INPUT = "job.requires_input"
    RENDERING = "job.rendering"
    SAVING = "job.saving"
    SUCCEEDED = "job.succeeded"
    FAILED = "job.failed"
    CANCELED = "job.canceled"
    PROGRESS = "job.progress"
    """A long turn is still at work, or said something."""
    PREVIEW_READY = "job.preview_ready"
    """The raw clip of a two-stage generation is there; finishing touches follow."""
    EXPORTED = "job.exported"
    """One of several outputs is done or has failed."""
    RECOVERED = "job.recovered"
    """What was paid for arrived after the job had ended. It comes after the terminal event."""
    BATCH_COMPLETED = "batch.completed"
    """The last job of a batch has ended. Told after that job's own end."""
    EXPIRING = "asset.expiring"
    """Files that arrived after the end are deleted soon. Told once."""


EVENT_OF: Final[Mapping[Status, EventType]] = MappingProxyType({s: EventType(f"job.{s}") for s in Status})
TERMINAL_EVENTS: Final = frozenset(EVENT_OF[status] for status in Status if not TRANSITIONS[status])
OUTCOME_EVENTS: Final = TERMINAL_EVENTS | {EventType.RECOVERED}
"""What a job came to: how it ended, and what arrived afterwards."""


class WaitingReason(enum.StrEnum):
    """Why a live job is not being worked on."""

    TURN = "its_turn"
    """Waits for a free worker, after others of its tenant and of other tenants."""
    TENANT_CAP = "tenant_cap"
    """As many jobs of its tenant are under way as may be at once."""
    TOKEN_ROOM = "token_room"  # noqa: S105 - a reason
    """Every upstream token that could carry it carries as many jobs as it may."""
    PROJECT = "project_busy"
    """Another job of the same project is not done: a project has one turn at a time."""
    UPSTREAM_BUSY = "upstream_rate_limited"
    UPSTREAM_DOWN = "upstream_unavailable"
    TOKEN_RATE = "token_rate"  # noqa: S105 - a reason, not a secret
    """The upstream token is used as fast as it may be; the next call is made at `until`."""
    TOKEN_COOLING = "token_cooling"  # noqa: S105 - nor this
    """NemoVideo asked for a pause of the token, which ends before `until`."""
    TOKEN_BLOCKED = "token_blocked"  # noqa: S105 - nor this
    """The only upstream token that could carry it is blocked; looked at again at `until`."""
    UPSTREAM_DEGRADED = "upstream_degraded"
    """NemoVideo is down, for every job or by an operator's hand. Costs no attempt; tried again at `until`."""
    RENDER = "render"
    """The export runs upstream; the next poll is at `until`."""
    RECONCILE = "reconcile"
    """A stream broke; what the turn did is being found out."""
    RETRY = "retry"
    """A step failed in a way that may pass; it runs again at `until`."""
    ANSWER = "answer"
    """The agent asked something; the owner answers by API, until `until`."""
    CREDITS = "credits"
    """The upstream token has no credits; looked at again at `until`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Why, since when and until when a live job waits."""

    reason: WaitingReason
    since: datetime
    until: datetime | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobError:
    """Why a job failed, in public words."""

    code: str
    message: str
    blame: str
    retryable: bool
    spent: float | None
    fix: str
    link: str | None = None
    """Where a person can do that, if there is such a place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Billing:
    """Credits: `spent` is what the job is known to have cost, `at_risk` what it may have cost beside that.

    `certainty` says how `spent` is known: `exact` where nothing was ever sent, `inferred` from a balance that others
    may have moved too, `unknown` where no balance could be read.
    """

    spent: float = 0.0
    at_risk: float = 0.0
    certainty: Literal["exact", "inferred", "unknown"] = "exact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """What the owner wants done without being asked."""

    on_question: Literal["wait", "fail", "answer"] = "wait"
    """`answer` gives `answer_text` to the first question of an instruction; to a second one the owner answers."""
    answer_text: str | None = field(default=None, repr=False)
    answer_within_s: int = 86_400
    """How long a question waits before the job fails, in seconds."""
    on_no_credits: Literal["fail", "wait"] = "fail"
    post_production: Literal["keep", "strip"] = "keep"
    """`strip`: tracks that a generation added unasked are taken off before the export, by a turn of their own."""


DEFAULT_POLICIES: Final = Policies()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the agent asked, in place of an edit. `instruction` counts from 0."""

    instruction: int
    text: str
    asked_at: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was said to a question, by its owner or by the job's policy. `instruction` counts from 0."""

    instruction: int
    question: str
    text: str = field(repr=False)
    by: Literal["owner", "policy"] = "owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInput:
    """One input: an asset of ours, or a URL that the upstream shall fetch by itself."""

    position: int
    asset_id: str | None = None
    url: str | None = field(default=None, repr=False)
    sent: bool = False
    repairs: tuple[Repair, ...] = ()
    """What was done to the file before it was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One request, as the row says. A value: it never changes; the store hands out a new one after each write."""

    id: str
    tenant_id: str
    status: Status
    project_id: str | None
    instructions: tuple[str, ...]
    """Run in this order, in one upstream session. None at all: an export of a version, or inputs only."""
    instruction_index: int
    """0-based: the instruction whose turn is next or running."""
    outputs: tuple[Output, ...]
    """Exports of the one timeline. None at all: an edit without export."""
    language: str | None
    metadata: Mapping[str, str]
    external_id: str | None
    customer: str | None
    webhook_url: str | None = field(repr=False)
    progress: int
    """0 to 100."""
    waiting: Waiting | None
    receipts: tuple[Mapping[str, Any], ...]
    result: Result | None
    """The first output's that has one."""
    error: JobError | None
    billing: Billing
    retried_from: str | None
    attempt: int
    """Tries of the current step that failed; 0 on the first."""
    event_seq: int
    """The number of the newest event."""
    lease_epoch: int
    finish_by: datetime | None
    cancel_requested_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    inputs: tuple[JobInput, ...] = ()
    policies: Policies = DEFAULT_POLICIES
    question: Question | None = None
    """Open while the job is in `requires_input`."""
    answers: tuple[Answer, ...] = ()
    moves: int = 0
    """How many verdicts were written. Tells a repeat of a write from the next one; events are counted by themselves."""
    batch_id: str | None = None
    priority: Priority = Priority.NORMAL
    start_by: datetime | None = None
    token_id: str | None = None
    """The upstream token that it was given when it was admitted."""
    slot: Literal["turn", "render"] | None = None
    """What it occupies of that token now."""
    version: int | None = None
    """The version of the project's draft to export; `None`: the draft as the last turn left it."""
    exports: tuple[Export, ...] = ()
    """How far each output is, in their order; empty before the first is known to have moved."""
    recovered: Recovered | None = None
    """What arrived after it had ended."""
    late: bool = False
    """It ended after its `finish_by`, or is live although that has passed. By the database's clock."""

    def export(self, index: int) -> Export:
        """How far the output at `index` (from 0) is."""
        return self.exports[index] if index < len(self.exports) else UNTOUCHED

    @property
    def turn_position(self) -> int:
        """0-based: which turn of the job is next or running. Each answer is a turn beside the instructions'."""
        return self.instruction_index + len(self.answers)

    @property
    def turn_text(self) -> str:
        """What that turn says to the agent: the last answer, if it belongs to the instruction at hand."""
        if self.answers and self.answers[-1].instruction == self.instruction_index:
            return self.answers[-1].text
        return self.instructions[self.instruction_index]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """One thing that happened to a job. `seq` runs from 1 without gaps."""

    id: str
    job_id: str
    tenant_id: str
    seq: int
    type: EventType
    data: Mapping[str, Any]
    created_at: datetime


def is_overdue(job: Job, now: datetime) -> bool:
    """Whether the job's `finish_by` has passed."""
    return job.finish_by is not None and job.finish_by < now
