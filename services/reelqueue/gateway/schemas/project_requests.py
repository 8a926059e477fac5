"""What the routes of projects take."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reelqueue.domain.projects import NewProject
from reelqueue.gateway.schemas.job_request import (
    InputList,
    Instruction,
    Label,
    Language,
    Metadata,
    Moment,
    Outputs,
    Url,
    draft_inputs,
)
from reelqueue.gateway.schemas.strict import StrictModel
from reelqueue.jobs.project_exports import ExportDraft
from reelqueue.jobs.project_messages import Message


class ProjectRequest(StrictModel):
    """A project: a timeline for several jobs."""

    name: Label | None = Field(None, examples=["Summer campaign"])
    language: Language | None = Field(None, description="Of its jobs, unless they say another.")
    metadata: Metadata | None = None
    external_id: Label | None = None
    customer: Label | None = None

    def project(self) -> NewProject:
        """The same, as the store takes it."""
        return NewProject(
            name=self.name,
            language=self.language,
            metadata=self.metadata or {},
            external_id=self.external_id,
            customer=self.customer,
        )


class ExportRequest(Outputs):
    """Which version to export, and how. It costs no credits."""

    version: Annotated[int, Field(ge=1, le=2_147_483_647)] | None = Field(None, description="The newest unless said.")
    metadata: Metadata | None = None
    external_id: Label | None = None
    customer: Label | None = None
    webhook_url: Url | None = None

    def draft(self) -> ExportDraft:
        """The same, as the use case takes it."""
        return ExportDraft(
            version=self.version,
            outputs=self.wanted(),
            metadata=self.metadata or {},
            external_id=self.external_id,
            customer=self.customer,
            webhook_url=self.webhook_url,
        )


class MessageRequest(Outputs):
    """What a person says about the project. Only what is for the agent costs credits."""

    message: Instruction = Field(examples=["add a title that says Hello, then export"])
    inputs: InputList | None = None
    asked_at: Moment | None = Field(
        None, description="The question's `asked_at`: then the message is an answer to that question, or refused."
    )
    metadata: Metadata | None = None
    external_id: Label | None = None
    customer: Label | None = None
    webhook_url: Url | None = None

    def draft(self) -> Message:
        """The same, as the use case takes it."""
        return Message(
            text=self.message,
            inputs=draft_inputs(self.inputs),
            outputs=self.wanted(),
            asked_at=self.asked_at,
            metadata=self.metadata or {},
            external_id=self.external_id,
            customer=self.customer,
            webhook_url=self.webhook_url,
        )
