"""What `POST /v1/batches` takes: jobs, and what they have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from reelqueue.domain.batches import NewBatch
from reelqueue.gateway.errors import RequestInvalid, Violation
from reelqueue.gateway.schemas.job_request import JobRequest, Label, Metadata, ProjectId, Url
from reelqueue.gateway.schemas.strict import StrictModel, checked
from reelqueue.jobs.drafts import JobDraft

MOST_JOBS: Final = 1_000
_MOST_VIOLATIONS: Final = 20
_EITHER: Final = (frozenset({"instruction", "instructions"}), frozenset({"output", "outputs"}))
"""Members of which a job has one: its own takes the place of the other among the defaults."""


class BatchRequest(StrictModel):
    """Jobs to accept together: all of them or none. Each job has the members of a job, over those of `defaults`."""

    mode: Literal["separate", "one_project"] = Field(
        default="separate",
        description="`one_project`: all jobs go on with one timeline, in this order. `separate`: each has its own.",
    )
    project: ProjectId | None = Field(None, description="For `one_project`: a project that is there already.")
    name: Label | None = None
    metadata: Metadata | None = Field(None, description="Of the batch. Its jobs have their own.")
    external_id: Label | None = None
    webhook_url: Url | None = Field(None, description="Gets `batch.completed`, beside your endpoints.")
    defaults: dict[str, Any] = Field(default_factory=dict, description="Members of a job, for each that lacks them.")
    jobs: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_JOBS)]

    def batch(self) -> NewBatch:
        """The batch, without its jobs. Raises `RequestInvalid` for a project of jobs that are separate."""
        if self.project is not None and self.mode == "separate":
            message = "Only jobs of `one_project` have a project in common."
            raise RequestInvalid(Violation(code="field_invalid", message=message, pointer="/project"))
        return NewBatch(
            mode=self.mode,
            project_id=self.project,
            name=self.name,
            metadata=self.metadata or {},
            external_id=self.external_id,
            webhook_url=self.webhook_url,
        )

    def drafts(self) -> list[JobDraft]:
        """The jobs, each whole. Raises `RequestInvalid` with up to twenty violations of them all."""
        drafts, violations = list[JobDraft](), list[Violation]()
        for place, job in enumerate(self.jobs):
            try:
                drafts.append(checked(JobRequest, _over(self.defaults, job)).draft())
            except RequestInvalid as error:
                violations += _of_job(place, job, error.violations)
                if len(violations) >= _MOST_VIOLATIONS:
                    break
        if violations:
            raise RequestInvalid(*violations[:_MOST_VIOLATIONS])
        return drafts


def from_lines(lines: Sequence[Any]) -> dict[str, Any]:
    """The document of a JSON Lines body: a job a line; the first may be `{"batch": {…}}`, with all but the jobs.

    Raises `RequestInvalid` for jobs in the head.
    """
    first = lines[0] if lines else None
    if not isinstance(first, Mapping) or set(first) != {"batch"}:
        return {"jobs": list(lines)}
    head = first["batch"]
    if not isinstance(head, Mapping) or "jobs" in head:
        message = "This takes the members of a batch but `jobs`: those are the lines that follow."
        raise RequestInvalid(Violation(code="field_invalid", message=message, pointer="/batch"))
    return {**head, "jobs": list(lines[1:])}


def _over(defaults: Mapping[str, Any], job: Mapping[str, Any]) -> dict[str, Any]:
    taken = {name for either in _EITHER if either & job.keys() for name in either}
    whole = {**{name: value for name, value in defaults.items() if name not in taken}, **job}
    common, own = defaults.get("metadata"), job.get("metadata")
    if isinstance(common, Mapping) and isinstance(own, Mapping):
        whole["metadata"] = {**common, **own}
    return whole


def _of_job(place: int, job: Mapping[str, Any], violations: Iterable[Violation]) -> list[Violation]:
    """The violations of one job, told where their value was sent: with the job, or with the defaults."""
    told = []
    for one in violations:
        pointer = one.pointer or ""
        member = pointer.split("/")[1] if pointer else ""
        sent_by_job = not pointer or member in job or one.code == "field_missing"
        told.append(replace(one, pointer=f"/jobs/{place}{pointer}" if sent_by_job else f"/defaults{pointer}"))
    return told
