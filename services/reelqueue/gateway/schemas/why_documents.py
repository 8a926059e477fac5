"""What the answers about waiting, and quotes, look like. For the OpenAPI document and for tests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reelqueue.domain.explanations import EXPLANATIONS
from reelqueue.domain.jobs import Status
from reelqueue.domain.quotes import Reach
from reelqueue.gateway.schemas.documents import Document, JobId, Moment, Path, Repair

Reason = Annotated[str, Field(json_schema_extra={"enum": list(EXPLANATIONS)})]
Basis = Annotated[
    Literal["own", "everybody", "none"], Field(description="Whose jobs the figures come from: yours, or those of all.")
]
Samples = Annotated[int, Field(ge=0, description="How many jobs are behind the times at work.")]


class WhyBlocker(Document):
    """What stands in the way."""

    reason: Reason
    since: Moment
    until: Moment | None


class WhyToken(Document):
    """The NemoVideo token that the job is on or would be placed on. Of a shared one only what concerns the job."""

    id: str | None
    own: bool
    full: bool = Field(description="It carries as many jobs as it may.")
    slots_in_use: int | None = Field(description="For turns, or for exports if that is what the job needs next.")
    max_slots: int | None
    cooling_until: Moment | None


class WhyBreaker(Document):
    """NemoVideo as a whole, at the point where the job is next."""

    phase: str
    state: str
    next_probe_at: Moment | None


class WhyFigures(Document):
    """The figures behind it."""

    running: int = Field(description="Jobs of yours that are under way.")
    max_running: int
    place: int | None = Field(
        description="Jobs of the same `customer` that go before it. `null`: it has been admitted."
    )
    share: Annotated[float, Field(ge=0, le=1)] = Field(
        description="Your part of the turns that are given out while everybody who waits now goes on waiting."
    )
    paused: bool
    project_job: JobId | None
    token: WhyToken | None
    breaker: WhyBreaker | None


class WhyEta(Document):
    """When work begins (`null` once it has) and when the job is done: as likely as not, and in nine of ten cases."""

    start_p50: Moment | None
    start_p90: Moment | None
    finish_p50: Moment
    finish_p90: Moment
    basis: Basis
    samples: Samples


class WhyChange(Document):
    """Something that would let the job go on."""

    do: str = Field(examples=["raise_max_running", "answer", "top_up", "wait"])
    text: str
    until: Moment | None
    link: str | None


class WhyLinks(Document):
    """Where to find it, and the job."""

    self: Path
    job: Path


class Why(Document):
    """Why a job is where it is."""

    object: Literal["why"]
    job: JobId
    status: Status
    state: Literal["waiting", "working", "ended"]
    text: str
    blocker: WhyBlocker | None
    figures: WhyFigures | None
    eta: WhyEta | None
    changes: list[WhyChange]
    as_of: Moment
    links: WhyLinks


class QuoteRefusal(Document):
    """Why an input would be refused."""

    code: str
    message: str
    fix: str


class QuoteInput(Document):
    """What would become of one input."""

    repairs: list[Repair]
    refused: QuoteRefusal | None


class QuoteCredits(Document):
    """Of the whole job."""

    likely: float
    most: float | None


class QuoteWait(Document):
    """Seconds until work begins."""

    p50_s: float | None
    p90_s: float | None


class QuoteFinish(Document):
    """When the job would be done if it were accepted now."""

    p50: Moment | None
    p90: Moment | None


class QuoteDeadline(Document):
    """A time that was asked for, and whether it would be met."""

    at: Moment
    reach: Reach = Field(
        description="`safe`: in nine of ten cases. `likely`: as likely as not. `unlikely`: less than that. "
        "`unreachable`: not by the fastest; such a job is given up before it costs anything."
    )


class Quote(Document):
    """What a job would come to. Nothing was accepted, and nothing is kept."""

    object: Literal["quote"]
    acceptable: bool = Field(description="Whether every input would be taken.")
    inputs: list[QuoteInput]
    turns: int
    credits: QuoteCredits
    wait: QuoteWait
    finish: QuoteFinish
    start_by: QuoteDeadline | None
    finish_by: QuoteDeadline | None
    basis: Basis
    samples: Samples
