"""A job that never was, as it would stand at each of its events. For samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from reelqueue.domain.jobs import Billing, EventType, Job, JobInput, Question, Status, Waiting, WaitingReason
from reelqueue.domain.outputs import RENDERED, Export, Output, Result
from reelqueue.domain.receipts import receipt
from reelqueue.domain.recovered import Recovered, RecoveredFile
from reelqueue.domain.rulings import PERCENT_AT, public_error
from reelqueue.domain.timeline import Kind, Segment, Timeline, Track
from reelqueue.domain.timeline_rows import timeline_facts, track_rows
from reelqueue.domain.turns import Snapshot
from reelqueue.domain.upstream import TurnEnd, TurnReport
from reelqueue.errors import RenderFailed

BEGAN: Final = datetime(2030, 1, 31, 12, tzinfo=UTC)
INSTRUCTION: Final = "Animate the picture: a slow push in, ten seconds, warm light."
QUESTION: Final = "Shall the clip be upright or wide?"
_NUMBER: Final = "06c6k4zvm5rk9r8dm7k5h2v3ea"

RESULT: Final = Result(
    blob_key="",
    sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    bytes=4_812_331,
    duration_ms=10_000,
    width=1080,
    height=1920,
    container="mp4",
)

TIMELINE: Final = Timeline(
    tracks=(
        Track(
            index=1,
            kind=Kind.VIDEO,
            type_code=0,
            name="harbour at night",
            volume=1.0,
            start_ms=0,
            end_ms=10_000,
            duration_ms=10_000,
            segment_count=1,
            segments=(Segment(start_ms=0, duration_ms=10_000, name="harbour at night"),),
        ),
    ),
    duration_ms=10_000,
    width=1080,
    height=1920,
    track_count=1,
)

_BILL: Final = Billing(spent=20.0, certainty="inferred")
_EXPORTED: Final = Export(progress=RENDERED, result=RESULT)
_RECOVERED: Final = Recovered(
    files=(RecoveredFile(output=0, result=RESULT),),
    version=None,
    at=BEGAN + timedelta(seconds=320),
    expires_at=BEGAN + timedelta(seconds=320, days=2),
    gone=False,
)
_QUEUED: Final = Job(
    id=f"job_{_NUMBER}",
    tenant_id=f"ten_{_NUMBER}",
    status=Status.QUEUED,
    project_id=None,
    instructions=(INSTRUCTION,),
    instruction_index=0,
    outputs=(Output(),),
    language="en",
    metadata={"order": "1042"},
    external_id="order-1042",
    customer="customer-7",
    webhook_url=None,
    progress=0,
    waiting=Waiting(reason=WaitingReason.TURN, since=BEGAN),
    receipts=(),
    result=None,
    error=None,
    billing=Billing(),
    retried_from=None,
    attempt=0,
    event_seq=1,
    lease_epoch=0,
    finish_by=None,
    cancel_requested_at=None,
    created_at=BEGAN,
    started_at=None,
    finished_at=None,
    inputs=(JobInput(position=0, asset_id=f"ast_{_NUMBER}"),),
)


class _Place(NamedTuple):
    """Where in the story an event stands."""

    seconds: int
    """After the job was accepted."""
    seq: int
    status: Status
    turns: int = 0
    """How many are done."""


_PLACES: Final[Mapping[EventType, _Place]] = MappingProxyType(
    {
        EventType.QUEUED: _Place(0, 1, Status.QUEUED),
        EventType.STARTED: _Place(2, 2, Status.QUEUED),
        EventType.UPLOADING: _Place(3, 3, Status.UPLOADING),
        EventType.INSTRUCTING: _Place(5, 4, Status.INSTRUCTING),
        EventType.PROGRESS: _Place(125, 5, Status.INSTRUCTING),
        EventType.PREVIEW_READY: _Place(180, 6, Status.INSTRUCTING),
        EventType.REQUIRES_INPUT: _Place(190, 7, Status.REQUIRES_INPUT),
        EventType.RENDERING: _Place(240, 7, Status.RENDERING, 1),
        EventType.SAVING: _Place(290, 8, Status.SAVING, 1),
        EventType.EXPORTED: _Place(295, 9, Status.SAVING, 1),
        EventType.SUCCEEDED: _Place(295, 9, Status.SUCCEEDED, 1),
        EventType.FAILED: _Place(270, 8, Status.FAILED, 1),
        EventType.CANCELED: _Place(250, 8, Status.CANCELED, 1),
        EventType.BATCH_COMPLETED: _Place(295, 10, Status.SUCCEEDED, 1),
        EventType.RECOVERED: _Place(320, 9, Status.CANCELED, 1),
        EventType.EXPIRING: _Place(86_720, 10, Status.CANCELED, 1),
    }
)
"""As one job would number them; of those that exclude each other several have one number."""


def moment_of(kind: EventType) -> datetime:
    """When the event happens."""
    return BEGAN + timedelta(seconds=_PLACES[kind].seconds)


def sample_job(kind: EventType) -> Job:
    """The job as it stands at an event of that type; its `event_seq` is the event's number."""
    place = _PLACES[kind]
    job = replace(
        _QUEUED,
        event_seq=place.seq,
        status=place.status,
        progress=PERCENT_AT.get(place.status, 70 if place.turns else 15),
    )
    if kind is EventType.QUEUED:
        return job
    job = replace(job, started_at=moment_of(EventType.STARTED), waiting=None)
    if place.status is not Status.QUEUED:
        job = replace(job, project_id=f"prj_{_NUMBER}", inputs=(replace(job.inputs[0], sent=True),))
    if place.turns:
        job = replace(job, instruction_index=1, receipts=(_receipt(),), billing=_BILL)
    if place.status.is_final:
        job = replace(job, finished_at=moment_of(kind))
    return replace(job, **_SHOWN[kind](job)) if kind in _SHOWN else job


def _asks(job: Job) -> Mapping[str, Any]:
    at = moment_of(EventType.REQUIRES_INPUT)
    until = at + timedelta(seconds=job.policies.answer_within_s)
    return {
        "question": Question(instruction=0, text=QUESTION, asked_at=at, until=until),
        "waiting": Waiting(reason=WaitingReason.ANSWER, since=at, until=until),
        "billing": _BILL,
    }


def _has_one_of_two(_: Job) -> Mapping[str, Any]:
    exports = (_EXPORTED, Export(progress=40))
    return {"outputs": (Output(), Output(quality="low")), "exports": exports, "result": RESULT}


def _has_recovered(_: Job) -> Mapping[str, Any]:
    ended = moment_of(EventType.CANCELED)
    return {"recovered": _RECOVERED, "cancel_requested_at": ended, "finished_at": ended}


_SHOWN: Final[Mapping[EventType, Callable[[Job], Mapping[str, Any]]]] = MappingProxyType(
    {
        EventType.REQUIRES_INPUT: _asks,
        EventType.EXPORTED: _has_one_of_two,
        EventType.SUCCEEDED: lambda _: {"exports": (_EXPORTED,), "result": RESULT},
        EventType.BATCH_COMPLETED: lambda _: {
            "exports": (_EXPORTED,),
            "result": RESULT,
            "batch_id": f"bat_{_NUMBER}",
        },
        EventType.FAILED: lambda job: {"error": public_error(RenderFailed(), job.billing)},
        EventType.CANCELED: lambda job: {"cancel_requested_at": job.finished_at},
        EventType.RECOVERED: _has_recovered,
        EventType.EXPIRING: _has_recovered,
    }
)
"""What only an event of this type shows."""


def _receipt() -> Mapping[str, Any]:
    before = Snapshot(digest="a", timeline=(), exportable=False, available=120.0, frozen=0.0, facts={})
    after = Snapshot(
        digest="b",
        timeline=track_rows(TIMELINE),
        exportable=True,
        available=100.0,
        frozen=0.0,
        facts=timeline_facts(TIMELINE),
    )
    report = TurnReport(end=TurnEnd.CLOSED, texts=("The clip is ready.",), tools=("generate_video",), heartbeats=9)
    return {**receipt(1, before, after, report, asked=INSTRUCTION), "version": 1}
