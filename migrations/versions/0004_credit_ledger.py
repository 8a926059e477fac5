"""What each turn cost.

Revision: 0004, after 0003.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "credit_entries",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("token_id", sa.Text(), nullable=False),
        sa.Column("spent", sa.Double(), nullable=False),
        sa.Column("held", sa.Double(), nullable=False),
        sa.Column("before", sa.Double(), nullable=True),
        sa.Column("after", sa.Double(), nullable=True),
        sa.Column("certainty", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("spent >= 0", name=op.f("ck_credit_entries_spent_not_negative")),
        sa.CheckConstraint("certainty IN ('inferred', 'unknown')", name=op.f("ck_credit_entries_certainty_known")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_credit_entries_job_id_jobs")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_credit_entries_tenant_id_tenants")),
        sa.ForeignKeyConstraint(
            ["token_id"], ["upstream_tokens.id"], name=op.f("fk_credit_entries_token_id_upstream_tokens")
        ),
        sa.PrimaryKeyConstraint("job_id", "position", name=op.f("pk_credit_entries")),
    )
    op.create_index("ix_credit_entries_tenant_id_created_at", "credit_entries", ["tenant_id", "created_at"])


def downgrade() -> None:
    op.drop_table("credit_entries")
