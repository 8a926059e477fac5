"""Rows to values and back. The only place that knows both the columns and the domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, and_, case, exists, func, null, or_, select, text
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from reelqueue.domain.breakers import ADMITTING
from reelqueue.domain.intake import NewAsset
from reelqueue.domain.jobs import (
    Answer,
    Billing,
    EventType,
    Job,
    JobError,
    JobEvent,
    JobInput,
    Policies,
    Priority,
    Question,
    Status,
    Waiting,
    WaitingReason,
)
from reelqueue.domain.outputs import Export, ExportError, Output, Result
from reelqueue.domain.recovered import Recovered, RecoveredFile, RecoveryKind
from reelqueue.domain.repairs import repairs_from, repairs_json
from reelqueue.kit.clock import rfc3339
from reelqueue.kit.ids import new_id
from reelqueue.store.tables import breakers, job_inputs, jobs, recoveries, workers

WORKER_LOST: Final = "worker_lost"
"""What a job waits after whose worker went away."""
_I = job_inputs.c

INPUTS: ColumnElement[Any] = (
    select(
        func.coalesce(
            func.jsonb_agg(
                aggregate_order_by(
                    func.jsonb_build_array(_I.position, _I.asset, _I.url, _I.state == "sent", _I.repairs), _I.position
                )
            ),
            text("'[]'::jsonb"),
            type_=JSONB,
        )
    )
    .where(_I.job_id == jobs.c.id)
    .correlate(jobs)
    .scalar_subquery()
    .label("inputs")
)
"""A job's inputs as one JSON column, so that a job is one row of one statement."""

_other = jobs.alias("other_in_project")
PROJECT_BUSY: ColumnElement[Any] = case(
    (
        and_(jobs.c.project_id.is_not(None), jobs.c.admitted_at.is_(None), jobs.c.dispatch == "idle"),
        and_(
            jobs.c.version.is_(None),
            or_(
                exists()
                .where(
                    _other.c.project_id == jobs.c.project_id,
                    _other.c.dispatch != "done",
                    _other.c.version.is_(None),
                    _other.c.id < jobs.c.id,
                )
                .correlate(jobs),
                exists()
                .where(
                    recoveries.c.project_id == jobs.c.project_id,
                    recoveries.c.kind == RecoveryKind.TURN,
                    recoveries.c.dispatch != "done",
                )
                .correlate(jobs),
            ),
        ),
    ),
    else_=False,
).label("project_busy")
"""Whether a job that was not admitted yet waits for another of its project, or for a turn that one left running.

True at the moment it is read.
"""

_R = recoveries.c
RECOVERED: ColumnElement[Any] = case(
    (
        jobs.c.dispatch == "done",
        select(
            func.jsonb_build_object(
                "files",
                _R.files,
                "version",
                _R.version,
                "at",
                _R.recovered_at,
                "expires_at",
                _R.expires_at,
                "gone",
                func.coalesce(_R.expires_at <= func.now(), text("false")),
                type_=JSONB,
            )
        )
        .where(_R.job_id == jobs.c.id, _R.recovered_at.is_not(None))
        .correlate(jobs)
        .scalar_subquery(),
    ),
    else_=null(),
).label("recovered")
"""What arrived after a job had ended. A live job is not looked up."""

ABANDONED: ColumnElement[Any] = case(
    (
        jobs.c.dispatch == "held",
        ~exists().where(workers.c.id == jobs.c.lease_owner, workers.c.expires_at > func.now()).correlate(jobs),
    ),
    else_=False,
).label("abandoned")
"""Whether the worker that holds the job is gone: nobody works on it until the sweep takes over."""
LATE: ColumnElement[Any] = func.coalesce(func.coalesce(jobs.c.finished_at, func.now()) > jobs.c.finish_by, False).label(
    "late"
)

ADMISSION_STOPPED: ColumnElement[Any] = case(
    (
        and_(jobs.c.admitted_at.is_(None), jobs.c.dispatch == "idle"),
        exists().where(breakers.c.phase.in_(sorted(ADMITTING)), breakers.c.state != "closed").correlate(None),
    ),
    else_=False,
).label("admission_stopped")
"""Whether a job that was not admitted yet waits for NemoVideo. Looked up once a statement, not once a job."""

JOB_COLUMNS: tuple[ColumnElement[Any], ...] = (
    *jobs.c,
    INPUTS,
    PROJECT_BUSY,
    ADMISSION_STOPPED,
    RECOVERED,
    ABANDONED,
    LATE,
)


def job_from(row: RowMapping) -> Job:
    """The job in a row of `JOB_COLUMNS`."""
    return Job(
        id=row["id"],
        tenant_id=row["tenant_id"],
        status=Status(row["status"]),
        project_id=row["project_id"],
        instructions=tuple(row["instructions"]),
        instruction_index=row["instruction_index"],
        outputs=tuple(Output(**output) for output in row["outputs"]),
        language=row["language"],
        metadata=row["metadata"],
        external_id=row["external_id"],
        customer=row["customer"],
        webhook_url=row["webhook_url"],
        progress=row["progress"],
        waiting=_waiting(row),
        receipts=tuple(row["receipts"]),
        result=None if row["result"] is None else Result(**row["result"]),
        error=None if row["error"] is None else JobError(**row["error"]),
        billing=Billing(**row["billing"]),
        retried_from=row["retried_from"],
        version=row["version"],
        batch_id=row["batch_id"],
        attempt=row["attempt"],
        event_seq=row["event_seq"],
        lease_epoch=row["lease_epoch"],
        finish_by=row["finish_by"],
        start_by=row["start_by"],
        priority=tuple(Priority)[row["priority"]],
        token_id=row["token_id"],
        slot=row["slot"],
        cancel_requested_at=row["cancel_requested_at"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        policies=Policies(**row["policies"]),
        question=question_from(row["question"]),
        answers=tuple(Answer(**answer) for answer in row["answers"]),
        moves=row["moves"],
        exports=tuple(_export_from(value) for value in row["results"]),
        recovered=_recovered(row["recovered"]),
        late=row["late"],
        inputs=tuple(
            JobInput(position=p, asset_id=a, url=u, sent=s, repairs=repairs_from(r)) for p, a, u, s, r in row["inputs"]
        ),
    )


def _waiting(row: RowMapping) -> Waiting | None:
    """Why nobody works on the job: by its column, and where that says nothing, by where the row stands."""
    if row["dispatch"] == "done" or (row["dispatch"] == "held" and not row["abandoned"]):
        return None
    waiting = waiting_from(row["waiting"]) or _for_a_worker(row)
    if row["project_busy"]:
        return replace(waiting, reason=WaitingReason.PROJECT)
    return replace(waiting, reason=WaitingReason.UPSTREAM_DEGRADED) if row["admission_stopped"] else waiting


def _for_a_worker(row: RowMapping) -> Waiting:
    """Of a job that could go on at once. One that lost its worker runs the same step again."""
    since = row["bell_at"] or row["due_at"] or row["created_at"]
    if row["abandoned"] or row["crashes"]:
        return Waiting(reason=WaitingReason.RETRY, since=since, detail=WORKER_LOST)
    question = question_from(row["question"])
    if question is not None:
        return Waiting(reason=WaitingReason.ANSWER, since=question.asked_at, until=question.until)
    reason = WaitingReason.TURN if row["wants"] is None else WaitingReason.TOKEN_ROOM
    return Waiting(reason=reason, since=since)


def _recovered(value: Mapping[str, Any] | None) -> Recovered | None:
    if value is None:
        return None
    files = (RecoveredFile(output=one["output"], result=Result(**one["result"])) for one in value["files"])
    return Recovered(
        files=tuple(sorted(files, key=lambda file: file.output)),
        version=value["version"],
        at=datetime.fromisoformat(value["at"]),
        expires_at=None if value["expires_at"] is None else datetime.fromisoformat(value["expires_at"]),
        gone=value["gone"],
    )


def _export_from(value: Mapping[str, Any]) -> Export:
    result, error = value["result"], value["error"]
    return Export(
        progress=value["progress"],
        result=None if result is None else Result(**result),
        error=None if error is None else ExportError(**error),
    )


def question_from(value: Mapping[str, Any] | None) -> Question | None:
    """A `Question` out of its column."""
    if value is None:
        return None
    until = None if value["until"] is None else datetime.fromisoformat(value["until"])
    return Question(
        instruction=value["instruction"],
        text=value["text"],
        asked_at=datetime.fromisoformat(value["asked_at"]),
        until=until,
    )


def question_json(question: Question | None) -> dict[str, Any] | None:
    """A `Question` as the column keeps it."""
    if question is None:
        return None
    until = None if question.until is None else rfc3339(question.until)
    return {
        "instruction": question.instruction,
        "text": question.text,
        "asked_at": rfc3339(question.asked_at),
        "until": until,
    }


def waiting_from(value: Mapping[str, Any] | None) -> Waiting | None:
    """A `Waiting` out of its column."""
    if value is None:
        return None
    return Waiting(
        reason=WaitingReason(value["reason"]),
        since=datetime.fromisoformat(value["since"]),
        until=None if value["until"] is None else datetime.fromisoformat(value["until"]),
        detail=value["detail"],
    )


def waiting_json(waiting: Waiting | None) -> dict[str, Any] | None:
    """A `Waiting` as the column keeps it."""
    if waiting is None:
        return None
    until = None if waiting.until is None else rfc3339(waiting.until)
    since = rfc3339(waiting.since)
    return {"reason": waiting.reason.value, "since": since, "until": until, "detail": waiting.detail}


def asset_row(tenant_id: str, new: NewAsset) -> dict[str, Any]:
    """The columns of a new asset's row."""
    return {
        **{one.name: getattr(new, one.name) for one in fields(new)},
        "id": new_id("asset"),
        "tenant_id": tenant_id,
        "repairs": repairs_json(new.repairs),
    }


def event_from(row: RowMapping) -> JobEvent:
    """The event in a row of `job_events`."""
    return JobEvent(
        id=row["id"],
        job_id=row["job_id"],
        tenant_id=row["tenant_id"],
        seq=row["seq"],
        type=EventType(row["type"]),
        data=row["data"],
        created_at=row["created_at"],
    )
