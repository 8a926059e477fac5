"""A job and an event as the API shows them. The same document goes out by `GET`, in events and in webhooks.

Fields that do not apply yet are `null`, never missing.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from reelqueue.domain.jobs import Billing, Job, JobEvent, Policies, Status
from reelqueue.domain.outputs import RENDERED, Result
from reelqueue.domain.recovered import Recovered
from reelqueue.domain.repairs import repairs_json
from reelqueue.domain.retrying import retry_from
from reelqueue.kit.clock import rfc3339


def job_document(job: Job) -> dict[str, Any]:
    """The job, public. No upstream id, token, blob key or webhook secret is in it."""
    return {
        "id": job.id,
        "object": "job",
        "status": job.status.value,
        "waiting": _waiting(job),
        "progress": job.progress,
        "step": _step(job),
        "project": job.project_id,
        "batch": job.batch_id,
        "version": job.version,
        "instructions": list(job.instructions),
        "inputs": [
            {"asset": i.asset_id, "url": i.url, "uploaded": i.sent, "repairs": repairs_json(i.repairs)}
            for i in job.inputs
        ],
        "outputs": [output_json(job, index) for index in range(len(job.outputs))],
        "language": job.language,
        "receipts": [dict(receipt) for receipt in job.receipts],
        "result": None if job.result is None else _result(job.result, f"/v1/jobs/{job.id}/result"),
        "error": None if job.error is None else {**asdict(job.error), "docs": f"/docs/errors#{job.error.code}"},
        "billing": billing_json(job.billing),
        "recovered": None if job.recovered is None else recovered_json(job, job.recovered),
        "question": _question(job),
        "answers": [{**asdict(answer), "instruction": answer.instruction + 1} for answer in job.answers],
        "policies": policies_json(job.policies),
        "metadata": dict(job.metadata),
        "external_id": job.external_id,
        "customer": job.customer,
        "webhook_url": job.webhook_url,
        "retried_from": job.retried_from,
        "retry": _retry(job),
        "priority": job.priority,
        "start_by": None if job.start_by is None else rfc3339(job.start_by),
        "finish_by": None if job.finish_by is None else rfc3339(job.finish_by),
        "late": job.late,
        "cancel_requested_at": None if job.cancel_requested_at is None else rfc3339(job.cancel_requested_at),
        "created_at": rfc3339(job.created_at),
        "started_at": None if job.started_at is None else rfc3339(job.started_at),
        "finished_at": None if job.finished_at is None else rfc3339(job.finished_at),
        "links": {
            "self": f"/v1/jobs/{job.id}",
            "events": f"/v1/jobs/{job.id}/events",
            "result": f"/v1/jobs/{job.id}/result" if _has_result(job) else None,
            "answer": None if job.question is None else f"/v1/jobs/{job.id}/answer",
            "cancel": None if job.status.is_final else f"/v1/jobs/{job.id}/cancel",
        },
    }


def progress_document(job: Job) -> dict[str, Any]:
    """What moves between a job's events, as in its document."""
    return {
        "id": job.id,
        "status": job.status.value,
        "progress": job.progress,
        "waiting": _waiting(job),
        "step": _step(job),
    }


def _question(job: Job) -> dict[str, Any] | None:
    if job.question is None:
        return None
    return {
        "instruction": job.question.instruction + 1,
        "text": job.question.text,
        "asked_at": rfc3339(job.question.asked_at),
        "until": None if job.question.until is None else rfc3339(job.question.until),
    }


def _retry(job: Job) -> dict[str, Any] | None:
    """Where a retry began, and whether it is free."""
    begun = retry_from(job)
    return None if begun is None else {"from": begun[0], "free": begun[1]}


def _step(job: Job) -> dict[str, int | None] | None:
    """Which try of the current step, and which instruction, both from 1; after the last turn, the last instruction."""
    if job.status.is_final:
        return None
    instruction = min(job.instruction_index + 1, len(job.instructions))
    return {"attempt": job.attempt + 1, "instruction": instruction or None}


def output_json(job: Job, index: int) -> dict[str, Any]:
    """An output, public. Written out: `asdict` takes ten times as long, and every accepted job pays it."""
    output, export = job.outputs[index], job.export(index)
    result, error = export.result, export.error
    return {
        "format": output.format,
        "quality": output.quality,
        "status": _output_status(job, index),
        "progress": export.progress,
        "error": None if error is None else {"code": error.code, "message": error.message, "link": error.link},
        "result": None if result is None else _result(result, f"/v1/jobs/{job.id}/outputs/{index + 1}/result"),
    }


def _output_status(job: Job, index: int) -> str:
    """Where one output stands. One that was still open when its job ended went down with it."""
    export = job.export(index)
    if export.result is not None:
        return "succeeded"
    if export.error is not None:
        return "failed"
    if job.status.is_final:
        return job.status.value
    if export.progress == RENDERED or job.status is Status.SAVING:
        return "saving"
    return "rendering" if job.status is Status.RENDERING else "waiting"


def _result(result: Result, url: str) -> dict[str, Any]:
    return {**{key: value for key, value in asdict(result).items() if key != "blob_key"}, "url": url}


def recovered_json(job: Job, recovered: Recovered) -> dict[str, Any]:
    """What arrived after the job had ended, public. `result` is the first file of these."""
    path = f"/v1/jobs/{job.id}/outputs"
    files = [
        {"output": file.output + 1, "result": _result(file.result, f"{path}/{file.output + 1}/result")}
        for file in recovered.files
    ]
    return {
        "result": files[0]["result"] if files else None,
        "outputs": files,
        "version": recovered.version,
        "at": rfc3339(recovered.at),
        "expires_at": None if recovered.expires_at is None else rfc3339(recovered.expires_at),
    }


def _has_result(job: Job) -> bool:
    late = job.recovered
    return job.result is not None or (late is not None and late.result is not None and not late.gone)


def policies_json(policies: Policies) -> dict[str, Any]:
    """The policies as JSON. Written out, as an output is."""
    return {
        "on_question": policies.on_question,
        "answer_text": policies.answer_text,
        "answer_within_s": policies.answer_within_s,
        "on_no_credits": policies.on_no_credits,
        "post_production": policies.post_production,
    }


def billing_json(billing: Billing) -> dict[str, Any]:
    """A bill as JSON."""
    return {"spent": billing.spent, "at_risk": billing.at_risk, "certainty": billing.certainty}


def _waiting(job: Job) -> dict[str, Any] | None:
    if job.waiting is None:
        return None
    return {
        "reason": job.waiting.reason.value,
        "since": rfc3339(job.waiting.since),
        "until": None if job.waiting.until is None else rfc3339(job.waiting.until),
        "detail": job.waiting.detail,
    }


def event_document(event: JobEvent) -> dict[str, Any]:
    """The event, public."""
    return {
        "id": event.id,
        "seq": event.seq,
        "type": event.type.value,
        "timestamp": rfc3339(event.created_at),
        "job": event.job_id,
        "data": dict(event.data),
    }
