"""Retrying: a new job that goes on where another one failed or was canceled. The old one stays as it ended."""

from __future__ import annotations

import hashlib
import json
from typing import Final

from reelqueue.domain.intake import Accepted, IdempotencyKey, NewInput, NewJob
from reelqueue.domain.jobs import Job
from reelqueue.domain.retrying import Beginning, beginning
from reelqueue.errors import NotFound
from reelqueue.jobs.submit_ports import AssetRows, Intake, PastJobRows

OPERATION: Final = "jobs.retry"
"""Idempotency keys are counted by tenant and operation."""


class JobRetry:
    """`POST /v1/jobs/{id}/retry` without HTTP. Blocks for a few statements; fetches and resolves nothing."""

    def __init__(self, *, intake: Intake, assets: AssetRows, past: PastJobRows) -> None:
        self._intake = intake
        self._assets = assets
        self._past = past

    def retry(self, tenant_id: str, job_id: str, *, accept_double_charge: bool, key: str | None = None) -> Accepted:
        """Commit the new job and return it; for a repeat under the same key, return the job of the first time.

        Raises NotFound, with a pointer to the input whose asset was deleted since; StateConflict, for a job that did
        not fail and was not canceled, and where a turn would perhaps be paid for twice; IdempotencyKeyReused.
        """
        idempotency = _idempotency(job_id, key, accept_double_charge=accept_double_charge)
        if idempotency is not None:
            # What may be retried changes with time; the answer under a key does not.
            earlier = self._intake.replay(tenant_id, idempotency)
            if earlier is not None:
                return Accepted(job=earlier, replayed=True)
        past = self._past.find(tenant_id, job_id)
        begin = beginning(past, accept_double_charge=accept_double_charge)
        self._check_assets(past.job)
        return self._intake.accept(_new_job(past.job, begin, idempotency))

    def _check_assets(self, old: Job) -> None:
        named = [(one.position, one.asset_id) for one in old.inputs if one.asset_id is not None]
        try:
            self._assets.find_many(old.tenant_id, [asset_id for _, asset_id in named])
        except NotFound as error:
            position, _ = named[int((error.pointer or "/0").removeprefix("/"))]
            raise NotFound("An input's asset was deleted since.", pointer=f"/inputs/{position}") from error


def _idempotency(job_id: str, key: str | None, *, accept_double_charge: bool) -> IdempotencyKey | None:
    if key is None:
        return None
    asked = json.dumps({"job": job_id, "accept_double_charge": accept_double_charge}, sort_keys=True)
    return IdempotencyKey(operation=OPERATION, key=key, fingerprint=hashlib.sha256(asked.encode()).hexdigest())


def _new_job(old: Job, begin: Beginning, idempotency: IdempotencyKey | None) -> NewJob:
    """The same wish. Not the same deadline: that was the old job's, and may have passed."""
    return NewJob(
        tenant_id=old.tenant_id,
        instructions=old.instructions,
        inputs=tuple(
            NewInput(
                asset_id=one.asset_id,
                url=one.url,
                sent=one.sent and begin.same_project,
                repairs=one.repairs,
            )
            for one in old.inputs
        ),
        outputs=old.outputs,
        language=old.language,
        metadata=old.metadata,
        external_id=old.external_id,
        customer=old.customer,
        webhook_url=old.webhook_url,
        priority=old.priority,
        policies=old.policies,
        project_id=old.project_id if begin.same_project else None,
        instruction_index=begin.instruction_index,
        version=begin.version,
        retried_from=old.id,
        idempotency=idempotency,
    )
