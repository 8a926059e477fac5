"""What keeps the service honest: idempotency keys and the workers that are alive."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from reelqueue.store.tables.metadata import Moment, created_column, id_column, metadata, tenant_column

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    tenant_column(primary_key=True),
    Column("operation", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("job_id", Text, ForeignKey("jobs.id"), nullable=False),
    created_column(),
    Column("expires_at", Moment, nullable=False),
)
Index("ix_idempotency_keys_expires_at", idempotency_keys.c.expires_at)
Index("ix_idempotency_keys_job_id", idempotency_keys.c.job_id)

workers = Table(
    "workers",
    metadata,
    id_column(),
    Column("node", Text, nullable=False),
    Column("queues", ARRAY(Text), nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("state", Text, nullable=False),
    created_column(),
    Column("expires_at", Moment, nullable=False),
    CheckConstraint("state IN ('working', 'draining', 'gone')", name="state_known"),
    CheckConstraint("capacity > 0", name="capacity_positive"),
)
Index("ix_workers_expires_at", workers.c.expires_at)
