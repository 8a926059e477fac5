"""Projects: the sessions behind them, and the versions of their drafts."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from reelqueue.domain.sessions import ProjectState
from reelqueue.store.tables.metadata import created_column, id_column, metadata, one_of, tenant_column

projects = Table(
    "projects",
    metadata,
    id_column(),
    tenant_column(),
    Column("token_id", Text, ForeignKey("upstream_tokens.id")),
    Column("state", Text, nullable=False),
    Column("session_id", Text),
    Column("task_id", Text),
    Column("user_id", Text),
    # How many sessions were begun for it; the earlier ones are in `former_sessions`.
    Column("openings", Integer, nullable=False, server_default=text("1")),
    Column("name", Text),
    Column("language", Text),
    Column("metadata", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("external_id", Text),
    Column("customer", Text),
    created_column(),
    CheckConstraint(one_of("state", ProjectState), name="state_known"),
    CheckConstraint("state IN ('new', 'creating') OR session_id IS NOT NULL", name="ready_has_session"),
    CheckConstraint("state = 'new' OR token_id IS NOT NULL", name="begun_has_token"),
)
Index("uq_projects_session_id", projects.c.session_id, unique=True, postgresql_where=projects.c.session_id.is_not(None))
Index("ix_projects_tenant_id_id", projects.c.tenant_id, projects.c.id)

former_sessions = Table(
    "former_sessions",
    metadata,
    Column("project_id", Text, ForeignKey("projects.id"), primary_key=True),
    Column("opening", Integer, primary_key=True),
    tenant_column(),
    Column("token_id", Text, ForeignKey("upstream_tokens.id"), nullable=False),
    # Unknown where the answer to its making was lost.
    Column("session_id", Text),
    Column("task_id", Text),
    created_column(),
)

draft_versions = Table(
    "draft_versions",
    metadata,
    Column("project_id", Text, ForeignKey("projects.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    tenant_column(),
    Column("job_id", Text, ForeignKey("jobs.id")),
    Column("position", Integer),
    Column("digest", Text, nullable=False),
    # Text, not JSONB: it is given back as it came.
    Column("draft", Text, nullable=False),
    Column("timeline", JSONB, nullable=False),
    Column("facts", JSONB, nullable=False),
    Column("exportable", Boolean, nullable=False),
    created_column(),
    CheckConstraint("number > 0", name="number_from_one"),
    CheckConstraint("job_id IS NOT NULL OR position IS NULL", name="turn_has_job"),
)
Index(
    "ix_draft_versions_job_id",
    draft_versions.c.job_id,
    postgresql_where=draft_versions.c.job_id.is_not(None),
)
