"""When the owner was told that files which arrived late are deleted soon.

Revision: 0023, after 0022.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"

THESE = "type IN ('job.started', 'asset.expiring')"


def upgrade() -> None:
    op.add_column("recoveries", sa.Column("expiring_told_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.create_index(
        "ix_recoveries_expiring",
        "recoveries",
        ["expires_at"],
        postgresql_where=sa.text("expires_at IS NOT NULL AND expiring_told_at IS NULL"),
    )


def downgrade() -> None:
    # The code before this one knows no such events.
    op.execute(f"DELETE FROM webhook_attempts WHERE message_id IN (SELECT id FROM messages WHERE {THESE})")  # noqa: S608
    for table in ("messages", "feed_events", "job_events"):
        op.execute(f"DELETE FROM {table} WHERE {THESE}")  # noqa: S608
    op.drop_index("ix_recoveries_expiring", table_name="recoveries")
    op.drop_column("recoveries", "expiring_told_at")
