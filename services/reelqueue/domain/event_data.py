"""The `data` of events, beside the job and its `seq`, which every event of a job has.

A type that is not here has no data of its own. The schemas in `gateway/schemas/event_documents.py` say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from reelqueue.domain.batches import Batch, batch_document
from reelqueue.domain.documents import output_json, recovered_json
from reelqueue.domain.endpoints import Endpoint
from reelqueue.domain.jobs import Job
from reelqueue.domain.timeline import Timeline
from reelqueue.domain.timeline_rows import timeline_document
from reelqueue.kit.clock import rfc3339


def progress_data(
    *,
    instruction: int,
    kind: Literal["text", "working"],
    text: str | None,
    tools: Sequence[str],
    heartbeats: int,
    seconds: int,
) -> dict[str, Any]:
    """`job.progress`: what a running turn said, or that it is still at work. `instruction` counts from 1."""
    return {
        "instruction": instruction,
        "kind": kind,
        "text": text,
        "tools": list(dict.fromkeys(tools)),
        "heartbeats": heartbeats,
        "seconds": seconds,
    }


def preview_data(*, instruction: int, timeline: Timeline) -> dict[str, Any]:
    """`job.preview_ready`: the timeline on which the first clip lies. `instruction` counts from 1."""
    return {"instruction": instruction, "timeline": timeline_document(timeline)}


def asked_data(*, instruction: int, question: str, until: datetime) -> dict[str, Any]:
    """`job.requires_input`: what is asked, and how long the job waits. `instruction` counts from 1."""
    return {"question": question, "instruction": instruction, "until": rfc3339(until)}


def exported_data(job: Job, index: int) -> dict[str, Any]:
    """`job.exported`: one output, by its number from 1, with its `result` or its `error`. `index` counts from 0."""
    shown = output_json(job, index)
    said = "result" if shown["error"] is None else "error"
    return {"output": index + 1, **{name: shown[name] for name in ("format", "quality", "status", said)}}


def recovered_data(job: Job, *, output: int | None, version: int | None) -> dict[str, Any]:
    """`job.recovered`: what came just now, the file of an output (from 0), or the version that a turn left behind."""
    assert job.recovered is not None
    if output is None:
        return {"version": version, "instruction": job.instruction_index}
    shown = recovered_json(job, job.recovered)
    [file] = [one for one in shown["outputs"] if one["output"] == output + 1]
    return {**file, "expires_at": shown["expires_at"]}


def batch_data(batch: Batch) -> dict[str, Any]:
    """`batch.completed`: the batch as it ended."""
    return {"batch": batch_document(batch)}


def expiring_data(job: Job) -> dict[str, Any]:
    """`asset.expiring`: the files that arrived after the job had ended, and when they are deleted."""
    assert job.recovered is not None
    shown = recovered_json(job, job.recovered)
    return {"outputs": shown["outputs"], "expires_at": shown["expires_at"]}


def failing_data(
    endpoint: Endpoint, *, percent: Literal[50, 70, 90], failing_since: datetime, disabled_at: datetime
) -> dict[str, Any]:
    """`endpoint.failing`: since when nothing has been delivered, and when it will be disabled if that goes on."""
    return {
        **_endpoint(endpoint),
        "percent": percent,
        "failing_since": rfc3339(failing_since),
        "disabled_at": rfc3339(disabled_at),
    }


def disabled_data(endpoint: Endpoint, *, reason: str, failing_since: datetime | None) -> dict[str, Any]:
    """`endpoint.disabled`: why, and since when it had been failing; `None` where it said itself that it is gone."""
    return {
        **_endpoint(endpoint),
        "reason": reason,
        "failing_since": None if failing_since is None else rfc3339(failing_since),
    }


def upstream_data(*, phase: str, reason: str, since: datetime) -> dict[str, Any]:
    """`upstream.degraded` and `upstream.recovered`: which phase of NemoVideo, why, and since when it was down."""
    return {"phase": phase, "since": rfc3339(since), "reason": reason}


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """Which endpoint. Its host only: path and query may hold a secret, and others of the tenant's get this."""
    return {"endpoint": endpoint.id, "host": urlsplit(endpoint.url).hostname, "description": endpoint.description}
