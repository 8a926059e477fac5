"""Exporting a version of a project: free, and at once, whatever else its jobs are doing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from reelqueue.domain.intake import Accepted, IdempotencyKey, NewJob
from reelqueue.domain.outputs import Output
from reelqueue.errors import NotFound, ReelqueueError, StateConflict
from reelqueue.jobs.submit_ports import Egress, Intake, ProjectRows, VersionRows

OPERATION: Final = "projects.export"
"""Idempotency keys are counted by tenant and operation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportDraft:
    """What is to be exported; `version` `None`: the newest one."""

    version: int | None = None
    outputs: tuple[Output, ...] = (Output(),)
    metadata: Mapping[str, str] = field(default_factory=dict)
    external_id: str | None = None
    customer: str | None = None
    webhook_url: str | None = field(default=None, repr=False)


class ProjectExports:
    """`POST /v1/projects/{id}/exports` without HTTP. Blocks for a few statements, and to resolve the webhook's name."""

    def __init__(self, *, intake: Intake, projects: ProjectRows, versions: VersionRows, egress: Egress) -> None:
        self._intake = intake
        self._projects = projects
        self._versions = versions
        self._egress = egress

    def export(
        self,
        tenant_id: str,
        project_id: str,
        draft: ExportDraft,
        *,
        key: str | None = None,
        idempotency: IdempotencyKey | None = None,
    ) -> Accepted:
        """Commit a job that renders the version and pays for nothing; a repeat under the same key returns that job.

        The newest version is the newest at the first request. Raises NotFound for the project and for the version,
        StateConflict where there is nothing to export, DestinationNotAllowed, IdempotencyKeyReused.
        """
        idempotency = idempotency or _idempotency(project_id, key, draft)
        if idempotency is not None:
            earlier = self._intake.replay(tenant_id, idempotency)
            if earlier is not None:
                return Accepted(job=earlier, replayed=True)
        self._projects.find(tenant_id, project_id)
        number = self._version(tenant_id, project_id, draft.version)
        if draft.webhook_url is not None:
            try:
                self._egress.check(draft.webhook_url)
            except ReelqueueError as error:
                error.pointer = "/webhook_url"
                raise
        return self._intake.accept(
            NewJob(
                tenant_id=tenant_id,
                instructions=(),
                outputs=draft.outputs,
                metadata=draft.metadata,
                external_id=draft.external_id,
                customer=draft.customer,
                webhook_url=draft.webhook_url,
                project_id=project_id,
                version=number,
                idempotency=idempotency,
            )
        )

    def _version(self, tenant_id: str, project_id: str, number: int | None) -> int:
        try:
            version = self._versions.find(tenant_id, project_id, number)
        except NotFound as error:
            if number is not None:
                error.pointer = "/version"
                raise
            raise StateConflict("This project has no version yet: there is nothing to export.") from error
        if not version.exportable:
            raise StateConflict("There is nothing on the timeline of this version.", pointer="/version")
        return version.number


def _idempotency(project_id: str, key: str | None, draft: ExportDraft) -> IdempotencyKey | None:
    if key is None:
        return None
    asked = json.dumps({"project": project_id, **asdict(draft)}, sort_keys=True, default=dict)
    return IdempotencyKey(operation=OPERATION, key=key, fingerprint=hashlib.sha256(asked.encode()).hexdigest())
