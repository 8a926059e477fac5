"""The ledger: what each turn cost. Rows are added and never changed."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Double, ForeignKey, Index, Integer, Table, Text

from reelqueue.store.tables.metadata import created_column, metadata, one_of, tenant_column

credit_entries = Table(
    "credit_entries",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    tenant_column(),
    Column("token_id", Text, ForeignKey("upstream_tokens.id"), nullable=False),
    Column("spent", Double, nullable=False),
    Column("held", Double, nullable=False),
    Column("before", Double),
    Column("after", Double),
    Column("certainty", Text, nullable=False),
    created_column(),
    CheckConstraint("spent >= 0", name="spent_not_negative"),
    CheckConstraint(one_of("certainty", ("inferred", "unknown")), name="certainty_known"),
)
Index("ix_credit_entries_tenant_id_created_at", credit_entries.c.tenant_id, credit_entries.c.created_at)
