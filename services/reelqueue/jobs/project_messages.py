"""Messages to a project, routed by the upstream's own table (§10.1): only what is the agent's costs credits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

from reelqueue.domain.intake import IdempotencyKey
from reelqueue.domain.jobs import Job, Status
from reelqueue.domain.outputs import Output
from reelqueue.domain.projects import ProjectRecord
from reelqueue.domain.routing import route
from reelqueue.domain.routing_phrases import Intent
from reelqueue.errors import StateConflict
from reelqueue.jobs.drafts import DraftInput, JobDraft
from reelqueue.jobs.project_exports import ExportDraft, ProjectExports
from reelqueue.jobs.submit import JobSubmission
from reelqueue.jobs.submit_ports import Intake, ProjectRows

OPERATION: Final = "projects.message"
"""Idempotency keys are counted by tenant and operation, and here by the step of the message."""
_HOW_TO_UPLOAD: Final = "Send `inputs` with the message: assets of yours, or URLs."


class JobRows(Protocol):
    """`store.jobs.Jobs`, as far as it is asked here."""

    def find(self, tenant_id: str, job_id: str) -> Job:
        """One job. Raises NotFound."""
        ...


class AnswerRows(Protocol):
    """`store.answers.Answers`."""

    def give(
        self, tenant_id: str, job_id: str, text: str, *, asked_at: datetime | None, idempotency: IdempotencyKey | None
    ) -> Job:
        """Answer the open question. Raises NotFound, StateConflict."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a person wrote, and what came with it. `outputs` is what an export makes, if it comes to one."""

    text: str
    inputs: tuple[DraftInput, ...] = ()
    outputs: tuple[Output, ...] = (Output(),)
    asked_at: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    external_id: str | None = None
    customer: str | None = None
    webhook_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What was done for one step of a message: a job that was made or answered, or something to be read."""

    intent: Intent
    job: Job | None = None
    answered: bool = False
    replayed: bool = False
    note: str | None = None


class ProjectMessages:
    """`POST /v1/projects/{id}/messages` without HTTP. Blocks as a submit does."""

    def __init__(
        self,
        *,
        submission: JobSubmission,
        exports: ProjectExports,
        intake: Intake,
        projects: ProjectRows,
        jobs: JobRows,
        answers: AnswerRows,
    ) -> None:
        self._submission = submission
        self._exports = exports
        self._intake = intake
        self._projects = projects
        self._jobs = jobs
        self._answers = answers

    def take(self, tenant_id: str, project_id: str, message: Message, *, key: str | None = None) -> list[Deed]:
        """Do what the message wants, step by step. Steps that only read are left to the caller.

        Under a key each step that made or answered a job is replayed by itself, so that a repeat after a failure half
        way goes on where the first one stopped, and an answer is never given twice. Raises NotFound, StateConflict,
        and what submitting raises; what earlier steps did stays done.
        """
        self._projects.find(tenant_id, project_id)
        routed = route(message.text, has_files=bool(message.inputs))
        deeds: list[Deed] = []
        for place, intent in enumerate(routed.steps):
            step = _Step(tenant_id, project_id, message, _idempotency(project_id, message, key, place))
            match intent:
                case Intent.AGENT:
                    exported = Intent.EXPORT in routed.steps[place + 1 :]
                    deeds.append(self._agent(step, routed.text or message.text, exported=exported))
                case Intent.EXPORT:
                    deeds.append(self._export(step, deeds))
                case Intent.UPLOAD:
                    deeds.append(self._upload(step, alone=Intent.AGENT not in routed.steps))
                case Intent.CREDITS | Intent.STATUS:
                    deeds.append(Deed(intent=intent))
        return deeds

    def _agent(self, step: _Step, text: str, *, exported: bool) -> Deed:
        earlier = self._earlier(step)
        if earlier is not None:
            answered = any(one.text == text for one in earlier.answers)
            return Deed(intent=Intent.AGENT, job=earlier, answered=answered, replayed=True)
        asking = self._asking(step)
        if asking is not None:
            if step.message.inputs:
                raise StateConflict("The agent waits for an answer; send the inputs after it.", pointer="/inputs")
            job = self._answers.give(
                step.tenant_id, asking.id, text, asked_at=step.message.asked_at, idempotency=step.idempotency
            )
            return Deed(intent=Intent.AGENT, job=job, answered=True)
        if step.message.asked_at is not None:
            raise StateConflict("The project waits for no answer.", pointer="/asked_at")
        outputs = step.message.outputs if exported else ()
        draft = replace(step.draft(), instructions=(text,), inputs=step.message.inputs, outputs=outputs)
        return self._submit(step, Intent.AGENT, draft)

    def _export(self, step: _Step, deeds: list[Deed]) -> Deed:
        """The export of what is there now, or, while jobs of the project are at work, of what they leave behind."""
        by_agent = next((deed for deed in deeds if deed.intent is Intent.AGENT), None)
        if by_agent is not None and by_agent.job is not None and by_agent.job.outputs:
            return Deed(intent=Intent.EXPORT, job=by_agent.job, replayed=by_agent.replayed)
        earlier = self._earlier(step)
        if earlier is not None:
            return Deed(intent=Intent.EXPORT, job=earlier, replayed=True)
        if self._live(step):
            return self._submit(step, Intent.EXPORT, replace(step.draft(), outputs=step.message.outputs))
        wanted = ExportDraft(
            outputs=step.message.outputs,
            metadata=step.message.metadata,
            external_id=step.message.external_id,
            customer=step.message.customer,
            webhook_url=step.message.webhook_url,
        )
        accepted = self._exports.export(step.tenant_id, step.project_id, wanted, idempotency=step.idempotency)
        return Deed(intent=Intent.EXPORT, job=accepted.job, replayed=accepted.replayed)

    def _upload(self, step: _Step, *, alone: bool) -> Deed:
        if not step.message.inputs:
            return Deed(intent=Intent.UPLOAD, note=_HOW_TO_UPLOAD)
        if not alone:
            return Deed(intent=Intent.UPLOAD, note="The inputs go up with the instruction.")
        return self._submit(step, Intent.UPLOAD, replace(step.draft(), inputs=step.message.inputs, outputs=()))

    def _submit(self, step: _Step, intent: Intent, draft: JobDraft) -> Deed:
        accepted = self._submission.submit(step.tenant_id, draft, idempotency=step.idempotency)
        return Deed(intent=intent, job=accepted.job, replayed=accepted.replayed)

    def _earlier(self, step: _Step) -> Job | None:
        return None if step.idempotency is None else self._intake.replay(step.tenant_id, step.idempotency)

    def _live(self, step: _Step) -> list[Job]:
        """The project's jobs that are not done and may still change the timeline."""
        project: ProjectRecord = self._projects.find(step.tenant_id, step.project_id)
        found = (self._jobs.find(step.tenant_id, job_id) for job_id in project.live_jobs)
        return [job for job in found if job.version is None and not job.status.is_final]

    def _asking(self, step: _Step) -> Job | None:
        return next((job for job in self._live(step) if job.status is Status.REQUIRES_INPUT), None)


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of a message, and the key under which it is done once."""

    tenant_id: str
    project_id: str
    message: Message
    idempotency: IdempotencyKey | None

    def draft(self) -> JobDraft:
        """A job in the project, with nothing to do yet."""
        return JobDraft(
            instructions=(),
            project=self.project_id,
            metadata=self.message.metadata,
            external_id=self.message.external_id,
            customer=self.message.customer,
            webhook_url=self.message.webhook_url,
        )


def _idempotency(project_id: str, message: Message, key: str | None, place: int) -> IdempotencyKey | None:
    if key is None:
        return None
    asked = json.dumps({"project": project_id, **asdict(message)}, sort_keys=True, default=str)
    digest = hashlib.sha256(asked.encode()).hexdigest()
    return IdempotencyKey(operation=f"{OPERATION}.{place}", key=key, fingerprint=digest)
