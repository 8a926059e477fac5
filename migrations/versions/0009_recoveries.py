"""What is watched for after jobs have ended.

Revision: 0009, after 0008.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"

JSONB = postgresql.JSONB(astext_type=sa.Text())
MOMENT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "recoveries",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("looks", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("seen", sa.Text(), nullable=True),
        sa.Column("files", JSONB, server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("recovered_at", MOMENT, nullable=True),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("dispatch", sa.Text(), server_default=sa.text("'idle'"), nullable=False),
        sa.Column("due_at", MOMENT, server_default=sa.text("now()"), nullable=True),
        sa.Column("bell_at", MOMENT, nullable=True),
        sa.Column("bells", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("kind IN ('render', 'turn')", name=op.f("ck_recoveries_kind_known")),
        sa.CheckConstraint("dispatch IN ('idle', 'rung', 'held', 'done')", name=op.f("ck_recoveries_dispatch_known")),
        sa.CheckConstraint(
            "(dispatch = 'held') = (lease_owner IS NOT NULL)", name=op.f("ck_recoveries_held_has_owner")
        ),
        sa.CheckConstraint("(dispatch = 'done') = (due_at IS NULL)", name=op.f("ck_recoveries_open_has_due_time")),
        sa.CheckConstraint(
            "(recovered_at IS NOT NULL) = (files <> '[]' OR version IS NOT NULL)",
            name=op.f("ck_recoveries_recovered_has_something"),
        ),
        sa.CheckConstraint("(expires_at IS NOT NULL) = (files <> '[]')", name=op.f("ck_recoveries_files_expire")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_recoveries_job_id_jobs")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_recoveries_project_id_projects")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_recoveries_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_recoveries")),
    )
    for name, column, where in (
        ("ix_recoveries_due", "due_at", "dispatch = 'idle'"),
        ("ix_recoveries_rung", "bell_at", "dispatch = 'rung'"),
        ("ix_recoveries_occupying", "lease_owner", "dispatch IN ('rung', 'held')"),
        ("ix_recoveries_turns", "project_id", "kind = 'turn' AND dispatch <> 'done'"),
    ):
        op.create_index(name, "recoveries", [column], postgresql_where=sa.text(where))


def downgrade() -> None:
    # The code before this one knows no such event.
    told = "SELECT id FROM messages WHERE type = 'job.recovered'"
    op.execute(f"DELETE FROM webhook_attempts WHERE message_id IN ({told})")  # noqa: S608
    op.execute("DELETE FROM messages WHERE type = 'job.recovered'")
    op.execute("DELETE FROM job_events WHERE type = 'job.recovered'")
    op.drop_table("recoveries")
