"""Rows to values and back. The only place that knows both the columns and the domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, literal_column

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
from reelqueue.store.tables import jobs
from reelqueue.store.tables.metadata import one_of

WORKER_LOST: Final = "worker_lost"
"""What a job waits after whose worker went away."""

_INPUTS: Final = """(
    SELECT coalesce(jsonb_agg(jsonb_build_array(i.position, i.asset, i.url, i.state = 'sent', i.repairs)
                              ORDER BY i.position), '[]')
    FROM job_inputs i WHERE i.job_id = jobs.id)"""
"""A job's inputs as one JSON column, so that a job is one row of one statement."""

_PROJECT_BUSY: Final = f"""
CASE WHEN jobs.project_id IS NOT NULL AND jobs.admitted_at IS NULL AND jobs.dispatch = 'idle' THEN
    jobs.version IS NULL AND (
        EXISTS (SELECT FROM jobs o WHERE o.project_id = jobs.project_id AND o.dispatch <> 'done'
                AND o.version IS NULL AND o.id < jobs.id)
        OR EXISTS (SELECT FROM recoveries r WHERE r.project_id = jobs.project_id AND r.kind = '{RecoveryKind.TURN}'
                   AND r.dispatch <> 'done'))
ELSE false END"""  # noqa: S608 - the word is ours
"""Whether a job that was not admitted yet waits for another of its project, or for a turn that one left running.

True at the moment it is read.
"""

_RECOVERED: Final = """
CASE WHEN jobs.dispatch = 'done' THEN (
    SELECT jsonb_build_object('files', r.files, 'version', r.version, 'at', r.recovered_at,
                              'expires_at', r.expires_at, 'gone', coalesce(r.expires_at <= now(), false))
    FROM recoveries r WHERE r.job_id = jobs.id AND r.recovered_at IS NOT NULL) END"""
"""What arrived after a job had ended. A live job is not looked up."""

_ABANDONED: Final = """
CASE WHEN jobs.dispatch = 'held' THEN
    NOT EXISTS (SELECT FROM workers w WHERE w.id = jobs.lease_owner AND w.expires_at > now())
ELSE false END"""
"""Whether the worker that holds the job is gone: nobody works on it until the sweep takes over."""
_LATE: Final = "coalesce(coalesce(jobs.finished_at, now()) > jobs.finish_by, false)"

_ADMISSION_STOPPED: Final = f"""
CASE WHEN jobs.admitted_at IS NULL AND jobs.dispatch = 'idle' THEN
    EXISTS (SELECT FROM breakers b WHERE {one_of("b.phase", sorted(ADMITTING))} AND b.state <> 'closed')
ELSE false END"""
"""Whether a job that was not admitted yet waits for NemoVideo. Looked up once a statement, not once a job."""

_STORES_OWN: Final = frozenset({"queue", "slot_since", "charged", "held", "bells", "lease_owner"})


def _read(sql: str, name: str) -> ColumnElement[Any]:
    return literal_column(" ".join(sql.split())).label(name)


JOB_COLUMNS: Final[tuple[ColumnElement[Any], ...]] = (
    *(column for column in jobs.c if column.name not in _STORES_OWN),
    _read(_INPUTS, "inputs"),
    _read(_PROJECT_BUSY, "project_busy"),
    _read(_ADMISSION_STOPPED, "admission_stopped"),
    _read(_RECOVERED, "recovered"),
    _read(_ABANDONED, "abandoned"),
    _read(_LATE, "late"),
)
"""What to select of `jobs`, or to return of a change to one, for `job_from`.

What is looked up is text: each time that SQLAlchemy runs a statement that was just built, it walks over all its parts,
to find what it compiled of it before. And short: psycopg works out anew each time how to send what is longer than 4096
characters.
"""


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
