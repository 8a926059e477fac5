"""An owner's answer: the one way out of `requires_input` that no worker takes."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from reelqueue.domain.channels import WORK
from reelqueue.domain.intake import IdempotencyKey
from reelqueue.domain.jobs import Answer, EventType, Job, Status, queue_of
from reelqueue.errors import IdempotencyKeyReused, NotFound, StateConflict
from reelqueue.store.engine import Database
from reelqueue.store.new_jobs import KEY_LIFETIME
from reelqueue.store.outbox import CHANGED, announce
from reelqueue.store.rows import JOB_COLUMNS, job_from
from reelqueue.store.slots import on_move
from reelqueue.store.tables import idempotency_keys, jobs


class Answers:
    """Takes answers. An answer is a turn like any other: sent once, with an intent of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def give(
        self,
        tenant_id: str,
        job_id: str,
        text: str,
        *,
        asked_at: datetime | None,
        idempotency: IdempotencyKey | None = None,
    ) -> Job:
        """Answer the job's open question; the job goes on in the same session.

        `asked_at` names the question that is meant, so that a repeat of an answer never answers the next question. An
        answer, a cancel and the end of the time that meet are settled by the row's lock: the first to commit stands.
        `idempotency` is kept with the answer: `JobIntake.replay` then knows the job that was answered under it. Raises
        `NotFound`, and `StateConflict` where no question is open or another one is.
        """
        mine = (jobs.c.tenant_id == tenant_id, jobs.c.id == job_id)
        with self._database.transaction() as connection:
            row = connection.execute(select(*JOB_COLUMNS).where(*mine).with_for_update(of=jobs)).mappings().first()
            if row is None:
                raise NotFound
            job = job_from(row)
            if job.question is None or job.cancel_requested_at is not None or row["dispatch"] == "held":
                raise StateConflict("The job waits for no answer.")
            if asked_at is not None and asked_at != job.question.asked_at:
                raise StateConflict("Another question is open by now.", pointer="/asked_at")
            if idempotency is not None:
                _keep(connection, idempotency, job)
            answer = Answer(instruction=job.question.instruction, question=job.question.text, text=text)
            changed = update(jobs).where(*mine).values(**_answered(answer)).returning(*CHANGED)
            changed_row = connection.execute(changed).mappings().one()
            data = {"instruction": answer.instruction + 1, "answered": answer.by}
            announce(connection, changed_row, EventType.INSTRUCTING, data)
            connection.execute(select(func.pg_notify(WORK, "")))
            return job_from(changed_row)


def _keep(connection: Connection, idempotency: IdempotencyKey, job: Job) -> None:
    """The key's row. A repeat was replayed before it came here, so a key that is there belongs to something else."""
    row = insert(idempotency_keys).values(
        tenant_id=job.tenant_id,
        operation=idempotency.operation,
        key=idempotency.key,
        fingerprint=idempotency.fingerprint,
        job_id=job.id,
        expires_at=func.now() + KEY_LIFETIME,
    )
    kept = row.on_conflict_do_nothing().returning(idempotency_keys.c.key)
    if connection.execute(kept).first() is None:
        raise IdempotencyKeyReused


def _answered(answer: Answer) -> dict[str, object]:
    return {
        "status": Status.INSTRUCTING,
        "queue": queue_of(Status.INSTRUCTING),
        "question": None,
        "waiting": None,
        "answers": jobs.c.answers.op("||")(literal([asdict(answer)], JSONB)),
        "dispatch": "idle",
        "due_at": func.now(),
        "bell_at": None,
        "bells": 0,
        "attempt": 0,
        "moves": jobs.c.moves + 1,
        "event_seq": jobs.c.event_seq + 1,
        **on_move(Status.REQUIRES_INPUT, Status.INSTRUCTING),
    }
