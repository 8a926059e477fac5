"""What `POST /v1/jobs` takes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from reelqueue.domain.jobs import DEFAULT_POLICIES, Policies, Priority
from reelqueue.domain.outputs import Output
from reelqueue.gateway.schemas.moments import parse_moment
from reelqueue.gateway.schemas.strict import StrictModel, broken_rule
from reelqueue.jobs.drafts import DraftInput, JobDraft
from reelqueue.kit.ids import PREFIXES

MOST_INPUTS: Final = 20
MOST_OUTPUTS: Final = 6


def _input(value: Any) -> Any:
    """A plain string is short for `{"asset": id}` or `{"url": …}`."""
    if not isinstance(value, str):
        return value
    return {"asset": value} if value.startswith(PREFIXES["asset"]) else {"url": value}


def _instruction(value: Any) -> Any:
    if isinstance(value, str) and value and not value.strip():
        raise broken_rule("An instruction needs words.")
    return value


def _moment(value: Any) -> Any:
    moment = parse_moment(value) if isinstance(value, str) else None
    if moment is None:
        raise broken_rule("This must be an RFC 3339 time with its offset, as 2030-01-31T12:00:00Z.")
    return moment


Instruction = Annotated[str, Field(min_length=1, max_length=4_000), BeforeValidator(_instruction)]
ProjectId = Annotated[str, Field(max_length=255, examples=["prj_06c6k4zvm5rk9r8dm7k5h2v3ea"])]
Url = Annotated[str, Field(min_length=1, max_length=8_192)]
# No line breaks: these are read in logs, in lists and in other people's databases.
Label = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]
MetadataKey = Annotated[str, Field(min_length=1, max_length=40)]
MetadataValue = Annotated[str, Field(max_length=500)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Field(max_length=50)]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")]
Moment = Annotated[
    datetime,
    BeforeValidator(_moment, json_schema_input_type=Annotated[str, Field(json_schema_extra={"format": "date-time"})]),
]


class InputRequest(StrictModel):
    """One input: an asset of yours, or a URL. `fetch` says who reads the URL: we (at once), or NemoVideo (later)."""

    asset: Annotated[str, Field(max_length=255)] | None = Field(None, examples=["ast_06c6k4zvm5rk9r8dm7k5h2v3ea"])
    url: Url | None = Field(None, examples=["https://example.com/photo.jpg"])
    fetch: Literal["gateway", "upstream"] | None = Field(None, description="For a URL; `gateway` unless said.")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.asset is None) == (self.url is None):
            raise broken_rule("An input is either an asset or a url.")
        if self.asset is not None and self.fetch is not None:
            raise broken_rule("Only a url can be fetched.")
        return self


InputList = Annotated[list[Annotated[InputRequest, BeforeValidator(_input)]], Field(max_length=MOST_INPUTS)]


def draft_inputs(inputs: list[InputRequest] | None) -> tuple[DraftInput, ...]:
    """The same, as the use case takes them."""
    return tuple(
        DraftInput(asset_id=one.asset, url=one.url, by_upstream=one.fetch == "upstream") for one in inputs or ()
    )


class OutputRequest(StrictModel):
    """What to export."""

    format: Literal["mp4"] = "mp4"
    quality: Literal["low", "medium", "high"] = "high"


class Outputs(StrictModel):
    """What to export, as one or as several."""

    output: OutputRequest | None = Field(
        default_factory=OutputRequest, description="Short for one of `outputs`; `null` for an edit without an export."
    )
    outputs: Annotated[list[OutputRequest], Field(max_length=MOST_OUTPUTS)] | None = Field(
        None, description="Several exports of the one timeline, no two alike; empty for an edit without an export."
    )

    @model_validator(mode="after")
    def _says_what_to_export(self) -> Self:
        if self.outputs is None:
            return self
        if "output" in self.model_fields_set:
            raise broken_rule("Send either `output` or `outputs`.")
        if len({(one.format, one.quality) for one in self.outputs}) < len(self.outputs):
            raise broken_rule("No two `outputs` may be alike.")
        return self

    def wanted(self) -> tuple[Output, ...]:
        """The exports that are asked for."""
        one = [] if self.output is None else [self.output]
        wishes = one if self.outputs is None else self.outputs
        return tuple(Output(format=wish.format, quality=wish.quality) for wish in wishes)


class AnswerPolicy(StrictModel):
    """An answer given in advance, to the first question of each instruction."""

    answer: Instruction = Field(examples=["Choose what fits best, and go on."])


class JobRequest(Outputs):
    """A job: inputs and instructions in, a video out."""

    instruction: Instruction | None = Field(None, examples=["animate this photo"])
    instructions: Annotated[list[Instruction], Field(min_length=1, max_length=10)] | None = Field(
        None, description="Run in this order, in one session. Send either this or `instruction`."
    )
    inputs: InputList | None = Field(
        None, description="Assets and URLs, each as an object or as a plain string. Uploaded files follow them."
    )
    project: ProjectId | None = Field(
        None, description="A project whose timeline the job goes on with, when its earlier jobs are done."
    )
    language: Language | None = Field(None, examples=["en", "zh-CN"])
    metadata: Metadata | None = Field(
        None, description="Yours; we keep it, show it and let you filter by it.", examples=[{"order": "1042"}]
    )
    external_id: Label | None = None
    customer: Label | None = None
    webhook_url: Url | None = Field(None, description="Gets this job's terminal event, beside your endpoints.")
    priority: Literal["high", "normal", "low"] = Field(
        "normal", description="Before or after other jobs of the same `customer`."
    )
    start_by: Moment | None = Field(
        None, description="The job fails, and costs nothing, if its work has not begun by then."
    )
    finish_by: Moment | None = Field(None, description="The job fails if it has not finished by then.")

    on_question: Literal["wait", "fail"] | AnswerPolicy | None = Field(
        None, description="What happens when the agent asks instead of editing; `wait` for you unless said."
    )
    answer_within_s: Annotated[int, Field(ge=60, le=604_800)] | None = Field(
        None, description="How long a question waits, in seconds, before the job fails; a day unless said."
    )
    on_no_credits: Literal["fail", "wait"] | None = Field(
        None, description="What happens when the NemoVideo token has no credits; `fail` unless said."
    )
    post_production: Literal["keep", "strip"] | None = Field(
        None,
        description="What happens to music, titles and effects that a generation adds unasked; `keep` unless said."
        " `strip` takes them off by a turn of its own, which may cost credits.",
    )

    @model_validator(mode="after")
    def _says_what_to_do(self) -> Self:
        if (self.instruction is None) == (self.instructions is None):
            raise broken_rule("Send either `instruction` or `instructions`.")
        return self

    def draft(self) -> JobDraft:
        """The same, as the use case takes it."""
        instructions = self.instructions if self.instruction is None else [self.instruction]
        assert instructions is not None
        return JobDraft(
            instructions=tuple(instructions),
            inputs=draft_inputs(self.inputs),
            outputs=self.wanted(),
            language=self.language,
            metadata=self.metadata or {},
            external_id=self.external_id,
            customer=self.customer,
            webhook_url=self.webhook_url,
            finish_by=self.finish_by,
            start_by=self.start_by,
            priority=Priority(self.priority),
            policies=self._policies(),
            project=self.project,
        )

    def _policies(self) -> Policies:
        return Policies(
            on_question="answer" if isinstance(self.on_question, AnswerPolicy) else self.on_question or "wait",
            answer_text=self.on_question.answer if isinstance(self.on_question, AnswerPolicy) else None,
            answer_within_s=DEFAULT_POLICIES.answer_within_s if self.answer_within_s is None else self.answer_within_s,
            on_no_credits=self.on_no_credits or "fail",
            post_production=self.post_production or "keep",
        )


class AnswerRequest(StrictModel):
    """An answer to the agent's question."""

    text: Instruction = Field(examples=["Golden Hour"])
    asked_at: Moment | None = Field(
        None, description="The question's `asked_at`. Send it, and a repeat can never answer the next question."
    )
