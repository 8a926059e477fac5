"""Jobs and what belongs to one: inputs, turns (the intents), renders, events.

The CHECKs repeat the status law, so that no code path, and no person at a prompt, can write a row that means nothing.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from reelqueue.domain.jobs import TERMINAL_EVENTS, TRANSITIONS, Queue, Status
from reelqueue.domain.turns import TurnState
from reelqueue.store.flows import FLOW
from reelqueue.store.tables.metadata import Moment, created_column, id_column, metadata, one_of, tenant_column

FINAL = tuple(status for status in Status if not TRANSITIONS[status])
EMPTY_OBJECT = text("'{}'::jsonb")
EMPTY_ARRAY = text("'[]'::jsonb")

jobs = Table(
    "jobs",
    metadata,
    id_column(),
    tenant_column(),
    Column("project_id", Text, ForeignKey("projects.id")),
    Column("status", Text, nullable=False, server_default=Status.QUEUED),
    Column("instructions", JSONB, nullable=False),
    Column("instruction_index", Integer, nullable=False, server_default=text("0")),
    Column("outputs", JSONB, nullable=False, server_default=EMPTY_ARRAY),
    Column("language", Text),
    Column("metadata", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("external_id", Text),
    Column("customer", Text),
    Column("webhook_url", Text),
    Column("start_by", Moment),
    Column("finish_by", Moment),
    Column("priority", Integer, nullable=False, server_default=text("1")),
    Column("policies", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("retried_from", Text, ForeignKey("jobs.id")),
    Column("version", Integer),
    Column("batch_id", Text, ForeignKey("batches.id")),
    # Where it stands.
    Column("progress", Integer, nullable=False, server_default=text("0")),
    Column("waiting", JSONB(none_as_null=True)),
    Column("receipts", JSONB, nullable=False, server_default=EMPTY_ARRAY),
    Column("result", JSONB(none_as_null=True)),
    # How far each output is, in their order, results included; `result` is the first of these.
    Column("results", JSONB, nullable=False, server_default=EMPTY_ARRAY),
    Column("error", JSONB(none_as_null=True)),
    Column("billing", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("question", JSONB(none_as_null=True)),
    Column("answers", JSONB, nullable=False, server_default=EMPTY_ARRAY),
    Column("event_seq", Integer, nullable=False, server_default=text("1")),
    Column("moves", Integer, nullable=False, server_default=text("0")),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("crashes", Integer, nullable=False, server_default=text("0")),
    Column("cancel_requested_at", Moment),
    created_column(),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    # Who may work on it, and when. idle: until due_at; rung: a bell is out; held: claimed; done: never again.
    Column("queue", Text, nullable=False, server_default=Queue.STEP),
    Column("dispatch", Text, nullable=False, server_default=text("'idle'")),
    Column("due_at", Moment, server_default=text("now()")),
    Column("admitted_at", Moment),
    # What it occupies of its upstream token, from before its bell is rung. No foreign key: it is written by a statement
    # that has just read the token, and a check of each would lock the row that all share.
    Column("token_id", Text),
    Column("slot", Text),
    Column("slot_since", Moment),
    # The slot that it needs to go on and does not hold.
    Column("wants", Text),
    # Credit-seconds: what its tenant was charged when it began, and what its turns took, until that is settled.
    Column("charged", Double, nullable=False, server_default=text("0")),
    Column("held", Double),
    # It has reserved credits of its tenant's budgets.
    Column("reserved", Boolean, nullable=False, server_default=false()),
    Column("bell_at", Moment),
    Column("bells", Integer, nullable=False, server_default=text("0")),
    Column("lease_owner", Text),
    Column("lease_epoch", Integer, nullable=False, server_default=text("0")),
    CheckConstraint(one_of("status", Status), name="status_known"),
    CheckConstraint(one_of("queue", (Queue.STEP, Queue.STREAM)), name="queue_known"),
    CheckConstraint(one_of("dispatch", ("idle", "rung", "held", "done")), name="dispatch_known"),
    CheckConstraint(f"({one_of('status', FINAL)}) = (finished_at IS NOT NULL)", name="final_has_finished_at"),
    CheckConstraint(f"({one_of('status', FINAL)}) = (dispatch = 'done')", name="final_is_done"),
    CheckConstraint("(status = 'failed') = (error IS NOT NULL)", name="failed_has_error"),
    CheckConstraint("status <> 'succeeded' OR outputs = '[]' OR result IS NOT NULL", name="succeeded_has_result"),
    CheckConstraint("jsonb_array_length(outputs) <= 6", name="outputs_count"),
    CheckConstraint("(dispatch = 'held') = (lease_owner IS NOT NULL)", name="held_has_owner"),
    CheckConstraint("status IN ('queued', 'failed', 'canceled') OR admitted_at IS NOT NULL", name="work_was_admitted"),
    CheckConstraint("slot IN ('turn', 'render')", name="slot_known"),
    CheckConstraint("slot IS NULL OR (token_id IS NOT NULL AND slot_since IS NOT NULL)", name="slot_has_token"),
    CheckConstraint("wants IN ('turn', 'render')", name="wants_known"),
    CheckConstraint("wants IS NULL OR (token_id IS NOT NULL AND slot IS NULL)", name="wants_what_it_lacks"),
    CheckConstraint("dispatch <> 'done' OR (slot IS NULL AND wants IS NULL)", name="done_occupies_nothing"),
    CheckConstraint("priority BETWEEN 0 AND 2", name="priority_known"),
    CheckConstraint("(status = 'requires_input') = (question IS NOT NULL)", name="requires_input_has_question"),
    CheckConstraint("progress BETWEEN 0 AND 100", name="progress_percent"),
    CheckConstraint("jsonb_array_length(instructions) <= 10", name="instructions_count"),
    CheckConstraint("jsonb_array_length(instructions) > 0 OR project_id IS NOT NULL", name="something_to_do"),
    CheckConstraint("version IS NULL OR project_id IS NOT NULL", name="version_of_project"),
    CheckConstraint(
        "instruction_index >= 0 AND instruction_index <= jsonb_array_length(instructions)", name="instruction_in_range"
    ),
)
Index("ix_jobs_tenant_id_id", jobs.c.tenant_id, jobs.c.id)
Index(
    "ix_jobs_tenant_id_external_id",
    jobs.c.tenant_id,
    jobs.c.external_id,
    postgresql_where=jobs.c.external_id.is_not(None),
)
Index(
    "ix_jobs_metadata",
    jobs.c.metadata,
    postgresql_using="gin",
    postgresql_ops={"metadata": "jsonb_path_ops"},
    postgresql_where=text("metadata <> '{}'::jsonb"),
)
Index("ix_jobs_project_id", jobs.c.project_id, jobs.c.id, postgresql_where=jobs.c.project_id.is_not(None))
Index(
    "ix_jobs_project_turns",
    jobs.c.project_id,
    jobs.c.id,
    postgresql_where=text("project_id IS NOT NULL AND version IS NULL AND dispatch <> 'done'"),
)
Index(
    "ix_jobs_admit",
    jobs.c.tenant_id,
    text(FLOW),
    jobs.c.priority,
    jobs.c.id,
    postgresql_where=text("dispatch = 'idle' AND admitted_at IS NULL"),
)
Index(
    "ix_jobs_continue",
    jobs.c.queue,
    jobs.c.due_at,
    postgresql_where=text("dispatch = 'idle' AND admitted_at IS NOT NULL AND wants IS NULL"),
)
Index("ix_jobs_wants", jobs.c.queue, jobs.c.due_at, postgresql_where=text("dispatch = 'idle' AND wants IS NOT NULL"))
Index("ix_jobs_held", jobs.c.id, postgresql_where=text("held IS NOT NULL"))
Index("ix_jobs_occupying", jobs.c.queue, jobs.c.lease_owner, postgresql_where=text("dispatch IN ('rung', 'held')"))
Index(
    "ix_jobs_running",
    jobs.c.tenant_id,
    postgresql_where=text("admitted_at IS NOT NULL AND dispatch <> 'done'"),
)
Index("ix_jobs_slots", jobs.c.token_id, jobs.c.slot, postgresql_where=text("slot IS NOT NULL"))
Index(
    "ix_jobs_start_by",
    jobs.c.start_by,
    postgresql_where=text("start_by IS NOT NULL AND admitted_at IS NULL AND dispatch = 'idle'"),
)
Index("ix_jobs_finish_by", jobs.c.finish_by, postgresql_where=text("finish_by IS NOT NULL AND dispatch = 'idle'"))
Index(
    "ix_jobs_succeeded",
    jobs.c.tenant_id,
    jobs.c.finished_at,
    postgresql_where=text("status = 'succeeded'"),
)
Index("ix_jobs_succeeded_of_all", jobs.c.finished_at, postgresql_where=text("status = 'succeeded'"))

Index(
    "uq_jobs_live_retry",
    jobs.c.retried_from,
    unique=True,
    postgresql_where=text("retried_from IS NOT NULL AND dispatch <> 'done'"),
)
Index("ix_jobs_batch_id", jobs.c.batch_id, postgresql_where=jobs.c.batch_id.is_not(None))

job_inputs = Table(
    "job_inputs",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    tenant_column(),
    # What the request named stays for good; the reference goes when the asset is deleted after the job's end.
    Column("asset", Text),
    Column("asset_id", Text, ForeignKey("assets.id", ondelete="SET NULL")),
    Column("url", Text),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    # Of the file that this request named: the asset may have been kept from another one with the same bytes.
    Column("repairs", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    CheckConstraint(one_of("state", ("pending", "sending", "sent")), name="state_known"),
    CheckConstraint("(asset IS NULL) <> (url IS NULL)", name="asset_or_url"),
)
Index("ix_job_inputs_asset_id", job_inputs.c.asset_id, postgresql_where=job_inputs.c.asset_id.is_not(None))

turns = Table(
    "turns",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    tenant_column(),
    Column("state", Text, nullable=False, server_default=text("'ready'")),
    Column("epoch", Integer),
    Column("before", JSONB, nullable=False),
    Column("sent_at", Moment),
    Column("observations", Integer, nullable=False, server_default=text("0")),
    Column("last_seen", JSONB(none_as_null=True)),
    Column("report", JSONB(none_as_null=True)),
    Column("finished_at", Moment),
    created_column(),
    CheckConstraint(one_of("state", TurnState), name="state_known"),
    CheckConstraint("state = 'ready' OR (sent_at IS NOT NULL AND epoch IS NOT NULL)", name="sent_has_epoch"),
    CheckConstraint("(state IN ('finished', 'unknown')) = (finished_at IS NOT NULL)", name="ended_has_time"),
)

renders = Table(
    "renders",
    metadata,
    id_column(),
    Column("job_id", Text, ForeignKey("jobs.id"), nullable=False),
    tenant_column(),
    Column("output_index", Integer, nullable=False, server_default=text("0")),
    Column("attempt", Integer, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'prepared'")),
    Column("polls", Integer, nullable=False, server_default=text("0")),
    created_column(),
    Column("submitted_at", Moment),
    Column("url", Text),
    CheckConstraint(one_of("state", ("prepared", "submitted", "completed", "failed")), name="state_known"),
    UniqueConstraint("job_id", "output_index", "attempt"),
)

job_events = Table(
    "job_events",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    tenant_column(),
    Column("type", Text, nullable=False),
    Column("data", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    created_column(),
    CheckConstraint("seq > 0", name="seq_from_one"),
)
Index(
    "uq_job_events_one_terminal",
    job_events.c.job_id,
    unique=True,
    postgresql_where=text(one_of("type", sorted(TERMINAL_EVENTS))),
)
