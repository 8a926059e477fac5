"""Batches: jobs that were accepted together."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from reelqueue.store.tables.metadata import Moment, created_column, id_column, metadata, one_of, tenant_column

batches = Table(
    "batches",
    metadata,
    id_column(),
    tenant_column(),
    Column("mode", Text, nullable=False),
    Column("project_id", Text, ForeignKey("projects.id")),
    Column("name", Text),
    Column("metadata", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("external_id", Text),
    Column("webhook_url", Text),
    Column("jobs", Integer, nullable=False),
    # How many have not ended. Counted down in the transaction that ends a job, so that exactly one of them is the last.
    Column("open", Integer, nullable=False),
    Column("cancel_requested_at", Moment),
    created_column(),
    Column("finished_at", Moment),
    CheckConstraint(one_of("mode", ("separate", "one_project")), name="mode_known"),
    CheckConstraint("open BETWEEN 0 AND jobs", name="open_in_range"),
    CheckConstraint("(open = 0) = (finished_at IS NOT NULL)", name="ended_has_time"),
    CheckConstraint("(mode = 'one_project') = (project_id IS NOT NULL)", name="one_project_has_project"),
)
Index("ix_batches_tenant_id_id", batches.c.tenant_id, batches.c.id)
