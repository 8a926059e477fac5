"""What is watched for after jobs have ended, and what came of it."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from reelqueue.domain.recovered import RecoveryKind
from reelqueue.store.tables.metadata import Moment, created_column, metadata, one_of, tenant_column

recoveries = Table(
    "recoveries",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id"), primary_key=True),
    tenant_column(),
    Column("project_id", Text, ForeignKey("projects.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("looks", Integer, nullable=False, server_default=text("0")),
    # The digest of the session at the last look.
    Column("seen", Text),
    # The files that came: `[{"output": 0, "result": {…}}]`.
    Column("files", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("version", Integer),
    Column("recovered_at", Moment),
    Column("expires_at", Moment),
    # When the owner was told that they expire soon.
    Column("expiring_told_at", Moment),
    created_column(),
    # As a job's.
    Column("dispatch", Text, nullable=False, server_default=text("'idle'")),
    Column("due_at", Moment, server_default=text("now()")),
    Column("bell_at", Moment),
    Column("bells", Integer, nullable=False, server_default=text("0")),
    Column("lease_owner", Text),
    Column("lease_epoch", Integer, nullable=False, server_default=text("0")),
    CheckConstraint(one_of("kind", RecoveryKind), name="kind_known"),
    CheckConstraint(one_of("dispatch", ("idle", "rung", "held", "done")), name="dispatch_known"),
    CheckConstraint("(dispatch = 'held') = (lease_owner IS NOT NULL)", name="held_has_owner"),
    CheckConstraint("(dispatch = 'done') = (due_at IS NULL)", name="open_has_due_time"),
    CheckConstraint(
        "(recovered_at IS NOT NULL) = (files <> '[]' OR version IS NOT NULL)", name="recovered_has_something"
    ),
    CheckConstraint("(expires_at IS NOT NULL) = (files <> '[]')", name="files_expire"),
)
Index("ix_recoveries_due", recoveries.c.due_at, postgresql_where=text("dispatch = 'idle'"))
Index("ix_recoveries_rung", recoveries.c.bell_at, postgresql_where=text("dispatch = 'rung'"))
Index("ix_recoveries_occupying", recoveries.c.lease_owner, postgresql_where=text("dispatch IN ('rung', 'held')"))
Index(
    "ix_recoveries_expiring",
    recoveries.c.expires_at,
    postgresql_where=text("expires_at IS NOT NULL AND expiring_told_at IS NULL"),
)
Index(
    "ix_recoveries_turns",
    recoveries.c.project_id,
    postgresql_where=text("kind = 'turn' AND dispatch <> 'done'"),
)
